/** Access rules as Kafka has them: their names in the metadata store, and their codes in requests. */
import type { Operation, ResourceType } from '../shared/authorization.ts';

/** What a rule is about: one operation, or all. */
export type AclOperation = Operation | 'All';

export type PermissionType = 'Allow' | 'Deny';

/** One rule: who, from where, may or may not do what. */
export interface AccessRule {
  /** `User:alice`, or `User:*` for everybody. */
  readonly principal: string;
  readonly permissionType: PermissionType;
  /** An address, or `*` for all. */
  readonly host: string;
  readonly operation: AclOperation;
}

/** The pattern that a rule hangs on: one name, `*` for all names, or what names begin with. */
export interface ResourcePattern {
  readonly type: ResourceType;
  readonly name: string;
  readonly isPrefix: boolean;
}

/** A rule with the pattern that it hangs on. */
export interface Acl extends AccessRule {
  readonly pattern: ResourcePattern;
}

export const WILDCARD = '*';
export const EVERYBODY = 'User:*';

/** Kafka's codes (`ResourceType`), in the order in which `/kafka-acl` lists them. */
export const TYPE_CODES: Readonly<Record<ResourceType, number>> = {
  Topic: 2,
  Group: 3,
  Cluster: 4,
  TransactionalId: 5,
  DelegationToken: 6,
  User: 7,
};

/** Kafka's codes (`AclOperation`). */
export const OPERATION_CODES: Readonly<Record<AclOperation, number>> = {
  All: 2,
  Read: 3,
  Write: 4,
  Create: 5,
  Delete: 6,
  Alter: 7,
  Describe: 8,
  ClusterAction: 9,
  DescribeConfigs: 10,
  AlterConfigs: 11,
  IdempotentWrite: 12,
  CreateTokens: 13,
  DescribeTokens: 14,
};

/** Kafka's codes (`AclPermissionType`). */
export const PERMISSION_CODES: Readonly<Record<PermissionType, number>> = { Deny: 2, Allow: 3 };

/** Kafka's codes (`PatternType`). */
export const PATTERN_CODES = { ANY: 1, MATCH: 2, LITERAL: 3, PREFIXED: 4 } as const;

/** What stands for everything in a filter, in all three code lists. */
export const ANY_CODE = 1;

export const RESOURCE_TYPES = Object.keys(TYPE_CODES) as ResourceType[];

/** The name whose code this is. */
export function named<Name extends string>(codes: Readonly<Record<Name, number>>, code: number): Name | undefined {
  return (Object.keys(codes) as Name[]).find((name) => codes[name] === code);
}

/** The names by their spelling in the store. */
export function isNamed<Name extends string>(codes: Readonly<Record<Name, number>>, name: unknown): name is Name {
  return typeof name === 'string' && Object.hasOwn(codes, name);
}

/** `TRANSACTIONAL_ID` for `TransactionalId`: how notifications and logs spell it. */
export function inCapitals(type: ResourceType): string {
  return type.replace(/([a-z])([A-Z])/g, '$1_$2').toUpperCase();
}

/** A key that only the same rule has. */
export function ruleKey({ principal, host, operation, permissionType }: AccessRule): string {
  return JSON.stringify([principal, host, operation, permissionType]);
}

/** One text for one pattern, whatever object it is. */
export function patternKey({ type, name, isPrefix }: ResourcePattern): string {
  return `${type}:${isPrefix ? 'PREFIXED' : 'LITERAL'}:${name}`;
}
