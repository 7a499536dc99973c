/**
 * DescribeDelegationToken: the tokens that somebody owns, has asked for or may renew, and those that he may see: with Describe on the
 * token, or DescribeTokens on its owner (KIP-48, KIP-373). Others are left out.
 *
 * - v2 flexible; v3 who asked for the token.
 */
import { DescribeDelegationToken, ErrorCode } from '@millrace/protocol';
import type { DelegationToken } from '../security/delegation-tokens.ts';
import { partsOf, principalOf, requesterOf, tokenRequestRefusal } from './delegation-tokens.ts';
import { defineHandler, type RequestContext } from './handler.ts';

export const describeDelegationToken = defineHandler(
  DescribeDelegationToken,
  { minVersion: 0, maxVersion: 3 },
  async ({ owners }, context) => {
    const { delegationTokens } = context.broker;
    const refusal = tokenRequestRefusal(context);
    if (refusal !== undefined) return { errorCode: refusal.errorCode, tokens: [] };
    if (!delegationTokens.isOn) return { errorCode: ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED, tokens: [] };
    const wanted =
      owners === null
        ? undefined
        : new Set(owners.map(({ principalType, principalName }) => principalOf(principalType, principalName)));
    const tokens = [];
    for (const token of delegationTokens.all()) {
      const rest = context.pause();
      if (rest !== undefined) await rest;
      if (isShown(token, wanted, context)) {
        tokens.push(described(token, delegationTokens.hmacOf(token), context.version));
      }
    }
    return { errorCode: ErrorCode.NONE, tokens };
  },
);

function isShown(token: DelegationToken, wanted: ReadonlySet<string> | undefined, context: RequestContext): boolean {
  const near = [token.owner, token.requester, ...token.renewers];
  if (wanted !== undefined && !near.some((principal) => wanted.has(principal))) return false;
  if (near.includes(context.connection.principal)) return true;
  return (
    context.isAllowed('Describe', { type: 'DelegationToken', name: token.id }) ||
    context.isAllowed('DescribeTokens', { type: 'User', name: token.owner })
  );
}

function described(
  { id, owner, requester, renewers, issuedMs, expiresMs, endsMs }: DelegationToken,
  hmac: Buffer,
  version: number,
) {
  return {
    ...partsOf(owner),
    ...requesterOf(requester, version),
    issueTimestamp: issuedMs,
    expiryTimestamp: expiresMs,
    maxTimestamp: endsMs,
    tokenId: id,
    hmac,
    renewers: renewers.map(partsOf),
  };
}
