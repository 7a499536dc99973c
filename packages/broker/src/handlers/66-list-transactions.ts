/**
 * ListTransactions: the transactions that this broker coordinates, by state, by producer, and by how long they have been open (KIP-664).
 *
 * v1 duration (KIP-994), v2 a pattern that ids have to match as a whole (KIP-1152). States that there are not are sent back; ids that who asks may not see are left out.
 * As in Kafka (`TransactionStateManager.listTransactionStates`), the duration is counted from when the last transaction began, whether or not it is
 * over, and from -1 where there has been none since InitProducerId: such ids pass every filter by duration.
 */
import { ErrorCode, ListTransactions, type ListTransactionsResponseInput } from '@millrace/protocol';
import { transactionalIdResource } from '../shared/authorization.ts';
import { LinearPattern, PatternError } from '../shared/linear-pattern.ts';
import { eachInTurns } from '../shared/turns.ts';
import { STATES_BY_NUMBER } from '../transactions/transaction.ts';
import type { DescribedTransaction } from '../transactions/transaction-coordinator.ts';
import { defineHandler } from './handler.ts';

type TransactionStateInput = ListTransactionsResponseInput['transactionStates'][number];

const STATES: ReadonlySet<string> = new Set(STATES_BY_NUMBER);

export const listTransactions = defineHandler(
  ListTransactions,
  { minVersion: 0, maxVersion: 2 },
  async (request, context): Promise<ListTransactionsResponseInput> => {
    const { transactions, clock } = context.broker;
    const states = new Set(request.stateFilters);
    const unknownStateFilters = [...states].filter((state) => !STATES.has(state));
    const { isLoading, transactions: all } = transactions.coordinator.list();
    if (isLoading) return refused(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
    const pattern = patternOf(request.transactionalIdPattern);
    if (pattern === 'none') return refused(ErrorCode.INVALID_REGULAR_EXPRESSION);
    const producers = new Set(request.producerIdFilters);
    const nowMs = clock.now();
    const isWanted = ({ transactionalId, image }: DescribedTransaction): boolean =>
      (states.size === 0 || states.has(image.state)) &&
      (producers.size === 0 || producers.has(image.producerId)) &&
      (request.durationFilter < 0 || nowMs - image.startMs > request.durationFilter) &&
      pattern?.matches(transactionalId) !== false &&
      context.isAllowed('Describe', transactionalIdResource(transactionalId));
    const transactionStates: TransactionStateInput[] = [];
    const look = (described: DescribedTransaction): void => {
      if (!isWanted(described)) return;
      const { transactionalId, image } = described;
      transactionStates.push({ transactionalId, producerId: image.producerId, transactionState: image.state });
    };
    await eachInTurns(all, look, () => context.pause());
    return { errorCode: ErrorCode.NONE, unknownStateFilters, transactionStates };
  },
);

function refused(errorCode: number): ListTransactionsResponseInput {
  return { errorCode, unknownStateFilters: [], transactionStates: [] };
}

/** Undefined where all ids are wanted. */
function patternOf(pattern: string | null): LinearPattern | undefined | 'none' {
  if (pattern === null || pattern === '') return undefined;
  try {
    return new LinearPattern(pattern);
  } catch (error) {
    if (error instanceof PatternError) return 'none';
    throw error;
  }
}
