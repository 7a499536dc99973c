import type { MetadataStore } from '@millrace/metadata';
import { BrokerFault } from '../shared/errors.ts';
import type { Logger } from '../shared/logger.ts';
import { compareWithStore, goAboveLogs } from './adopt-logs.ts';
import type { FoundLog } from './found-logs.ts';

/** Names that are listed in a message; there may be thousands. */
const NAMES_MAX = 5;

/** How {@link assertLogsKnown} looks, and what it does where logs and store differ. */
export interface LogsKnownOptions<Log extends FoundLog> {
  readonly logger: Logger;
  /** Who takes what is decided here upon itself. */
  readonly brokerId: number;
  readonly nowMs: number;
  /** Gives a log the topic id that the store has. Default: it keeps its own, and whoever opens it has to see. */
  readonly correct?: (log: Log, topicId: string) => Promise<void>;
}

/**
 * Makes sure that a store that nobody else has knows all of the logs beside it. A store that does not has lost something, for topics are
 * written to it before they have logs and go from it after them; a broker that went on would tell clients that they are gone.
 * One whose leader epochs are behind those of the logs is an older copy: it goes on above all that anybody can remember. A log whose small
 * file names another topic id is given the store's: nothing of its own that could be of another topic outlives that, and the store has
 * checksums.
 * @throws BrokerFault BROKER_METADATA_BEHIND when topics or partitions are missing.
 */
export async function assertLogsKnown<Log extends FoundLog>(
  store: MetadataStore,
  logs: Iterable<Log>,
  { logger, brokerId, nowMs, correct }: LogsKnownOptions<Log>,
): Promise<void> {
  const found = [...logs];
  const { unknown, ahead, misnamed } = await compareWithStore(store, found);
  if (unknown.length > 0) throw behind(unknown);
  for (const { log, topicId } of correct === undefined ? [] : misnamed) {
    const { topic, partition } = log;
    logger.error(
      { topic, partition, topicId, formerTopicId: log.topicId },
      'The partition.metadata of a log names another topic id than the metadata store; it is damaged, and is written anew',
    );
    await correct?.(log, topicId);
  }
  if (ahead.length === 0) return;
  const raised = await goAboveLogs(store, { logs: found, brokerId, nowMs });
  logger.warn(
    { partitions: raised },
    'The metadata store was behind the leader epochs of the logs, as if it had been put back from a copy; epochs and producer ids were raised above all that can have been',
  );
}

function behind(unknown: readonly FoundLog[]): BrokerFault {
  const names = [...new Set(unknown.map(({ topic, partition }) => `${topic}-${partition}`))].toSorted();
  const shown = names.slice(0, NAMES_MAX).join(', ');
  const more = names.length > NAMES_MAX ? ` and ${names.length - NAMES_MAX} more` : '';
  return new BrokerFault(
    'BROKER_METADATA_BEHIND',
    `The log folders hold partitions that the metadata store does not know (${shown}${more}): it has lost them, or the folders come from another broker. ` +
      `"millrace metadata restore" takes them from the logs' own files; or move their folders away. Nothing was changed.`,
  );
}
