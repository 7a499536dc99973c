import type { LogManager, PartitionLog } from '@millrace/log';
import type { MetadataStore } from '@millrace/metadata';
import type { Clock } from '@millrace/ports';
import type { BrokerConfig } from './config/broker-config.ts';
import type { Logger } from './shared/logger.ts';
import type { FoundLog } from './store/found-logs.ts';
import { assertLogsKnown } from './store/logs-known.ts';

/** What the logs of a broker say of themselves, as they are now. */
export function* foundLogs(logs: LogManager): Generator<FoundLog & { readonly log: PartitionLog }> {
  for (const log of logs.logs) {
    const { topic, partition, topicId, latestEpoch } = log;
    yield { topic, partition, topicId, leaderEpoch: latestEpoch, log };
  }
}

/** Holds a broker's logs against the store that is its own; see `assertLogsKnown`. */
export function assertAllKnown(
  logs: LogManager,
  {
    store,
    logger,
    clock,
    config,
  }: {
    readonly store: MetadataStore;
    readonly logger: Logger;
    readonly clock: Clock;
    readonly config: BrokerConfig;
  },
): Promise<void> {
  return assertLogsKnown(store, foundLogs(logs), {
    logger,
    brokerId: config.brokerId,
    nowMs: clock.now(),
    correct: async ({ log }, topicId) => {
      if (log.state === 'online') await logs.correctTopicId(log, topicId);
    },
  });
}

/**
 * Tells that an ensemble held no cluster where this broker looked. That is how one begins; and what a slip in the chroot looks like, for which
 * nobody is told anything else.
 */
export function tellFounded(
  clusterId: string,
  { config: { zookeeperConnect }, logger }: { readonly config: BrokerConfig; readonly logger: Logger },
): void {
  const connect = zookeeperConnect?.trim() ?? '';
  if (connect === '') return;
  const slash = connect.indexOf('/');
  const chroot = slash < 0 ? '/' : connect.slice(slash);
  logger.info(
    { clusterId, chroot, connect },
    `Founded a new cluster: there was none at the chroot ${chroot} of zookeeper.connect=${connect}. If this broker was to join one, stop it, and give zookeeper.connect that one's chroot`,
  );
}
