import { nearestName } from '@millrace/ports';
import { usageError } from '../errors.ts';

/** The states of groups of Kafka 4 too. */
export const GROUP_STATES: readonly string[] = [
  ...['Stable', 'Empty', 'PreparingRebalance', 'CompletingRebalance', 'Dead', 'Assigning', 'Reconciling'],
];
export const TRANSACTION_STATES: readonly string[] = [
  ...['Empty', 'Ongoing', 'PrepareCommit', 'PrepareAbort', 'CompleteCommit', 'CompleteAbort', 'Dead'],
  'PrepareEpochFence',
];

/**
 * A state as it is spelled, whatever its case: brokers pass over those that they do not know, as if there were nothing in them.
 * @throws CliError for one that there is not
 */
export function knownState(given: string, states: readonly string[], whose: string): string {
  const known = states.find((state) => state.toLowerCase() === given.toLowerCase());
  if (known !== undefined) return known;
  const meant = nearestName(given, states);
  throw usageError(
    `There is no state "${given}" of ${whose}: they are ${states.join(', ')}`,
    meant === undefined ? undefined : `Did you mean "${meant}"?`,
  );
}
