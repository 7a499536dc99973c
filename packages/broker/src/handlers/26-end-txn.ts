/**
 * EndTxn: commits or aborts a transaction. Answered when the decision is replicated; the markers follow.
 *
 * v2 PRODUCER_FENCED; v3 flexible; v4 TRANSACTION_ABORTABLE; v5 the producer gets its next epoch with the answer (KIP-890).
 */
import { EndTxn } from '@millrace/protocol';
import { transactionalIdResource } from '../shared/authorization.ts';
import { fencedFor } from './fenced.ts';
import { defineHandler } from './handler.ts';

const RAISING_SINCE = 5;

export const endTxn = defineHandler(EndTxn, { minVersion: 0, maxVersion: 5 }, async (request, context) => {
  const { transactionalId, producerId, producerEpoch, committed } = request;
  const refusal = context.authorize('Write', transactionalIdResource(transactionalId));
  if (refusal !== undefined) return { errorCode: refusal.errorCode };
  const asker = { transactionalId, producerId, producerEpoch };
  if (context.version >= RAISING_SINCE) return context.broker.transactions.coordinator.endRaising(asker, committed);
  const errorCode = await context.broker.transactions.coordinator.end(asker, committed);
  return { errorCode: fencedFor(context, errorCode) };
});
