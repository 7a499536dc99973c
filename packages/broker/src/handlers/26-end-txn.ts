/**
 * EndTxn: commits or aborts a transaction. Answered when the decision is replicated; the markers follow.
 *
 * v2 PRODUCER_FENCED; v3 flexible; v4 TRANSACTION_ABORTABLE.
 */
import { EndTxn } from '@millrace/protocol';
import { transactionalIdResource } from '../shared/authorization.ts';
import { fencedFor } from './fenced.ts';
import { defineHandler } from './handler.ts';

export const endTxn = defineHandler(EndTxn, { minVersion: 0, maxVersion: 4 }, async (request, context) => {
  const { transactionalId, producerId, producerEpoch, committed } = request;
  const refusal = context.authorize('Write', transactionalIdResource(transactionalId));
  if (refusal !== undefined) return { errorCode: refusal.errorCode };
  const asker = { transactionalId, producerId, producerEpoch };
  const errorCode = await context.broker.transactions.coordinator.end(asker, committed);
  return { errorCode: fencedFor(context, errorCode) };
});
