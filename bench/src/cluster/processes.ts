/** Three brokers of one machine, a local cluster as it is installed or on an ensemble, and what their processes take. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BROKER_IDS, freePortsInARow } from '../../../tools/faults/cluster-process.ts';
import { EnsembleCluster } from '../../../tools/faults/ensemble-cluster.ts';
import { SpawnedBroker } from '../../../tools/faults/spawned-broker.ts';

export const BROKERS = 3;

/** How long the event loop of one process did nothing else, at the longest, while it was measured. */
export interface LoopDelay {
  readonly title: string;
  readonly longestMs: number;
  readonly p99Ms: number;
}

const KIB = 1024;
const WATCH = join(import.meta.dirname, 'loop-watch.mjs');

export class MeasuredCluster {
  readonly #parent: SpawnedBroker;
  readonly #folder: string;
  readonly #loops: LoopWatch;
  readonly bootstrap: string;

  private constructor(parent: SpawnedBroker, folder: string, loops: LoopWatch, port: number) {
    this.#parent = parent;
    this.#folder = folder;
    this.#loops = loops;
    this.bootstrap = Array.from({ length: BROKERS }, (_, index) => `127.0.0.1:${port + index}`).join(',');
  }

  /** Starts the program on an empty folder; resolves when it says that its brokers are ready. */
  static async start(program: string): Promise<MeasuredCluster> {
    const folder = mkdtempSync(join(tmpdir(), 'bench-cluster-'));
    const loops = new LoopWatch();
    const port = await freePortsInARow(BROKERS);
    const start = [program, 'start', '--brokers', String(BROKERS)];
    const parent = new SpawnedBroker({ folder, port, program: start, env: loops.env });
    const cluster = new MeasuredCluster(parent, folder, loops, port);
    try {
      await parent.says(/ready with \d+ brokers at/);
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** From the start of the parent until now. */
  get ageMs(): number {
    return performance.now() - this.#parent.startedAt;
  }

  /** The parent and its brokers. */
  get pids(): readonly number[] {
    const listed = execFileSync('ps', ['--ppid', String(this.#parent.pid), '-o', 'pid='], { encoding: 'utf8' });
    return [this.#parent.pid, ...listed.trim().split(/\s+/).map(Number)];
  }

  /** What all of them take together; what they share is counted once. */
  get pssBytes(): number {
    return this.pids.reduce((sum, pid) => sum + pssOf(pid), 0);
  }

  /** Leaves behind what the event loops did before. */
  beginLoops(): void {
    this.#loops.begin();
  }

  /** Stops it in order, and tells of the event loops of all its processes. */
  async stop(): Promise<readonly LoopDelay[]> {
    await this.#parent.stop();
    rmSync(this.#folder, { recursive: true, force: true });
    return this.#loops.take();
  }
}

/** Three brokers from source on three servers of ZooKeeper. */
export class MeasuredEnsemble {
  readonly #cluster: EnsembleCluster;
  readonly #folder: string;
  readonly #loops: LoopWatch;

  private constructor(cluster: EnsembleCluster, folder: string, loops: LoopWatch) {
    this.#cluster = cluster;
    this.#folder = folder;
    this.#loops = loops;
  }

  static async start(): Promise<MeasuredEnsemble> {
    const folder = mkdtempSync(join(tmpdir(), 'bench-cluster-'));
    const loops = new LoopWatch();
    const makes = new Map(BROKER_IDS.map((id) => [id, 'millrace' as const]));
    const settings = { 'default.replication.factor': BROKERS, 'min.insync.replicas': BROKERS - 1 };
    const cluster = await EnsembleCluster.start({ folder, makes, settings, envOf: () => loops.env });
    return new MeasuredEnsemble(cluster, folder, loops);
  }

  get bootstrap(): string {
    return this.#cluster.bootstrapServers;
  }

  /** Leaves behind what the event loops did before. */
  beginLoops(): void {
    this.#loops.begin();
  }

  /** Stops it in order, and tells of the event loops of the brokers. */
  async stop(): Promise<readonly LoopDelay[]> {
    await this.#cluster.stop();
    rmSync(this.#folder, { recursive: true, force: true });
    return this.#loops.take();
  }
}

/** Watches the event loops of processes that get its environment. */
class LoopWatch {
  readonly #folder: string = mkdtempSync(join(tmpdir(), 'bench-loops-'));

  get env(): Readonly<Record<string, string>> {
    return { BENCH_LOOP_FOLDER: this.#folder, NODE_OPTIONS: `--import ${WATCH}` };
  }

  begin(): void {
    writeFileSync(join(this.#folder, 'begin'), '');
  }

  /** What the processes that have ended have left, once. */
  take(): readonly LoopDelay[] {
    const files = readdirSync(this.#folder).filter((name) => name.endsWith('.json'));
    const delays = files.map((name) => JSON.parse(readFileSync(join(this.#folder, name), 'utf8')) as LoopDelay);
    rmSync(this.#folder, { recursive: true, force: true });
    return delays;
  }
}

function pssOf(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? Number.NaN) * KIB;
}
