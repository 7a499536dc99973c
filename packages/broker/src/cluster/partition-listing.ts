import { ErrorCode } from '@millrace/protocol';
import type { PartitionState } from './broker-channel.ts';
import type { ClusterImage } from './cluster-image.ts';

/** A partition as Metadata and DescribeTopicPartitions tell of it. */
export interface PartitionListing {
  readonly errorCode: number;
  readonly partitionIndex: number;
  readonly leaderId: number;
  readonly leaderEpoch: number;
  readonly replicaNodes: readonly number[];
  readonly isrNodes: readonly number[];
  readonly offlineReplicas: readonly number[];
}

/** How a listing treats what clients of old could not bear. */
export interface ListingOptions {
  /** The listener that the client came through: it can only use leaders that have an endpoint there. */
  readonly listener: string;
  /** Metadata v6 and up know LISTENER_NOT_FOUND; before, LEADER_NOT_AVAILABLE stands for it. */
  readonly knowsListenerNotFound: boolean;
  /** Metadata v0 leaves out replicas that clients cannot reach, and calls the partition REPLICA_NOT_AVAILABLE. */
  readonly hidesUnreachable?: boolean;
}

/** A brokers' entry of Metadata and DescribeCluster. */
export interface BrokerListing {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

/** The live brokers that can be reached through a listener. */
export function listBrokers(cluster: ClusterImage, listener: string): BrokerListing[] {
  const listed: BrokerListing[] = [];
  for (const broker of cluster.brokers.values()) {
    const endpoint = cluster.endpoint(broker.id, listener);
    if (endpoint !== undefined) {
      listed.push({ id: broker.id, host: endpoint.host, port: endpoint.port, rack: broker.rack });
    }
  }
  return listed;
}

/** What clients are told of a partition. */
export function listPartition(cluster: ClusterImage, state: PartitionState, options: ListingOptions): PartitionListing {
  const { listener } = options;
  const isLive = (id: number): boolean => cluster.brokers.has(id);
  const isReachable = (id: number): boolean => cluster.endpoint(id, listener) !== undefined;
  const hides = options.hidesUnreachable === true;
  const replicas = hides ? state.replicas.filter(isReachable) : state.replicas;
  const isr = hides ? state.isr.filter(isReachable) : state.isr;
  const hasLeader = isReachable(state.leader);
  let errorCode: number = ErrorCode.NONE;
  if (!hasLeader) {
    const lacksListener = isLive(state.leader) && options.knowsListenerNotFound;
    errorCode = lacksListener ? ErrorCode.LISTENER_NOT_FOUND : ErrorCode.LEADER_NOT_AVAILABLE;
  } else if (replicas.length < state.replicas.length || isr.length < state.isr.length) {
    errorCode = ErrorCode.REPLICA_NOT_AVAILABLE;
  }
  return {
    errorCode,
    partitionIndex: state.partition,
    leaderId: hasLeader ? state.leader : -1,
    leaderEpoch: state.leaderEpoch,
    replicaNodes: replicas,
    isrNodes: isr,
    offlineReplicas: state.replicas.filter((id) => !isLive(id) || state.offlineReplicas.includes(id)),
  };
}
