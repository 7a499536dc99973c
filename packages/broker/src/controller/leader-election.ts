import { LEADER_RECOVERED, LEADER_RECOVERING } from '../cluster/broker-channel.ts';
import type { LeaderAndIsr } from '../store/znodes.ts';
import type { ControllerContext, PartitionContext } from './controller-context.ts';

/** The part of a partition's state that an election decides. */
export type ElectedState = Pick<LeaderAndIsr, 'leader' | 'isr' | 'leaderRecoveryState'>;

/** A way to choose a leader (`PartitionLeaderElectionAlgorithms`): undefined when nobody can be elected. */
export interface ElectionStrategy {
  readonly name: 'offline' | 'preferred' | 'reassignment' | 'controlled shutdown';
  /** Finds out what is not known yet of what elections are decided by; to be awaited before the partitions are, and whenever states have changed. */
  prepare?(partitions: readonly PartitionContext[], context: ControllerContext): Promise<void>;
  elect(partition: PartitionContext, context: ControllerContext): ElectedState | undefined;
  /** Who must act on the outcome. */
  recipients(partition: PartitionContext, context: ControllerContext): readonly number[];
}

/** Tells which of topics allow unclean elections, as it is at this moment. */
export type UncleanTopics = (topics: ReadonlySet<string>) => Promise<ReadonlySet<string>>;

/** The first leader of a new partition, and all its live replicas in sync; undefined while none of them is live. */
export function electForNew(partition: PartitionContext, context: ControllerContext): ElectedState | undefined {
  const live = partition.replicas.filter((replica) => context.isReplicaOnline(replica, partition));
  return live[0] === undefined ? undefined : { leader: live[0], isr: live, leaderRecoveryState: LEADER_RECOVERED };
}

/**
 * A leader for a partition whose leader is gone: the first live replica that is in sync. Without one, any live replica where an
 * unclean election is allowed, and then it alone is in sync; else none, and the in-sync replicas stay as they are, since only they
 * have all records.
 */
export function offlineElection(uncleanTopics: UncleanTopics, hasRecoveryState: boolean): ElectionStrategy {
  let unclean: ReadonlySet<string> = new Set();
  return {
    name: 'offline',
    prepare: async (partitions, context) => {
      const topics = new Set<string>();
      for (const partition of partitions) {
        const isr = partition.state?.isr ?? [];
        const live = partition.replicas.filter((replica) => context.isReplicaOnline(replica, partition));
        if (live.length > 0 && !live.some((replica) => isr.includes(replica))) topics.add(partition.topic.name);
      }
      unclean = topics.size === 0 ? topics : await uncleanTopics(topics);
    },
    elect: (partition, context) => {
      const { state, replicas } = partition;
      const isOnline = (replica: number): boolean => context.isReplicaOnline(replica, partition);
      const isr = state?.isr ?? [];
      const leader = replicas.find((replica) => isOnline(replica) && isr.includes(replica));
      const leaderRecoveryState = state?.leaderRecoveryState ?? LEADER_RECOVERED;
      if (leader !== undefined) return { leader, isr: isr.filter(isOnline), leaderRecoveryState };
      const anyLive = unclean.has(partition.topic.name) ? replicas.find(isOnline) : undefined;
      if (anyLive === undefined) return undefined;
      const recovery = hasRecoveryState ? LEADER_RECOVERING : LEADER_RECOVERED;
      return { leader: anyLive, isr: [anyLive], leaderRecoveryState: recovery };
    },
    recipients: (partition, context) =>
      partition.replicas.filter((replica) => context.isReplicaOnline(replica, partition)),
  };
}

/** The first of the assigned replicas, if it is live and in sync. */
export const preferredElection: ElectionStrategy = {
  name: 'preferred',
  elect: (partition, context) => {
    const [leader] = partition.replicas;
    const { state } = partition;
    if (leader === undefined || state === undefined) return undefined;
    if (!context.isReplicaOnline(leader, partition) || !state.isr.includes(leader)) return undefined;
    return { leader, isr: state.isr, leaderRecoveryState: state.leaderRecoveryState };
  },
  recipients: ({ replicas }) => replicas,
};

/** The first of the replicas that a reassignment leads to, or of those that are left by one that is called off, if it is live and in sync. */
export function reassignmentElection(candidates: readonly number[]): ElectionStrategy {
  return {
    name: 'reassignment',
    elect: (partition, context) => {
      const { state } = partition;
      const leader = candidates.find((replica) => isElectable(replica, partition, context));
      if (state === undefined || leader === undefined) return undefined;
      return { leader, isr: state.isr, leaderRecoveryState: state.leaderRecoveryState };
    },
    recipients: ({ replicas }) => replicas,
  };
}

/** Whether a replica can lead without the loss of a record. */
export function isElectable(replica: number, partition: PartitionContext, context: ControllerContext): boolean {
  return context.isReplicaOnline(replica, partition) && partition.state?.isr.includes(replica) === true;
}

/** Another replica in sync, for a broker that is about to stop; who is shutting down leaves the in-sync replicas. */
export const shutdownElection: ElectionStrategy = {
  name: 'controlled shutdown',
  elect: (partition, context) => {
    const { state, replicas } = partition;
    if (state === undefined) return undefined;
    const isStaying = (replica: number): boolean => !context.shuttingDown.has(replica);
    const leader = replicas.find(
      (replica) => context.isReplicaReachable(replica, partition) && isStaying(replica) && state.isr.includes(replica),
    );
    if (leader === undefined) return undefined;
    return { leader, isr: state.isr.filter(isStaying), leaderRecoveryState: state.leaderRecoveryState };
  },
  recipients: (partition, context) =>
    partition.replicas.filter((replica) => context.isReplicaReachable(replica, partition)),
};
