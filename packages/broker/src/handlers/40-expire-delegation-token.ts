/**
 * ExpireDelegationToken: has a token end sooner, at once where the period is negative (KIP-48). Its owner and his renewers may.
 *
 * - v2 flexible.
 */
import { ErrorCode, ExpireDelegationToken } from '@millrace/protocol';
import { isRefusal } from '../shared/refusal.ts';
import { guarded, tokenRequestRefusal } from './delegation-tokens.ts';
import { defineHandler } from './handler.ts';

export const expireDelegationToken = defineHandler(
  ExpireDelegationToken,
  { minVersion: 0, maxVersion: 2 },
  async ({ hmac, expiryTimePeriodMs }, context) => {
    const { broker, connection } = context;
    const expired =
      tokenRequestRefusal(context) ??
      (await guarded(context, () => broker.delegationTokens.expire(hmac, connection.principal, expiryTimePeriodMs)));
    if (isRefusal(expired)) return { errorCode: expired.errorCode, expiryTimestampMs: -1 };
    return { errorCode: ErrorCode.NONE, expiryTimestampMs: expired };
  },
);
