import type { LiveLogOptions, LogManager } from '@millrace/log';
import type { BrokerConfig } from './config/broker-config.ts';
import type { ConfigRepository } from './config/config-repository.ts';
import { isCertificateSetting, type ListenerCertificates } from './config/listener-changes.ts';
import type { Controller } from './controller/controller.ts';
import type { ReplicaManager } from './replicas/replica-manager.ts';
import type { Logger } from './shared/logger.ts';
import type { EntityConfigs } from './store/entity-configs.ts';

const UNCLEAN_ELECTION = 'unclean.leader.election.enable';

/** What of the logs follows settings that are changed while the broker runs. */
export function liveLogOptions(config: BrokerConfig): LiveLogOptions {
  return {
    producerIdExpirationMs: config.producerIdExpirationMs,
    moveBytesPerSecondMax: config.replicaAlterLogDirsIoMaxBytesPerSecond,
    cleanerBackoffMs: config.logCleanerBackoffMs,
    cleanerDedupeBufferBytes: config.logCleanerDedupeBufferSize,
    cleanerDedupeBufferLoadFactor: config.logCleanerIoBufferLoadFactor,
    cleanerIoBytesPerSecondMax: config.logCleanerIoMaxBytesPerSecond,
  };
}

/** The session with the store is a new one: what was changed meanwhile is read, and everything is watched again. */
export async function takeUpAgain(
  configs: ConfigRepository,
  controller: Controller,
  others: readonly { load(): Promise<void> }[],
): Promise<void> {
  await configs.sessionRenewed();
  for (const other of others) await other.load();
  await controller.sessionRenewed();
}

/** What follows settings. */
interface FollowingRooms {
  readonly logs: LogManager;
  readonly replicas: ReplicaManager;
  readonly controller: Controller;
}

/** Has the rooms take over what of settings and entities changes while the broker runs, and what was changed while it was away. */
export async function followSettings(
  configs: ConfigRepository,
  entities: EntityConfigs,
  { logs, replicas, controller }: FollowingRooms,
  certificates: Parameters<typeof followCertificates>[1],
): Promise<void> {
  configs.onEntity((entityPath) => entities.changed(entityPath));
  configs.onBrokerConfig((current) => logs.reconfigure(liveLogOptions(current)));
  configs.onTopicConfig((topic) => replicas.updateLogConfigs(topic));
  followUncleanElections(configs, controller);
  await followCertificates(configs, certificates);
}

/** Who allows leaders out of sync while a partition has none wants one now, and not when the next broker comes or goes. */
function followUncleanElections(configs: ConfigRepository, controller: Controller): void {
  configs.onBrokerConfig(({ topicDefaults }, changed) => {
    if (changed.includes(UNCLEAN_ELECTION) && topicDefaults.uncleanLeaderElectionEnable) {
      controller.uncleanElectionAllowed();
    }
  });
  configs.onTopicConfig((topic) => {
    if (topic !== undefined && configs.logConfig(topic).uncleanLeaderElectionEnable) {
      controller.uncleanElectionAllowed(topic);
    }
  });
}

/** Has listeners take up certificates that were changed while this broker was away, and those that others tell it to change. */
async function followCertificates(
  configs: ConfigRepository,
  { certificates, logger }: { readonly certificates?: ListenerCertificates | undefined; readonly logger: Logger },
): Promise<void> {
  if (certificates === undefined) return;
  const apply = (): Promise<void> =>
    certificates
      .apply(configs.current.listenerSecurity)
      .catch((err: unknown) => logger.error({ err }, 'Certificates that were changed could not be taken up'));
  configs.onBrokerConfig((_, changed) => {
    if (changed.some(isCertificateSetting)) void apply();
  });
  if (Object.keys(configs.dynamic.properties('broker')).some(isCertificateSetting)) await apply();
}
