import { ErrorCode } from '@millrace/protocol';
import { type InitResult, initRefused } from './producer-init.ts';
import {
  EPOCH_EXHAUSTED,
  isExhausted,
  NO_PARTITIONS,
  type Transaction,
  type TransactionAsker,
  type TransactionImage,
  TransactionState,
} from './transaction.ts';

/** What is to be done for a producer that ends its transaction and gets the next epoch for it (KIP-890). */
export type EndPlan =
  | { readonly kind: 'done'; readonly result: InitResult }
  /** The change beside the state, and what the producer goes on with. */
  | { readonly kind: 'end'; readonly change: Partial<TransactionImage>; readonly result: InitResult }
  /** The epochs are exhausted: a producer id is needed that takes over. */
  | { readonly kind: 'needs id' };

/**
 * The producer's epoch must be the present one; or the one before, of a producer that asks again because the answer was lost.
 * @param spareId a producer id that may take over
 */
export function planEnd(
  transaction: Transaction,
  { producerId, producerEpoch }: TransactionAsker,
  isCommit: boolean,
  spareId: number | undefined,
): EndPlan {
  const { now } = transaction;
  // First of all: while the last transaction completes, its producer may be about to be another (KAFKA-18660).
  if (transaction.isBusy) return refused(ErrorCode.CONCURRENT_TRANSACTIONS);
  if (isAskedAgain(now, producerId, producerEpoch)) return again(now, isCommit);
  if (producerId !== now.producerId) return refused(ErrorCode.INVALID_PRODUCER_ID_MAPPING);
  if (producerEpoch !== now.epoch) return refused(ErrorCode.PRODUCER_FENCED);
  const isOpen = now.state === TransactionState.ONGOING;
  // Whoever aborts wants a new epoch, and gets one where nothing was begun, too.
  if (isCommit && !isOpen) return refused(ErrorCode.INVALID_TXN_STATE);
  if (isExhausted(now.epoch) && spareId === undefined) return { kind: 'needs id' };
  const change = {
    epoch: now.epoch + 1,
    lastEpoch: now.epoch,
    isRaised: true,
    ...(isOpen ? {} : { partitions: NO_PARTITIONS, startMs: -1 }),
  };
  if (!isExhausted(now.epoch)) {
    return { kind: 'end', change, result: { errorCode: ErrorCode.NONE, producerId, producerEpoch: change.epoch } };
  }
  // The markers take the very last epoch.
  const nextProducerId = spareId ?? -1;
  const result = { errorCode: ErrorCode.NONE, producerId: nextProducerId, producerEpoch: 0 };
  return { kind: 'end', change: { ...change, nextProducerId }, result };
}

/** A transactional id once its markers are written: of the producer id that takes over, where there is one. */
export function taken(image: TransactionImage): TransactionImage {
  const { nextProducerId, producerId: previousProducerId } = image;
  const ended = { ...image, isRaised: false };
  if (nextProducerId < 0) return ended;
  return {
    ...ended,
    producerId: nextProducerId,
    previousProducerId,
    nextProducerId: -1,
    epoch: 0,
    lastEpoch: EPOCH_EXHAUSTED,
  };
}

function isAskedAgain(now: TransactionImage, producerId: number, producerEpoch: number): boolean {
  if (producerId === now.producerId && producerEpoch === now.epoch - 1) return true;
  return producerId === now.previousProducerId && producerEpoch === EPOCH_EXHAUSTED && now.epoch === 0;
}

function again({ state, producerId, epoch }: TransactionImage, isCommit: boolean): EndPlan {
  const ended = isCommit ? TransactionState.COMPLETE_COMMIT : TransactionState.COMPLETE_ABORT;
  const other = isCommit ? TransactionState.COMPLETE_ABORT : TransactionState.COMPLETE_COMMIT;
  if (state === ended) return { kind: 'done', result: { errorCode: ErrorCode.NONE, producerId, producerEpoch: epoch } };
  return refused(state === other ? ErrorCode.INVALID_TXN_STATE : ErrorCode.PRODUCER_FENCED);
}

function refused(errorCode: number): EndPlan {
  return { kind: 'done', result: initRefused(errorCode) };
}
