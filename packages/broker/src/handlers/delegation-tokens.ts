/** What the requests about delegation tokens (KIP-48) have in common. */
import { ErrorCode } from '@millrace/protocol';
import { Refusal } from '../shared/refusal.ts';
import type { RequestContext } from './handler.ts';

const USER = 'User';
/** The first version in which somebody may ask for another's token. */
const FOR_OTHERS_SINCE = 3;

/**
 * Why somebody may not ask for tokens at all: over a connection that anybody could listen to or that says not who he is, or because he
 * has logged in by a token himself (`KafkaApis.allowTokenRequests`).
 */
export function tokenRequestRefusal({ connection }: RequestContext): Refusal | undefined {
  const { securityProtocol, principal, authentication } = connection;
  const isUnknown = securityProtocol === 'SSL' && principal === 'User:ANONYMOUS';
  const isByToken = authentication.stage === 'done' && authentication.isByToken === true;
  return securityProtocol === 'PLAINTEXT' || isUnknown || isByToken
    ? Refusal.of(ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED)
    : undefined;
}

/** A principal as requests carry it, in two parts. */
export function partsOf(principal: string): { readonly principalType: string; readonly principalName: string } {
  const at = principal.indexOf(':');
  return { principalType: principal.slice(0, at), principalName: principal.slice(at + 1) };
}

/** Who has asked for a token, in versions that tell it. */
export function requesterOf(
  principal: string,
  version: number,
): { readonly tokenRequesterPrincipalType?: string; readonly tokenRequesterPrincipalName?: string } {
  if (version < FOR_OTHERS_SINCE) return {};
  const { principalType, principalName } = partsOf(principal);
  return { tokenRequesterPrincipalType: principalType, tokenRequesterPrincipalName: principalName };
}

export function principalOf(type: string, name: string): string {
  return `${type}:${name}`;
}

export function isUser(type: string): boolean {
  return type === USER;
}

/** What the store cannot do is in the log; its words name paths, which are nobody's business. */
export async function guarded<T>(context: RequestContext, run: () => Promise<T | Refusal>): Promise<T | Refusal> {
  try {
    return await run();
  } catch (err) {
    context.broker.logger.error({ err }, 'A delegation token could not be written');
    return Refusal.of(ErrorCode.UNKNOWN_SERVER_ERROR);
  }
}
