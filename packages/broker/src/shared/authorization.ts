import { ErrorCode } from '@millrace/protocol';
import { type ApiError, apiError } from './api-error.ts';

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
  | 'IdempotentWrite';

/** What he wants to do it with; Kafka's `ResourceType` by its names. */
export type ResourceType = 'Topic' | 'Group' | 'Cluster' | 'TransactionalId';

export interface Resource {
  readonly type: ResourceType;
  readonly name: string;
}

/** The one resource of its type. */
export const CLUSTER: Resource = { type: 'Cluster', name: 'kafka-cluster' };

export function topicResource(name: string): Resource {
  return { type: 'Topic', name };
}

export function groupResource(name: string): Resource {
  return { type: 'Group', name };
}

/** Who asks, from where, for what. */
export interface AuthorizationRequest {
  /** As `KafkaPrincipal` prints it: `User:alice`. */
  readonly principal: string;
  readonly clientHost: string;
  readonly operation: Operation;
  readonly resource: Resource;
}

/** Decides who may do what. It answers at once, so it keeps what it decides by in memory. */
export interface Authorizer {
  isAllowed(request: AuthorizationRequest): boolean;
}

/** Without an authorizer everybody may do everything, as in Kafka. */
export const allowAll: Authorizer = { isAllowed: () => true };

const ERROR_CODES: Readonly<Record<ResourceType, number>> = {
  Topic: ErrorCode.TOPIC_AUTHORIZATION_FAILED,
  Group: ErrorCode.GROUP_AUTHORIZATION_FAILED,
  Cluster: ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
  TransactionalId: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
};

/** How somebody is told that he may not. */
export function authorizationFailed({ type }: Resource): ApiError {
  return apiError(ERROR_CODES[type], null);
}
