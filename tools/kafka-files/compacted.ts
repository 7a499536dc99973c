/** Writes a log with everything in it, and compacts it. */
import { defaultLogConfig, LogManager, type PartitionLog } from '@millrace/log';
import { NodeDisk, seededRandom, systemClock } from '@millrace/ports';
import { type BuildBatchOptions, buildEndTxnMarker, Compression, RecordBatchBuilder } from '@millrace/records';

const APPENDS = 4000;
const KEYS = 200;
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
  const manager = new LogManager({
    disk: new NodeDisk(),
    clock: systemClock,
    random,
    logDirs: [logDir],
    brokerId: 1,
    clusterId: 'MkU3OEVBNTcwNTJENDM2Qg',
    configOf: () => ({
      ...defaultLogConfig,
      cleanupPolicy: ['compact'],
      segmentBytes: 60_000,
      minCleanableDirtyRatio: 0.01,
      deleteRetentionMs: 1,
    }),
  });
  await manager.open();
  const log = await manager.getOrCreate('compacted', 0, { topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', isNew: true });
  log.onAppended((end) => log.advanceHighWatermark(end));
  let sequence = 0;
  for (let i = 0; i < APPENDS; i += 1) {
    const count = 1 + random.nextInt(5);
    const isTransactional = i % 3 === 0;
    const identity = isTransactional
      ? { producerId: 1000, producerEpoch: 0, baseSequence: sequence, isTransactional }
      : {};
    if (isTransactional) sequence += count;
    await accepted(log.append(batchOf(random.nextInt, i, count, identity), { leaderEpoch: 0, origin: 'client' }));
    if (isTransactional && i % 9 === 6) await endTransaction(log, random.nextInt(2) === 0);
    if (i % 1500 === 1499) await manager.compact();
  }
  await endTransaction(log, true);
  log.roll();
  await accepted(log.append(batchOf(random.nextInt, APPENDS, 1, {}), { leaderEpoch: 0, origin: 'client' }));
  await manager.compact();
  const { recordsRead, recordsKept } = manager.cleaner;
  const { folder, segmentCount } = log;
  await manager.close(1);
  return { folder, recordsRead, recordsKept, segmentCount };
}

async function endTransaction(log: PartitionLog, isCommit: boolean): Promise<void> {
  const marker = buildEndTxnMarker({
    type: isCommit ? 1 : 0,
    coordinatorEpoch: 2,
    producerId: 1000,
    producerEpoch: 0,
    timestampMs: systemClock.now(),
  });
  await accepted(log.append(marker, { leaderEpoch: 0, origin: 'coordinator' }));
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

async function accepted(append: ReturnType<PartitionLog['append']>): Promise<void> {
  const { errorCode, errorMessage } = await append;
  if (errorCode !== 0) throw new Error(`The log refused a batch: ${errorCode} ${errorMessage ?? ''}`);
}
