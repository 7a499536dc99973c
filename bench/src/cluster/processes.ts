/** A local cluster of three brokers as it is installed, and what its processes take. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePortsInARow } from '../../../tools/faults/cluster-process.ts';
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
  readonly #loops: string;
  readonly bootstrap: string;

  private constructor(parent: SpawnedBroker, folder: string, loops: string, port: number) {
    this.#parent = parent;
    this.#folder = folder;
    this.#loops = loops;
    this.bootstrap = Array.from({ length: BROKERS }, (_, index) => `127.0.0.1:${port + index}`).join(',');
  }

  /** Starts the program on an empty folder; resolves when it says that its brokers are ready. */
  static async start(program: string): Promise<MeasuredCluster> {
    const folder = mkdtempSync(join(tmpdir(), 'bench-cluster-'));
    const loops = mkdtempSync(join(tmpdir(), 'bench-loops-'));
    const port = await freePortsInARow(BROKERS);
    const env = { BENCH_LOOP_FOLDER: loops, NODE_OPTIONS: `--import ${WATCH}` };
    const start = [program, 'start', '--brokers', String(BROKERS)];
    const parent = new SpawnedBroker({ folder, port, program: start, env });
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

  get parentPid(): number {
    return this.#parent.pid;
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
    writeFileSync(join(this.#loops, 'begin'), '');
  }

  /** Stops it in order, and tells of the event loops of all its processes. */
  async stop(): Promise<readonly LoopDelay[]> {
    await this.#parent.stop();
    const files = readdirSync(this.#loops).filter((name) => name.endsWith('.json'));
    const delays = files.map((name) => JSON.parse(readFileSync(join(this.#loops, name), 'utf8')) as LoopDelay);
    for (const folder of [this.#folder, this.#loops]) rmSync(folder, { recursive: true, force: true });
    return delays;
  }
}

function pssOf(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? Number.NaN) * KIB;
}
