/** Writes a log with everything in it that a log can hold, for Kafka's own tools to read. */
import { defaultLogConfig, LogManager, type PartitionLog } from '@millrace/log';
import { NodeDisk, type Random, seededRandom, systemClock } from '@millrace/ports';
import { type BuildBatchOptions, buildEndTxnMarker, Compression, RecordBatchBuilder } from '@millrace/records';

/** What was written. */
export interface WrittenLog {
  /** The partition's folder. */
  readonly folder: string;
  readonly endOffset: number;
  readonly segmentCount: number;
}

const APPENDS = 1500;
const PRODUCERS = 4;
/** The producer that writes transactions; 0 writes without an id. */
const TRANSACTIONAL = 3;
const CODECS = Object.values(Compression);

/** Fills a partition: all codecs, plain, idempotent and transactional producers, leader epochs, several segments. */
export async function writeLog(logDir: string, seed: number): Promise<WrittenLog> {
  const random = seededRandom(seed);
  const manager = new LogManager({
    disk: new NodeDisk(),
    clock: systemClock,
    random,
    logDirs: [logDir],
    brokerId: 1,
    clusterId: 'MkU3OEVBNTcwNTJENDM2Qg',
    configOf: () => ({ ...defaultLogConfig, segmentBytes: 60_000 }),
  });
  await manager.open();
  const log = await manager.getOrCreate('mixture', 0, { topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', isNew: true });
  log.onAppended((end) => log.advanceHighWatermark(end));
  await fill(log, random);
  const { folder, logEndOffset: endOffset, segmentCount } = log;
  await manager.close(1);
  return { folder, endOffset, segmentCount };
}

async function fill(log: PartitionLog, random: Random): Promise<void> {
  const sequences = new Array<number>(PRODUCERS).fill(0);
  for (let i = 0; i < APPENDS; i += 1) {
    const leaderEpoch = Math.floor(i / 400);
    const producer = random.nextInt(PRODUCERS);
    const count = 1 + random.nextInt(5);
    const identity = producer === 0 ? {} : identityOf(producer, sequences[producer] ?? 0);
    sequences[producer] = (sequences[producer] ?? 0) + count;
    await accepted(log.append(batchOf(random, i, count, identity), { leaderEpoch, origin: 'client' }));
    if (producer !== TRANSACTIONAL || random.nextInt(4) > 0) continue;
    const marker = buildEndTxnMarker({
      type: random.nextInt(2) === 0 ? 0 : 1,
      coordinatorEpoch: 2,
      producerId: 1000 + producer,
      producerEpoch: 0,
      timestampMs: systemClock.now(),
    });
    await accepted(log.append(marker, { leaderEpoch, origin: 'coordinator' }));
  }
}

function identityOf(producer: number, baseSequence: number): BuildBatchOptions {
  return {
    producerId: 1000 + producer,
    producerEpoch: 0,
    baseSequence,
    isTransactional: producer === TRANSACTIONAL,
  };
}

function batchOf(random: Random, index: number, count: number, identity: BuildBatchOptions): Buffer {
  const builder = new RecordBatchBuilder();
  for (let i = 0; i < count; i += 1) {
    const timestamp = systemClock.now() + index * 10 - random.nextInt(10_000);
    builder.append(timestamp, `key-${random.nextInt(100)}`, 'x'.repeat(random.nextInt(200)), [
      { key: 'n', value: 'v' },
    ]);
  }
  return builder.build({ ...identity, compression: CODECS[random.nextInt(CODECS.length)] ?? Compression.NONE });
}

async function accepted(append: ReturnType<PartitionLog['append']>): Promise<void> {
  const { errorCode, errorMessage } = await append;
  if (errorCode !== 0) throw new Error(`The log refused a batch: ${errorCode} ${errorMessage ?? ''}`);
}
