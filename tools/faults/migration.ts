/**
 * Moves a cluster under load from Apache Kafka to Millrace and back, broker by broker, without stopping: on each broker's own folder
 * under its own id, or onto new brokers by reassignment.
 */
import { createHash } from 'node:crypto';
import { createReadStream, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BATCH_HEADER_BYTES, batchLastOffset, batchSizeBytes } from '@millrace/records';
import { ClusterLoad, type LoadReport } from './cluster-load.ts';
import { SETTINGS } from './cluster-process.ts';
import { EnsembleCluster, type Make } from './ensemble-cluster.ts';
import { movesOfAll, reassign } from './reassign.ts';

/** How a broker is replaced: by one on its own folder under its own id, or by a new one that its replicas are moved to. */
export const WAYS = ['same-id', 'new-id'] as const;
export type Way = (typeof WAYS)[number];

export interface MigrationOptions {
  /** Where the brokers' data goes. */
  readonly folder: string;
  readonly way: Way;
  /** The release of Apache Kafka. Default: the 3.9 line. */
  readonly kafka?: string | undefined;
  /** `inter.broker.protocol.version`, the same before, meanwhile and afterwards. Default: each broker's own. */
  readonly interBrokerProtocol?: string | undefined;
  readonly onStep?: (line: string) => void;
}

export interface MigrationReport extends LoadReport {
  readonly way: Way;
  /** Files of logs whose bytes were compared before and after another program opened them. */
  readonly filesCompared: number;
}

const IDS = [1, 2, 3];
/** Each of the first is replaced by one that is replaced again. */
const LATER_IDS = [4, 5, 6, 7, 8, 9];

export async function migrate(options: MigrationOptions): Promise<MigrationReport> {
  const { way, ...rest } = options;
  const makes = new Map(IDS.map((id) => [id, 'kafka'] as const));
  const laterIds = way === 'new-id' ? LATER_IDS : [];
  const cluster = await EnsembleCluster.start({ ...rest, makes, laterIds, settings: SETTINGS });
  const load = new ClusterLoad(cluster.bootstrapServers, IDS.length, { isPatient: true });
  const migration = new Migration(options, cluster, load);
  try {
    await load.start();
    await migration.run();
    return {
      way: options.way,
      filesCompared: migration.filesCompared,
      ...(await load.finish()),
    };
  } finally {
    await load.abort();
    await cluster.stop();
  }
}

class Migration {
  filesCompared = 0;
  readonly #options: MigrationOptions;
  readonly #cluster: EnsembleCluster;
  readonly #load: ClusterLoad;
  /** The ids of the brokers that hold the data now. */
  #ids: readonly number[] = IDS;

  constructor(options: MigrationOptions, cluster: EnsembleCluster, load: ClusterLoad) {
    this.#options = options;
    this.#cluster = cluster;
    this.#load = load;
  }

  async run(): Promise<void> {
    for (const make of ['millrace', 'kafka'] as const) {
      for (const id of [...this.#ids]) {
        const commits = this.#load.commits();
        if (this.#options.way === 'same-id') await this.#replaceInPlace(id, make);
        else await this.#replaceByNew(id, make);
        await this.#load.checkCommits(commits);
      }
    }
  }

  async #replaceInPlace(id: number, make: Make): Promise<void> {
    await this.#cluster.stopOne(id);
    const before = await fingerprints(this.#cluster.logDirOf(id));
    this.#cluster.remake(id, make);
    await this.#cluster.restart(id);
    await this.#load.whole();
    await this.#compare(id, before);
    this.#said(`broker ${id} is of ${make} now, on the folder it had`);
  }

  /** What was in the logs must be there, byte by byte; more may have come behind it. */
  async #compare(id: number, before: readonly Fingerprint[]): Promise<void> {
    for (const { path, bytes, digest } of before) {
      this.filesCompared += 1;
      if ((await digestOf(path, bytes)) === digest) continue;
      this.#load.ledger.violation(`broker ${id}: the first ${bytes} bytes of ${path} are others than before`);
    }
  }

  async #replaceByNew(id: number, make: Make): Promise<void> {
    const next = Math.max(...this.#ids) + 1;
    await this.#cluster.add(next, make);
    this.#ids = this.#ids.map((each) => (each === id ? next : each));
    const moves = await movesOfAll(this.#load.admin, (replicas) => replicas.map((each) => (each === id ? next : each)));
    await reassign(this.#load.admin, moves);
    await this.#load.whole();
    await this.#cluster.stopOne(id);
    await this.#load.whole();
    this.#said(`broker ${next} of ${make} holds what broker ${id} held`);
  }

  #said(what: string): void {
    const { recordsAcknowledged, violationCount } = this.#load.ledger;
    this.#options.onStep?.(`${what}; ${recordsAcknowledged} records acknowledged, ${violationCount} violations`);
  }
}

interface Fingerprint {
  readonly path: string;
  readonly bytes: number;
  readonly digest: string;
}

/** Of all files with records below a log directory, as far as those are below the high watermark: what is above nobody was promised. */
async function fingerprints(logDir: string): Promise<Fingerprint[]> {
  const found: Fingerprint[] = [];
  for (const [partition, highWatermark] of highWatermarks(logDir)) {
    for (const name of readdirSync(join(logDir, partition)).filter((each) => each.endsWith('.log'))) {
      const path = join(logDir, partition, name);
      const bytes = bytesBelow(readFileSync(path), highWatermark);
      if (bytes > 0) found.push({ path, bytes, digest: await digestOf(path, bytes) });
    }
  }
  return found;
}

/** By the folders of the partitions, as a broker wrote them down when it was stopped. */
function highWatermarks(logDir: string): [partition: string, offset: number][] {
  const [, , ...lines] = readFileSync(join(logDir, 'replication-offset-checkpoint'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const [topic, partition, offset] = line.split(' ');
    return [`${topic}-${partition}`, Number(offset)];
  });
}

function bytesBelow(log: Buffer, offset: number): number {
  let position = 0;
  while (position + BATCH_HEADER_BYTES <= log.length) {
    const end = position + batchSizeBytes(log, position);
    if (batchLastOffset(log, position) >= offset || end > log.length) break;
    position = end;
  }
  return position;
}

async function digestOf(path: string, bytes: number): Promise<string> {
  const hash = createHash('sha256');
  if (bytes > 0) for await (const chunk of createReadStream(path, { end: bytes - 1 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
