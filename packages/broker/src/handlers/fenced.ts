import { ErrorCode } from '@millrace/protocol';
import type { RequestContext } from './handler.ts';

/** The first version of AddPartitionsToTxn, AddOffsetsToTxn and EndTxn whose clients know PRODUCER_FENCED. */
const FENCED_SINCE = 2;

/** Older clients are told of a newer producer as INVALID_PRODUCER_EPOCH (KIP-588). */
export function fencedFor({ version }: RequestContext, errorCode: number): number {
  const isUnknown = errorCode === ErrorCode.PRODUCER_FENCED && version < FENCED_SINCE;
  return isUnknown ? ErrorCode.INVALID_PRODUCER_EPOCH : errorCode;
}
