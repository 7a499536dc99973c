import type { LeaderAndIsr } from '../store/znodes.ts';

/** The part of a partition's state that an election decides. */
export type ElectedState = Pick<LeaderAndIsr, 'leader' | 'isr'>;

/** No broker leads the partition. */
export const NO_LEADER = -1;

/** The first leader of a new partition, and all its live replicas in sync; undefined while none of them is live. */
export function electForNew(
  replicas: readonly number[],
  isLive: (broker: number) => boolean,
): ElectedState | undefined {
  const live = replicas.filter(isLive);
  return live[0] === undefined ? undefined : { leader: live[0], isr: live };
}

/**
 * A leader for a partition whose leader is gone or has restarted: the first live replica that is in sync. Without one, any
 * live replica where the topic allows an unclean election, and then it alone is in sync; else none, and the in-sync replicas
 * stay as they are, since only they have all records (`PartitionLeaderElectionAlgorithms.offlinePartitionLeaderElection`).
 */
export function electForOffline(
  replicas: readonly number[],
  isr: readonly number[],
  isLive: (broker: number) => boolean,
  allowsUnclean: boolean,
): ElectedState & { readonly unclean: boolean } {
  const inSync = replicas.find((replica) => isLive(replica) && isr.includes(replica));
  if (inSync !== undefined) return { leader: inSync, isr: isr.filter(isLive), unclean: false };
  const anyLive = allowsUnclean ? replicas.find(isLive) : undefined;
  if (anyLive !== undefined) return { leader: anyLive, isr: [anyLive], unclean: true };
  return { leader: NO_LEADER, isr, unclean: false };
}
