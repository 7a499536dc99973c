import type { Clock } from '@millrace/ports';
import type { CoordinatorPartition, StateOwner } from '../coordinators/coordinator-partition.ts';
import type { Logger } from '../shared/logger.ts';
import { GroupLoader } from './group-loader.ts';
import type { GroupMemory } from './group-memory.ts';
import { Groups } from './groups.ts';
import type { Rebalancing } from './rebalancing.ts';

/** One partition of `__consumer_offsets` that this broker leads, with its groups. */
export type GroupPartition = CoordinatorPartition<Groups>;

/** Groups as the state that the partitions of `__consumer_offsets` hold. */
export function groupsOwner(
  rebalancing: Rebalancing,
  memory: GroupMemory,
  clock: Clock,
  logger: Logger,
): StateOwner<Groups> {
  return {
    empty: () => new Groups(),
    newLoader: () => new GroupLoader(() => clock.now(), logger, memory),
    countOf: (groups) => groups.size,
    resume: (groups) => {
      for (const group of groups.values()) rebalancing.resume(group);
    },
    drop: (groups, errorCode) => {
      for (const group of groups.values()) rebalancing.kill(group, errorCode);
      groups.clear();
    },
  };
}
