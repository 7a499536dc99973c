import type { KafkaClient, OperationOptions } from '@millrace/client';
import { faultOf, orNull, required, someText, type ValueRule, wholeNumber } from '@millrace/client/internal';
import {
  CreateDelegationToken,
  DescribeDelegationToken,
  ExpireDelegationToken,
  RenewDelegationToken,
} from '@millrace/protocol';
import { check } from './arguments.ts';

/** A token with which somebody can log in in its owner's name (KIP-48). Principals are written `User:alice`. */
export interface DelegationToken {
  /** The user name of a login by SCRAM with `delegationToken: true`. */
  readonly tokenId: string;
  /** The password of it: a secret. */
  readonly hmac: string;
  readonly owner: string;
  /** Who has asked for it; its owner where the broker does not say. */
  readonly requester: string;
  readonly renewers: readonly string[];
  readonly issuedAt: Date;
  /** When it ends unless somebody renews it. */
  readonly expiresAt: Date;
  /** It cannot be renewed beyond this. */
  readonly endsAt: Date;
}

/** A token to make. */
export interface NewDelegationToken {
  /** Whose it is, such as `User:alice`; default: who asks for it. For others it takes the right CreateTokens on them, and Kafka 3.3. */
  readonly owner?: string | undefined;
  /** Who may renew and end it beside its owner. */
  readonly renewers?: readonly string[] | undefined;
  /** In milliseconds; default, and at most: what the broker allows. */
  readonly maxLifetimeMs?: number | undefined;
}

const PRINCIPAL = /^[^:]+:.+$/;
const principal: ValueRule = {
  expects: 'a principal such as User:alice',
  accepts: (value) => typeof value === 'string' && PRINCIPAL.test(value),
};
const principals: ValueRule = {
  expects: 'a list of principals such as User:alice',
  accepts: (value) => Array.isArray(value) && value.every(principal.accepts),
};
const newTokenShape = {
  noun: 'field of a new token',
  fields: { owner: principal, renewers: principals, maxLifetimeMs: wholeNumber(1) },
};
const hmacShape = { noun: 'argument', fields: { hmac: required(someText), periodMs: orNull(wholeNumber(0)) } };
const ownersShape = { noun: 'argument', fields: { owners: principals } };

/** The first version in which a token for somebody else can be asked for. */
const FOR_OTHERS_SINCE = 3;
/** What the broker has as its own; for the end of a token: at once. */
const UNSET_MS = -1;

export async function createDelegationToken(
  client: KafkaClient,
  token: NewDelegationToken,
  options: OperationOptions,
): Promise<DelegationToken> {
  check('create a delegation token', faultOf(token, newTokenShape));
  const { owner, renewers = [], maxLifetimeMs = UNSET_MS } = token;
  const made = await client.sendToAnyBroker(
    CreateDelegationToken,
    (version) => ({
      renewers: renewers.map(partsOf),
      maxLifetimeMs,
      ...(version >= FOR_OTHERS_SINCE ? ownerFields(owner) : {}),
    }),
    { ...options, versionMin: owner === undefined ? 0 : FOR_OTHERS_SINCE },
  );
  const ownerName = `${made.principalType}:${made.principalName}`;
  return {
    tokenId: made.tokenId,
    hmac: made.hmac.toString('base64'),
    owner: ownerName,
    requester: requesterOf(made) ?? ownerName,
    renewers,
    issuedAt: new Date(made.issueTimestampMs),
    expiresAt: new Date(made.expiryTimestampMs),
    endsAt: new Date(made.maxTimestampMs),
  };
}

export async function describeDelegationTokens(
  client: KafkaClient,
  owners: readonly string[] | 'all',
  options: OperationOptions,
): Promise<DelegationToken[]> {
  if (owners !== 'all') check('describe delegation tokens', faultOf({ owners }, ownersShape));
  const body = { owners: owners === 'all' ? null : owners.map(partsOf) };
  const { tokens } = await client.sendToAnyBroker(DescribeDelegationToken, body, options);
  return tokens.map(({ principalType, principalName, ...token }) => {
    const owner = `${principalType}:${principalName}`;
    return {
      tokenId: token.tokenId,
      hmac: token.hmac.toString('base64'),
      owner,
      requester: requesterOf(token) ?? owner,
      renewers: token.renewers.map((each) => `${each.principalType}:${each.principalName}`),
      issuedAt: new Date(token.issueTimestamp),
      expiresAt: new Date(token.expiryTimestamp),
      endsAt: new Date(token.maxTimestamp),
    };
  });
}

/** Undefined for as long as the broker's settings say. */
export async function renewDelegationToken(
  client: KafkaClient,
  hmac: string,
  periodMs: number | undefined,
  options: OperationOptions,
): Promise<Date> {
  check('renew a delegation token', faultOf({ hmac, periodMs }, hmacShape));
  const body = { hmac: Buffer.from(hmac, 'base64'), renewPeriodMs: periodMs ?? UNSET_MS };
  return new Date((await client.sendToAnyBroker(RenewDelegationToken, body, options)).expiryTimestampMs);
}

/** Undefined for at once. */
export async function expireDelegationToken(
  client: KafkaClient,
  hmac: string,
  periodMs: number | undefined,
  options: OperationOptions,
): Promise<Date> {
  check('end a delegation token', faultOf({ hmac, periodMs }, hmacShape));
  const body = { hmac: Buffer.from(hmac, 'base64'), expiryTimePeriodMs: periodMs ?? UNSET_MS };
  return new Date((await client.sendToAnyBroker(ExpireDelegationToken, body, options)).expiryTimestampMs);
}

function partsOf(text: string): { readonly principalType: string; readonly principalName: string } {
  const at = text.indexOf(':');
  return { principalType: text.slice(0, at), principalName: text.slice(at + 1) };
}

/** Null stands for whoever asks. */
function ownerFields(owner: string | undefined) {
  if (owner === undefined) return { ownerPrincipalType: null, ownerPrincipalName: null };
  const { principalType, principalName } = partsOf(owner);
  return { ownerPrincipalType: principalType, ownerPrincipalName: principalName };
}

/** Undefined in versions that do not tell it. */
function requesterOf(token: {
  readonly tokenRequesterPrincipalType?: string;
  readonly tokenRequesterPrincipalName?: string;
}): string | undefined {
  const { tokenRequesterPrincipalType: type, tokenRequesterPrincipalName: name } = token;
  return name === undefined || name === '' ? undefined : `${type}:${name}`;
}
