/**
 * ListTransactions: the transactions that this broker coordinates, by state, by producer, and by how long they have been open (KIP-664).
 *
 * v1 duration (KIP-994). States that there are not are sent back; ids that who asks may not see are left out.
 */
import { ErrorCode, ListTransactions } from '@millrace/protocol';
import { transactionalIdResource } from '../shared/authorization.ts';
import { STATES_BY_NUMBER, TransactionState } from '../transactions/transaction.ts';
import { defineHandler } from './handler.ts';

const STATES: ReadonlySet<string> = new Set(STATES_BY_NUMBER);

export const listTransactions = defineHandler(
  ListTransactions,
  { minVersion: 0, maxVersion: 1 },
  (request, context) => {
    const { transactions, clock } = context.broker;
    const states = new Set(request.stateFilters);
    const unknownStateFilters = [...states].filter((state) => !STATES.has(state));
    const { isLoading, transactions: all } = transactions.coordinator.list();
    if (isLoading) {
      return { errorCode: ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, unknownStateFilters: [], transactionStates: [] };
    }
    const producers = new Set(request.producerIdFilters);
    const nowMs = clock.now();
    const transactionStates = all
      .filter(({ image }) => states.size === 0 || states.has(image.state))
      .filter(({ image }) => producers.size === 0 || producers.has(image.producerId))
      .filter(({ image }) => request.durationFilter < 0 || isLonger(image, nowMs, request.durationFilter))
      .filter(({ transactionalId }) => context.isAllowed('Describe', transactionalIdResource(transactionalId)))
      .map(({ transactionalId, image }) => ({
        transactionalId,
        producerId: image.producerId,
        transactionState: image.state,
      }));
    return { errorCode: ErrorCode.NONE, unknownStateFilters, transactionStates };
  },
);

function isLonger(
  image: { readonly state: string; readonly startMs: number },
  nowMs: number,
  durationMs: number,
): boolean {
  return image.state !== TransactionState.EMPTY && nowMs - image.startMs > durationMs;
}
