import type { BrokerChannel } from '../cluster/broker-channel.ts';
import type { CoordinatorLog, CoordinatorPartitionListener } from './coordinator-log.ts';

/** The replicas on this broker: which partitions it leads, and the way to their logs. */
export interface ReplicaManager extends Pick<BrokerChannel, 'leaderAndIsr' | 'stopReplica'> {
  /** The log of a coordinator's topic; `listener` hears of elections from now on. */
  coordinatorLog(topic: string, listener: CoordinatorPartitionListener): CoordinatorLog;
}
