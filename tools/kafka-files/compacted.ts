/** Writes a log with everything in it, and compacts it. */
import { seededRandom, systemClock } from '@millrace/ports';
import { type BuildBatchOptions, Compression, RecordBatchBuilder } from '@millrace/records';
import { accepted, endTransaction, openNewLog } from './new-log.ts';

const APPENDS = 4000;
const KEYS = 200;
const PRODUCER_ID = 1000;
const CODECS = Object.values(Compression);

/** What compaction has left. */
export interface CompactedLog {
  readonly folder: string;
  readonly recordsRead: number;
  readonly recordsKept: number;
  readonly segmentCount: number;
}

/** Keys, tombstones, transactions, every codec; compacted in between and at the end, with tombstones that may go and that may not. */
export async function writeCompacted(logDir: string, seed: number): Promise<CompactedLog> {
  const random = seededRandom(seed);
  const { log, manager } = await openNewLog(logDir, 'compacted', random, {
    cleanupPolicy: ['compact'],
    minCleanableDirtyRatio: 0.01,
    deleteRetentionMs: 1,
  });
  let sequence = 0;
  for (let i = 0; i < APPENDS; i += 1) {
    const count = 1 + random.nextInt(5);
    const isTransactional = i % 3 === 0;
    const identity = isTransactional
      ? { producerId: PRODUCER_ID, producerEpoch: 0, baseSequence: sequence, isTransactional }
      : {};
    if (isTransactional) sequence += count;
    await accepted(log.append(batchOf(random.nextInt, i, count, identity), { leaderEpoch: 0, origin: 'client' }));
    if (isTransactional && i % 9 === 6) await endTransaction(log, PRODUCER_ID, 0, random.nextInt(2) === 0);
    if (i % 1500 === 1499) await manager.compact();
  }
  await endTransaction(log, PRODUCER_ID, 0, true);
  log.roll();
  await accepted(log.append(batchOf(random.nextInt, APPENDS, 1, {}), { leaderEpoch: 0, origin: 'client' }));
  await manager.compact();
  const { recordsRead, recordsKept } = manager.cleaner;
  const { folder, segmentCount } = log;
  await manager.close(1);
  return { folder, recordsRead, recordsKept, segmentCount };
}

function batchOf(
  nextInt: (bound: number) => number,
  index: number,
  count: number,
  identity: BuildBatchOptions,
): Buffer {
  const builder = new RecordBatchBuilder();
  for (let i = 0; i < count; i += 1) {
    const value = nextInt(8) === 0 ? null : 'x'.repeat(nextInt(200));
    builder.append(systemClock.now() + index - nextInt(10_000), `key-${nextInt(KEYS)}`, value, [
      { key: 'n', value: String(index) },
    ]);
  }
  return builder.build({ ...identity, compression: CODECS[nextInt(CODECS.length)] ?? Compression.NONE });
}
