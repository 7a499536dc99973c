/**
 * RenewDelegationToken: lets a token live on from now, at most to the end that it was made with (KIP-48). Its owner and his renewers may.
 *
 * - v2 flexible.
 */
import { ErrorCode, RenewDelegationToken } from '@millrace/protocol';
import { isRefusal } from '../shared/refusal.ts';
import { guarded, tokenRequestRefusal } from './delegation-tokens.ts';
import { defineHandler } from './handler.ts';

export const renewDelegationToken = defineHandler(
  RenewDelegationToken,
  { minVersion: 0, maxVersion: 2 },
  async ({ hmac, renewPeriodMs }, context) => {
    const { broker, connection } = context;
    const renewed =
      tokenRequestRefusal(context) ??
      (await guarded(context, () => broker.delegationTokens.renew(hmac, connection.principal, renewPeriodMs)));
    if (isRefusal(renewed)) return { errorCode: renewed.errorCode, expiryTimestampMs: -1 };
    return { errorCode: ErrorCode.NONE, expiryTimestampMs: renewed };
  },
);
