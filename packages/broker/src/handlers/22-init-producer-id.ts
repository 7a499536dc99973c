/**
 * InitProducerId: a producer id for an idempotent producer.
 *
 * - v2 flexible; v3 a producer that knows its id asks for the next epoch (KIP-360); v4 PRODUCER_FENCED; v5 nothing we use.
 * - Idempotent producers always get a new id, whatever they send: only transactions tie an id to a name.
 * - A transactional id is refused with UNSUPPORTED_VERSION, which clients take for final, until there are transactions.
 */
import { ErrorCode, InitProducerId } from '@millrace/protocol';
import { CLUSTER, transactionalIdResource } from '../shared/authorization.ts';
import { defineHandler } from './handler.ts';

export const initProducerId = defineHandler(InitProducerId, { minVersion: 0, maxVersion: 5 }, (request, context) => {
  if (request.transactionalId !== null) {
    const refusal = context.authorize('Write', transactionalIdResource(request.transactionalId));
    if (refusal !== undefined) return refuse(refusal.errorCode);
    const isEmpty = request.transactionalId === '';
    return refuse(isEmpty ? ErrorCode.INVALID_REQUEST : ErrorCode.UNSUPPORTED_VERSION);
  }
  // Whoever may write to any topic may do so idempotently (KIP-679).
  if (!context.isAllowedForAny('Write', 'Topic')) {
    const refusal = context.authorize('IdempotentWrite', CLUSTER);
    if (refusal !== undefined) return refuse(refusal.errorCode);
  }
  return context.broker.producerIds.next().then(
    (producerId) => ({ errorCode: ErrorCode.NONE, producerId, producerEpoch: 0 }),
    (error: unknown) => {
      context.broker.logger.warn({ err: error }, 'Cannot take a block of producer ids from the metadata store');
      // The metadata store may be back soon; clients retry on this code.
      return refuse(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
    },
  );
});

function refuse(errorCode: number): { errorCode: number; producerId: number; producerEpoch: number } {
  return { errorCode, producerId: -1, producerEpoch: -1 };
}
