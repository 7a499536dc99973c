import { defaultLogConfig, type LogConfig, LogManager, type LogManagerOptions, type PartitionLog } from '@millrace/log';
import { MemoryDisk, seededRandom } from '@millrace/ports';
import { type BuildBatchOptions, RecordBatchBuilder } from '@millrace/records';
import { SimulatedClock } from '../world/simulated-clock.ts';

export const FOLDER = '/data';
export const TOPIC = 't';
export const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';
export const START_MS = 1_700_000_000_000;
/** What lies below was deleted. */
export const LOG_START = 3;
/** Stands for a marker of a transaction where a record's value would stand. */
export const MARKER = 'a marker';

const CONFIG: LogConfig = { ...defaultLogConfig, segmentBytes: 700, indexIntervalBytes: 100, retentionMs: -1 };
const BATCHES = 24;
/** Batches of the second leader epoch, and what stands behind a checkpoint that was taken on the way. */
const SECOND_EPOCH_FROM = 12;
const CHECKPOINT_AT = 16;
const IDEMPOTENT = 7;
const TRANSACTIONAL = 8;

/** How the broker stopped before the bit flipped. */
export type Stop = 'clean' | 'unclean';

/** A small log with something of everything in it, and what is true of it. */
export interface SmallLog {
  readonly disk: MemoryDisk;
  /** By offset. */
  readonly values: readonly string[];
  /** Offsets whose transaction was aborted. */
  readonly aborted: ReadonlySet<number>;
  readonly secondEpochStart: number;
  /** The last batch of the idempotent producer, and where it stands. */
  readonly last: { readonly batch: Buffer; readonly baseOffset: number };
}

/** A manager of logs that nothing happens to by itself. */
export function managerOn(disk: MemoryDisk, told: Pick<LogManagerOptions, 'onCut' | 'onDamaged'> = {}): LogManager {
  const world = { disk, clock: new SimulatedClock(), random: seededRandom(1), brokerId: 1, clusterId: 'c' };
  return new LogManager({ ...world, ...told, logDirs: [FOLDER], configOf: () => CONFIG, tailCacheBytesMax: 0 });
}

/** Writes the log: batches of nobody in particular, of an idempotent producer, and of transactions, one of them aborted. */
export async function writeSmallLog(stop: Stop): Promise<SmallLog> {
  const disk = new MemoryDisk();
  const manager = managerOn(disk);
  await manager.open();
  const log = await manager.getOrCreate(TOPIC, 0, { topicId: TOPIC_ID, isNew: true });
  const content = new Content(log);
  for (let batch = 0; batch < BATCHES; batch += 1) {
    await content.addBatch(batch);
    log.advanceHighWatermark(log.durableEndOffset);
    if (batch !== CHECKPOINT_AT) continue;
    log.deleteRecordsBefore(LOG_START);
    await manager.checkpoint();
  }
  if (stop === 'clean') await manager.close();
  const { values, aborted, secondEpochStart, last } = content;
  const crashed = disk.crash('none');
  await crashed.replaceFile(`${FOLDER}/cleaner-offset-checkpoint`, Buffer.from(`0\n1\n${TOPIC} 0 5\n`));
  if (stop === 'unclean') await tearTail(crashed, last.batch);
  return { disk: crashed, values, aborted, secondEpochStart, last };
}

/** What a log is filled with, and what it has come to hold. */
class Content {
  readonly values: string[] = [];
  readonly aborted = new Set<number>();
  secondEpochStart = 0;
  last = { batch: Buffer.alloc(0), baseOffset: -1 };
  readonly #log: PartitionLog;
  readonly #random = seededRandom(3);
  readonly #sequences = new Map<number, number>();
  #leaderEpoch = 0;
  #open: number[] = [];

  constructor(log: PartitionLog) {
    this.#log = log;
  }

  async addBatch(index: number): Promise<void> {
    if (index === SECOND_EPOCH_FROM) {
      this.#leaderEpoch = 1;
      this.secondEpochStart = this.values.length;
    }
    const kind = index % 6;
    if (kind === 2 || kind === 3) this.#open.push(...(await this.#records(TRANSACTIONAL, true)));
    else if (kind === 4) await this.#end(index > SECOND_EPOCH_FROM);
    else await this.#records(kind === 1 ? undefined : IDEMPOTENT, false);
  }

  async #records(producerId: number | undefined, isTransactional: boolean): Promise<number[]> {
    const builder = new RecordBatchBuilder();
    const first = this.values.length;
    for (let count = 1 + this.#random.nextInt(3); count > 0; count -= 1) {
      const value = `v${this.values.length}`.padEnd(4 + this.#random.nextInt(40), '.');
      builder.append(START_MS + this.values.length, 'k', value);
      this.values.push(value);
    }
    const batch = builder.build(this.#identity(producerId, this.values.length - first, isTransactional));
    if (producerId === IDEMPOTENT) this.last = { batch: Buffer.from(batch), baseOffset: first };
    await this.#log.append(batch, { leaderEpoch: this.#leaderEpoch, origin: 'client' });
    return Array.from({ length: this.values.length - first }, (_, at) => first + at);
  }

  #identity(producerId: number | undefined, count: number, isTransactional: boolean): BuildBatchOptions {
    if (producerId === undefined) return {};
    const baseSequence = this.#sequences.get(producerId) ?? 0;
    this.#sequences.set(producerId, baseSequence + count);
    return { producerId, producerEpoch: 0, baseSequence, isTransactional };
  }

  async #end(isCommit: boolean): Promise<void> {
    const builder = new RecordBatchBuilder();
    builder.append(START_MS + this.values.length, Buffer.from([0, 0, 0, isCommit ? 1 : 0]), Buffer.alloc(6));
    this.values.push(MARKER);
    const batch = builder.build({
      producerId: TRANSACTIONAL,
      producerEpoch: 0,
      isTransactional: true,
      isControl: true,
    });
    await this.#log.append(batch, { leaderEpoch: this.#leaderEpoch, origin: 'coordinator' });
    for (const offset of isCommit ? [] : this.#open) this.aborted.add(offset);
    this.#open = [];
  }
}

/** As a power failure leaves it: the beginning of a batch that nobody was told of. */
async function tearTail(disk: MemoryDisk, batch: Buffer): Promise<void> {
  const logs = disk.filesBelow(FOLDER).filter(({ path }) => path.endsWith('.log'));
  const { path, sizeBytes } = logs.at(-1)!;
  const file = await disk.open(path);
  await file.write(sizeBytes, [batch.subarray(0, batch.length - 5)], { sync: true });
  await file.close();
}
