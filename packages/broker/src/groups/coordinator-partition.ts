import type { Group } from './group.ts';
import type { WriteQueue } from './write-queue.ts';

/** The groups of one partition of `__consumer_offsets` that this broker leads. */
export interface CoordinatorPartition {
  readonly index: number;
  leaderEpoch: number;
  /** Its state is still being read; requests for its groups are put off. */
  loading: boolean;
  /** By group id. */
  groups: Map<string, Group>;
  readonly writes: WriteQueue;
}
