/** The states of a group, under the names that DescribeGroups and ListGroups give them. */
export const GroupState = {
  /** No members; there may be offsets. */
  EMPTY: 'Empty',
  /** Members are expected to (re)join. */
  PREPARING_REBALANCE: 'PreparingRebalance',
  /** All have joined; the leader divides the work. */
  COMPLETING_REBALANCE: 'CompletingRebalance',
  /** Every member has been told its share. */
  STABLE: 'Stable',
  /** Deleted, expired or handed over: whoever still holds the group must look it up anew. */
  DEAD: 'Dead',
} as const;

export type GroupState = (typeof GroupState)[keyof typeof GroupState];

/** From which states a group may come into a state (GroupMetadata.validPreviousStates). */
const PREVIOUS_STATES: Readonly<Record<GroupState, readonly GroupState[]>> = {
  [GroupState.PREPARING_REBALANCE]: [GroupState.STABLE, GroupState.COMPLETING_REBALANCE, GroupState.EMPTY],
  [GroupState.COMPLETING_REBALANCE]: [GroupState.PREPARING_REBALANCE],
  [GroupState.STABLE]: [GroupState.COMPLETING_REBALANCE],
  [GroupState.DEAD]: [
    GroupState.STABLE,
    GroupState.PREPARING_REBALANCE,
    GroupState.COMPLETING_REBALANCE,
    GroupState.EMPTY,
    GroupState.DEAD,
  ],
  [GroupState.EMPTY]: [GroupState.PREPARING_REBALANCE],
};

export function mayFollow(from: GroupState, to: GroupState): boolean {
  return PREVIOUS_STATES[to].includes(from);
}
