import type { MetadataStore } from '@millrace/metadata';
import { BrokerFault } from '../shared/errors.ts';
import type { Logger } from '../shared/logger.ts';
import { compareWithStore, type FoundLog, raiseLeaderEpochs } from './adopt-logs.ts';

/** Names that are listed in a message; there may be thousands. */
const NAMES_MAX = 5;

/**
 * Makes sure that a store of a broker's own knows all of its logs. A store that does not has lost something, for topics are
 * written to it before they have logs and go from it after them; a broker that went on would tell clients that they are gone.
 * Leader epochs that are behind those of the logs are raised, and a log whose small file names another topic id is given the store's:
 * nothing of its own that could be of another topic outlives that, and the store has checksums.
 * @throws BrokerFault BROKER_METADATA_BEHIND when topics or partitions are missing.
 */
export async function assertLogsKnown<Log extends FoundLog>(
  store: MetadataStore,
  logs: Iterable<Log>,
  { logger, correct }: { readonly logger: Logger; readonly correct: (log: Log, topicId: string) => Promise<void> },
): Promise<void> {
  const { unknown, ahead, misnamed } = await compareWithStore(store, logs);
  if (unknown.length > 0) throw behind(unknown);
  for (const { log, topicId } of misnamed) {
    const { topic, partition } = log;
    logger.error(
      { topic, partition, topicId, formerTopicId: log.topicId },
      'The partition.metadata of a log names another topic id than the metadata store; it is damaged, and is written anew',
    );
    await correct(log, topicId);
  }
  if (ahead.length === 0) return;
  const raised = await raiseLeaderEpochs(store, ahead);
  logger.warn(
    { partitions: raised },
    'The metadata store was behind the leader epochs of the logs, as if it had been put back from a copy; they were raised',
  );
}

function behind(unknown: readonly FoundLog[]): BrokerFault {
  const names = unknown.map(({ topic, partition }) => `${topic}-${partition}`).toSorted();
  const shown = names.slice(0, NAMES_MAX).join(', ');
  const more = names.length > NAMES_MAX ? ` and ${names.length - NAMES_MAX} more` : '';
  return new BrokerFault(
    'BROKER_METADATA_BEHIND',
    `The log folders hold partitions that the metadata store does not know (${shown}${more}): it has lost them, or the folders come from another broker. ` +
      `"millrace metadata restore" takes them from the logs' own files; or move their folders away. Nothing was changed.`,
  );
}
