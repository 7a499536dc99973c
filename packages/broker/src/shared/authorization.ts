import { ErrorCode } from '@millrace/protocol';
import type { ApiError } from './api-error.ts';
import { Refusal } from './refusal.ts';

/** What somebody wants to do; Kafka's `AclOperation` by its names. */
export type Operation =
  | 'Read'
  | 'Write'
  | 'Create'
  | 'Delete'
  | 'Alter'
  | 'Describe'
  | 'ClusterAction'
  | 'DescribeConfigs'
  | 'AlterConfigs'
  | 'IdempotentWrite'
  | 'CreateTokens'
  | 'DescribeTokens';

/** What he wants to do it with; Kafka's `ResourceType` by its names. */
export type ResourceType = 'Topic' | 'Group' | 'Cluster' | 'TransactionalId' | 'DelegationToken' | 'User';

export interface Resource {
  readonly type: ResourceType;
  readonly name: string;
}

/** The one resource of its type. */
export const CLUSTER: Resource & { readonly type: 'Cluster' } = { type: 'Cluster', name: 'kafka-cluster' };

export function topicResource(name: string): Resource & { readonly type: 'Topic' } {
  return { type: 'Topic', name };
}

export function groupResource(name: string): Resource & { readonly type: 'Group' } {
  return { type: 'Group', name };
}

export function transactionalIdResource(name: string): Resource {
  return { type: 'TransactionalId', name };
}

/** Who asks, and from where. */
export interface Asker {
  /** As `KafkaPrincipal` prints it: `User:alice`. */
  readonly principal: string;
  readonly clientHost: string;
  /** The API that is asked, for the audit log. */
  readonly requestName: string;
}

/**
 * What hangs on a decision: whether somebody gets what he has asked for, what of a list he is shown, or only what he is told about his
 * rights. An audit wants to know of what was got and what was refused.
 */
export type AuthorizationPurpose = 'access' | 'filter' | 'description';

/** Who asks, from where, for what. */
export interface AuthorizationRequest extends Asker {
  readonly operation: Operation;
  readonly resource: Resource;
  readonly purpose: AuthorizationPurpose;
  /** How often the request refers to the resource, for the audit log; once where nothing is said. Called only for a line that is written. */
  readonly references?: (() => number) | undefined;
}

/** Decides who may do what. It answers at once, so it keeps what it decides by in memory. */
export interface Authorizer {
  isAllowed(request: AuthorizationRequest): boolean;
  /** Whether there is any resource of a type with which somebody may do something. */
  isAllowedForAny(asker: Asker, operation: Operation, type: ResourceType): boolean;
}

/** Without an authorizer everybody may do everything, as in Kafka. */
export const allowAll: Authorizer = { isAllowed: () => true, isAllowedForAny: () => true };

const ERROR_CODES: Readonly<Record<ResourceType, number>> = {
  Topic: ErrorCode.TOPIC_AUTHORIZATION_FAILED,
  Group: ErrorCode.GROUP_AUTHORIZATION_FAILED,
  Cluster: ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
  TransactionalId: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
  DelegationToken: ErrorCode.DELEGATION_TOKEN_AUTHORIZATION_FAILED,
  User: ErrorCode.DELEGATION_TOKEN_AUTHORIZATION_FAILED,
};

const WORDS: ReadonlyMap<number, string> = new Map([
  [ErrorCode.TOPIC_AUTHORIZATION_FAILED, 'Topic authorization failed.'],
  [ErrorCode.GROUP_AUTHORIZATION_FAILED, 'Group authorization failed.'],
  [ErrorCode.CLUSTER_AUTHORIZATION_FAILED, 'Cluster authorization failed.'],
  [ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 'Transactional Id authorization failed.'],
]);

/** What Kafka says beside the code, in the answers of the APIs that say anything. */
export function inWords({ errorCode }: ApiError): string | null {
  return WORDS.get(errorCode) ?? null;
}

/** How somebody is told that he may not. */
export function authorizationFailed({ type }: Resource): Refusal {
  return Refusal.of(ERROR_CODES[type]);
}
