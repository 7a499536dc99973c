import type { Clock, Random } from '@millrace/ports';
import type { ClusterImage } from './cluster/cluster-image.ts';
import type { ProducerIds, TopicCreation } from './cluster/topic-creation.ts';
import type { BrokerConfig } from './config/broker-config.ts';
import type { ConfigAdmin } from './config/config-admin.ts';
import type { ConfigRepository } from './config/config-repository.ts';
import type { Controller } from './controller/controller.ts';
import type { TopicAdmin } from './controller/topic-admin.ts';
import type { FetchSessionCache } from './fetch-sessions/fetch-session-cache.ts';
import type { Deadlines } from './groups/deadlines.ts';
import type { GroupCoordinator } from './groups/group-coordinator.ts';
import type { AdvertisedApi } from './handlers/handler.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { FetchWaits } from './replicas/fetch-waits.ts';
import type { ReplicaManager } from './replicas/replica-manager.ts';
import type { StorageReports } from './replicas/storage-reports.ts';

/**
 * The rooms of one broker, as handlers reach them (`context.broker`). A room adds its own line here when it lands;
 * `broker.ts` fills it in.
 */
export interface BrokerServices {
  readonly brokerId: number;
  readonly clusterId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** The settings as they are now; those that can be changed while the broker runs, may. */
  readonly config: BrokerConfig;
  /** Settings and topics' configs, with where they come from, and the way to change them. */
  readonly configs: ConfigRepository;
  /** The cluster as this broker knows it. */
  readonly cluster: ClusterImage;
  /** The replicas on this broker. */
  readonly replicas: ReplicaManager;
  readonly storageReports: StorageReports;
  /** One timer for all requests that wait. */
  readonly deadlines: Deadlines;
  readonly fetchSessions: FetchSessionCache;
  readonly fetchWaits: FetchWaits;
  /** The groups that this broker coordinates. */
  readonly groups: GroupCoordinator;
  /** Topics that appear when they are first asked for. */
  readonly topicCreation: TopicCreation;
  readonly producerIds: ProducerIds;
  readonly configAdmin: ConfigAdmin;
  /** The controller, as far as this broker is it. */
  readonly controller: Controller;
  readonly topicAdmin: TopicAdmin;
  /** What ApiVersions answers. */
  readonly advertisedApis: readonly AdvertisedApi[];
}
