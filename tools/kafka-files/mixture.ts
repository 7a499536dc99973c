/** Writes a log with everything in it that a log can hold, for Kafka's own tools to read. */
import type { PartitionLog } from '@millrace/log';
import { type Random, seededRandom, systemClock } from '@millrace/ports';
import { type BuildBatchOptions, Compression, RecordBatchBuilder } from '@millrace/records';
import { accepted, endTransaction, openNewLog } from './new-log.ts';

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
export async function writeMixture(logDir: string, seed: number): Promise<WrittenLog> {
  const random = seededRandom(seed);
  const { log, manager } = await openNewLog(logDir, 'mixture', random, {});
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
    await endTransaction(log, 1000 + producer, leaderEpoch, random.nextInt(2) === 1);
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
