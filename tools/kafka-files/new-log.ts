/** A partition's log in a folder of its own, and what both writers put into one. */
import { defaultLogConfig, type LogConfig, LogManager, type PartitionLog } from '@millrace/log';
import { NodeDisk, type Random, systemClock } from '@millrace/ports';
import { buildEndTxnMarker } from '@millrace/records';

/** A log that is written to, and its manager, to be closed. */
export interface NewLog {
  readonly log: PartitionLog;
  readonly manager: LogManager;
}

export async function openNewLog(
  logDir: string,
  topic: string,
  random: Random,
  config: Partial<LogConfig>,
): Promise<NewLog> {
  const manager = new LogManager({
    disk: new NodeDisk(),
    clock: systemClock,
    random,
    logDirs: [logDir],
    brokerId: 1,
    clusterId: 'MkU3OEVBNTcwNTJENDM2Qg',
    configOf: () => ({ ...defaultLogConfig, segmentBytes: 60_000, ...config }),
  });
  await manager.open();
  const log = await manager.getOrCreate(topic, 0, { topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', isNew: true });
  log.onAppended((end) => log.advanceHighWatermark(end));
  return { log, manager };
}

/** Ends a transaction of a producer. */
export async function endTransaction(
  log: PartitionLog,
  producerId: number,
  leaderEpoch: number,
  isCommit: boolean,
): Promise<void> {
  const marker = buildEndTxnMarker({
    type: isCommit ? 1 : 0,
    coordinatorEpoch: 2,
    producerId,
    producerEpoch: 0,
    timestampMs: systemClock.now(),
  });
  await accepted(log.append(marker, { leaderEpoch, origin: 'coordinator' }));
}

/** @throws Error when the log refuses it */
export async function accepted(append: ReturnType<PartitionLog['append']>): Promise<void> {
  const { errorCode, errorMessage } = await append;
  if (errorCode !== 0) throw new Error(`The log refused a batch: ${errorCode} ${errorMessage ?? ''}`);
}
