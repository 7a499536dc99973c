/**
 * CreateDelegationToken: makes a token that others can log in with in its owner's name (KIP-48).
 *
 * - v2 flexible; v3 a token for somebody else (KIP-373), which needs CreateTokens on him.
 */
import { CreateDelegationToken, ErrorCode } from '@millrace/protocol';
import { isRefusal, Refusal } from '../shared/refusal.ts';
import { guarded, isUser, partsOf, principalOf, requesterOf, tokenRequestRefusal } from './delegation-tokens.ts';
import { defineHandler, type RequestContext } from './handler.ts';

/** More than that are nobody's helpers, and each is in the token that every broker keeps. */
const RENEWERS_MAX = 100;
const NAME_MAX = 1000;

export const createDelegationToken = defineHandler(
  CreateDelegationToken,
  { minVersion: 0, maxVersion: 3 },
  async (request, context) => {
    const requester = context.connection.principal;
    const { ownerPrincipalName, ownerPrincipalType, maxLifetimeMs } = request;
    const isForOther = ownerPrincipalName !== null && ownerPrincipalName !== '';
    const owner = isForOther ? principalOf(ownerPrincipalType ?? '', ownerPrincipalName) : requester;
    const renewers = request.renewers.map(({ principalType, principalName }) =>
      principalOf(principalType, principalName),
    );
    const refusal = refusalOf(owner, request.renewers, context);
    const { delegationTokens } = context.broker;
    const made =
      refusal ?? (await guarded(context, () => delegationTokens.create({ owner, requester, renewers }, maxLifetimeMs)));
    const names = { ...partsOf(owner), ...requesterOf(requester, context.version) };
    if (isRefusal(made)) {
      const nothing = {
        issueTimestampMs: -1,
        expiryTimestampMs: -1,
        maxTimestampMs: -1,
        tokenId: '',
        hmac: Buffer.alloc(0),
      };
      return { errorCode: made.errorCode, ...names, ...nothing };
    }
    return {
      errorCode: ErrorCode.NONE,
      ...names,
      issueTimestampMs: made.issuedMs,
      expiryTimestampMs: made.expiresMs,
      maxTimestampMs: made.endsMs,
      tokenId: made.id,
      hmac: delegationTokens.hmacOf(made),
    };
  },
);

function refusalOf(
  owner: string,
  renewers: readonly { readonly principalType: string; readonly principalName: string }[],
  context: RequestContext,
): Refusal | undefined {
  const refusal = tokenRequestRefusal(context);
  if (refusal !== undefined) return refusal;
  if (owner !== context.connection.principal) {
    const refused = context.authorize('CreateTokens', { type: 'User', name: owner });
    if (refused !== undefined) return refused;
  }
  if (!renewers.every(({ principalType }) => isUser(principalType)) || !isUser(partsOf(owner).principalType)) {
    return Refusal.of(ErrorCode.INVALID_PRINCIPAL_TYPE);
  }
  const isTooMuch =
    renewers.length > RENEWERS_MAX ||
    [owner, ...renewers.map((each) => each.principalName)].some((name) => name.length > NAME_MAX);
  return isTooMuch ? Refusal.of(ErrorCode.INVALID_REQUEST) : undefined;
}
