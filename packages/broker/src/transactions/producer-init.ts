import { ErrorCode } from '@millrace/protocol';
import {
  EPOCH_EXHAUSTED,
  isExhausted,
  NO_PARTITIONS,
  type Transaction,
  type TransactionImage,
  TransactionState,
} from './transaction.ts';

/** A producer that wants to write in transactions. */
export interface InitRequest {
  readonly transactionalId: string;
  readonly timeoutMs: number;
  /** What the producer believes to have, from a call before; -1 where it begins. */
  readonly producerId: number;
  readonly producerEpoch: number;
}

export interface InitResult {
  readonly errorCode: number;
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** What is to be done for a producer. */
export type InitPlan =
  | { readonly kind: 'refused'; readonly errorCode: number }
  /** An open transaction is in the way: it is aborted first. */
  | { readonly kind: 'fence' }
  | { readonly kind: 'give'; readonly image: TransactionImage };

export function initRefused(errorCode: number): InitResult {
  return { errorCode, producerId: -1, producerEpoch: -1 };
}

/** What a producer is given its epoch with. */
export interface InitTerms {
  /** A producer id that may be used, where the present one's epochs are exhausted. */
  readonly spareId: number | undefined;
  /** Whether ends raise epochs in the cluster (KIP-890). */
  readonly raisesEpochs: boolean;
  readonly nowMs: number;
}

/**
 * Whether it takes another producer id to go on.
 *
 * Where ends raise epochs, one that replaces another leaves out an epoch: EndTxn in the epoch before the present one is taken for a
 * producer that asks again since its answer was lost. Were that the epoch of one that was replaced, by one that does not raise its own,
 * it would be told that it has committed what was aborted, and go on in the epoch of the other. Apache Kafka 4.1 leaves none out.
 */
export function needsProducerId({ epoch }: TransactionImage, raisesEpochs: boolean): boolean {
  return isExhausted(raisesEpochs ? epoch + 1 : epoch);
}

export function planInit(
  transaction: Transaction,
  request: InitRequest,
  { spareId, raisesEpochs, nowMs }: InitTerms,
): InitPlan {
  const { now } = transaction;
  // Before anything else: while the last transaction completes, its producer may be about to be another.
  if (transaction.isBusy) return refuse(ErrorCode.CONCURRENT_TRANSACTIONS);
  if (!isKnown(now, request)) return refuse(ErrorCode.PRODUCER_FENCED);
  if (now.state === TransactionState.ONGOING) return { kind: 'fence' };
  const fresh = { ...now, state: TransactionState.EMPTY, timeoutMs: request.timeoutMs, updateMs: nowMs };
  const image = { ...fresh, partitions: NO_PARTITIONS, startMs: -1 };
  const { producerEpoch: expected, producerId } = request;
  const isReplacing = expected < 0;
  const leftOut = isReplacing && raisesEpochs && now.epoch >= 0 ? 1 : 0;
  if (isExhausted(now.epoch + leftOut) && (isReplacing || isOfLastEpoch(now, expected))) {
    if (spareId === undefined) return refuse(ErrorCode.PRODUCER_FENCED);
    const previousProducerId = now.producerId;
    // What the producer itself had, which may be one less than the present one: that is what it asks again with.
    const lastEpoch = isReplacing ? -1 : expected;
    return give({ ...image, producerId: spareId, previousProducerId, epoch: leftOut, lastEpoch });
  }
  if (isReplacing) return give({ ...image, epoch: now.epoch + 1 + leftOut, lastEpoch: -1 });
  if (now.epoch < 0) return give({ ...image, epoch: 0, lastEpoch: -1 });
  const isOfThis = producerId === now.producerId;
  if (isOfThis && expected === now.epoch) return give({ ...image, epoch: now.epoch + 1, lastEpoch: now.epoch });
  // The answer to the call before was lost; where that gave the last epoch, too, at which Kafka says UNKNOWN_SERVER_ERROR.
  if (expected === now.lastEpoch) return give(image);
  return refuse(ErrorCode.PRODUCER_FENCED);
}

/**
 * Whether a producer has the last epoch of its producer id. The one beyond that only fences, and is nobody's: it was raised to when the
 * producer's transaction took too long.
 */
function isOfLastEpoch({ epoch, lastEpoch }: TransactionImage, expected: number): boolean {
  return expected === epoch || (epoch > EPOCH_EXHAUSTED && expected === lastEpoch);
}

/** Whether the producer id that somebody believes to have is, or was, that of the transactional id. */
function isKnown(
  { producerId, previousProducerId, epoch, lastEpoch }: TransactionImage,
  request: InitRequest,
): boolean {
  if (request.producerId < 0 || epoch < 0 || request.producerId === producerId) return true;
  const isRetry = epoch === 0 && lastEpoch === request.producerEpoch;
  return isRetry && request.producerId === previousProducerId;
}

function refuse(errorCode: number): InitPlan {
  return { kind: 'refused', errorCode };
}

function give(image: TransactionImage): InitPlan {
  return { kind: 'give', image };
}
