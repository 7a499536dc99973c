/**
 * InitProducerId: a producer id for an idempotent producer, or for one that writes in transactions.
 *
 * - v2 flexible; v3 a producer that knows its id asks for the next epoch (KIP-360); v4 PRODUCER_FENCED, which older clients are told as
 *   INVALID_PRODUCER_EPOCH; v5 nothing we use.
 * - Idempotent producers always get a new id, whatever they send: only transactions tie an id to a name.
 */
import { ErrorCode, InitProducerId, type InitProducerIdRequest } from '@millrace/protocol';
import { authorizationFailed, CLUSTER, transactionalIdResource } from '../shared/authorization.ts';
import { type InitResult, initRefused } from '../transactions/producer-init.ts';
import { defineHandler, type RequestContext } from './handler.ts';

const FENCED_SINCE = 4;

export const initProducerId = defineHandler(InitProducerId, { minVersion: 0, maxVersion: 5 }, (request, context) => {
  const { transactionalId } = request;
  if (transactionalId !== null) return initTransactional(transactionalId, request, context);
  // Whoever may write to any topic may do so idempotently (KIP-679).
  const isAllowed = context.isAllowed('IdempotentWrite', CLUSTER) || context.isAllowedForAny('Write', 'Topic');
  if (!isAllowed) return initRefused(authorizationFailed(CLUSTER).errorCode);
  if (isTorn(request)) return initRefused(ErrorCode.INVALID_REQUEST);
  return context.broker.producerIds.next().then(
    (producerId) => ({ errorCode: ErrorCode.NONE, producerId, producerEpoch: 0 }),
    (error: unknown) => {
      context.broker.logger.warn({ err: error }, 'Cannot take a block of producer ids from the metadata store');
      // The metadata store may be back soon; clients retry on this code.
      return initRefused(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
    },
  );
});

/** A producer that knows its id knows its epoch. */
function isTorn({ producerId, producerEpoch }: InitProducerIdRequest): boolean {
  return (producerId === -1) !== (producerEpoch === -1);
}

async function initTransactional(
  transactionalId: string,
  request: InitProducerIdRequest,
  context: RequestContext,
): Promise<InitResult> {
  const refusal = context.authorize('Write', transactionalIdResource(transactionalId));
  if (refusal !== undefined) return initRefused(refusal.errorCode);
  if (isTorn(request)) return initRefused(ErrorCode.INVALID_REQUEST);
  const { transactionTimeoutMs: timeoutMs, producerId, producerEpoch } = request;
  const { coordinator } = context.broker.transactions;
  const result = await coordinator.initProducer({ transactionalId, timeoutMs, producerId, producerEpoch });
  const isUnknown = result.errorCode === ErrorCode.PRODUCER_FENCED && context.version < FENCED_SINCE;
  return isUnknown ? initRefused(ErrorCode.INVALID_PRODUCER_EPOCH) : result;
}
