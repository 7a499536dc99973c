import type { ClusterImage } from '../cluster/cluster-image.ts';
import type { Partition } from './partition.ts';

/**
 * The replica that a consumer in a rack should read from: the leader where it stands there itself, else the in-sync follower there that
 * is furthest, else the leader (KIP-392, `RackAwareReplicaSelector`).
 * @returns -1 for the leader
 */
export function rackAwareReplica(partition: Partition, offset: number, rack: string, cluster: ClusterImage): number {
  const { leading, leaderId } = partition;
  if (leading === undefined || rack === '' || cluster.brokers.get(leaderId)?.rack === rack) return -1;
  let best = { id: -1, endOffset: -1 };
  for (const follower of leading.followersWith(offset)) {
    if (cluster.brokers.get(follower.id)?.rack === rack && follower.endOffset > best.endOffset) best = follower;
  }
  return best.id;
}
