import type { Clock, Random } from '@millrace/ports';
import type { ClusterImage } from './cluster/cluster-image.ts';
import type { ProducerIds, TopicCreation } from './cluster/topic-creation.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { ReplicaManager } from './replicas/replica-manager.ts';

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
  /** The cluster as this broker knows it. */
  readonly cluster: ClusterImage;
  /** The replicas on this broker. */
  readonly replicas: ReplicaManager;
  /** Topics that appear when they are first asked for. */
  readonly topicCreation: TopicCreation;
  readonly producerIds: ProducerIds;
}
