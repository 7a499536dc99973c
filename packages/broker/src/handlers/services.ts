import type { Clock, Random } from '@millrace/ports';
import type { ConfigAdmin } from '../admin/config-admin.ts';
import type { ProducerIdManager } from '../admin/producer-ids.ts';
import type { TopicAdmin } from '../admin/topic-admin.ts';
import type { TopicLookup } from '../admin/topic-lookup.ts';
import type { ClusterImage } from '../cluster/cluster-image.ts';
import type { CommandInbox } from '../commands/command-inbox.ts';
import type { BrokerConfig } from '../config/broker-config.ts';
import type { ConfigRepository } from '../config/config-repository.ts';
import type { Controller } from '../controller/controller.ts';
import type { CoordinatorTopics } from '../coordinators/coordinator-topics.ts';
import type { FetchSessionCache } from '../fetch-sessions/fetch-session-cache.ts';
import type { GroupCoordinator } from '../groups/group-coordinator.ts';
import type { ClientQuotas } from '../quotas/client-quotas.ts';
import type { QuotaRules } from '../quotas/quota-rules.ts';
import type { FetchWaits } from '../replicas/fetch-waits.ts';
import type { ReplicaManager } from '../replicas/replica-manager.ts';
import type { StorageReports } from '../replicas/storage-reports.ts';
import type { AccessRules } from '../security/access-rules.ts';
import type { DelegationTokens } from '../security/delegation-tokens.ts';
import type { UserCredentials } from '../security/user-credentials.ts';
import type { Authorizer } from '../shared/authorization.ts';
import type { Deadlines } from '../shared/deadlines.ts';
import type { Logger } from '../shared/logger.ts';
import type { Metrics } from '../shared/metrics.ts';
import type { TurnLine } from '../shared/turns.ts';
import type { ConsumerOffsets } from '../store/consumer-offsets.ts';
import type { TransactionRooms } from '../transactions/transaction-rooms.ts';

/** An API with the versions that are served, as ApiVersions tells of it. */
export interface AdvertisedApi {
  readonly apiKey: number;
  readonly minVersion: number;
  readonly maxVersion: number;
}

/** The rooms of one broker, as handlers reach them (`context.broker`); `broker.ts` fills it in. */
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
  readonly configRepository: ConfigRepository;
  /** The cluster as this broker knows it. */
  readonly cluster: ClusterImage;
  /** Where controllers' commands arrive. */
  readonly commands: CommandInbox;
  /** The replicas on this broker. */
  readonly replicas: ReplicaManager;
  readonly storageReports: StorageReports;
  /** One timer for all requests that wait. */
  readonly deadlines: Deadlines;
  /** The access rules; undefined where no rights are checked. */
  readonly accessRules: AccessRules | undefined;
  /** With what else somebody can log in by SCRAM. */
  readonly delegationTokens: DelegationTokens;
  /** Who can log in by SCRAM. */
  readonly users: UserCredentials;
  /** The quotas of users, client ids and addresses. */
  readonly quotaRules: QuotaRules;
  /** What clients have used of them. */
  readonly quotas: ClientQuotas;
  /** Who may do what. */
  readonly authorizer: Authorizer;
  /** The line for long requests, which give up their turn. */
  readonly turns: TurnLine;
  readonly fetchSessions: FetchSessionCache;
  readonly fetchWaits: FetchWaits;
  /** The groups that this broker coordinates. */
  readonly groups: GroupCoordinator;
  /** What this broker does for transactions. */
  readonly transactions: TransactionRooms;
  /** The offsets of groups that keep them in the metadata store. */
  readonly consumerOffsets: ConsumerOffsets;
  readonly producerIds: ProducerIdManager;
  readonly configAdmin: ConfigAdmin;
  /** The controller, as far as this broker is it. */
  readonly controller: Controller;
  /** Creates, extends and deletes topics, and has those appear that are first asked for. */
  readonly topicAdmin: TopicAdmin;
  /** How many partitions groups and transactional ids are spread over. */
  readonly coordinatorTopics: CoordinatorTopics;
  /** Looks for topics that this broker has not been told of. */
  readonly topicLookup: TopicLookup;
  /** What ApiVersions answers. */
  readonly advertisedApis: readonly AdvertisedApi[];
}
