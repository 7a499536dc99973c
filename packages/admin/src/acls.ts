import type { KafkaClient, OperationOptions } from '@millrace/client';
import { faultOf, oneOf, orNull, someText } from '@millrace/client/internal';
import { DescribeAcls } from '@millrace/protocol';
import { check } from './arguments.ts';

const RESOURCE_TYPES = [
  'unknown',
  'any',
  'topic',
  'group',
  'cluster',
  'transactional-id',
  'delegation-token',
  'user',
] as const;
const PATTERN_TYPES = ['unknown', 'any', 'match', 'literal', 'prefixed'] as const;
const OPERATIONS = [
  'unknown',
  'any',
  'all',
  'read',
  'write',
  'create',
  'delete',
  'alter',
  'describe',
  'cluster-action',
  'describe-configs',
  'alter-configs',
  'idempotent-write',
  'create-tokens',
  'describe-tokens',
] as const;
const PERMISSIONS = ['unknown', 'any', 'deny', 'allow'] as const;

/** What an access rule is about. */
export type AclResourceType = (typeof RESOURCE_TYPES)[number];
/** How the name of a rule is meant: `literal`, or `prefixed`; a filter may ask for `any`, or `match` for all that concern a name. */
export type AclPatternType = (typeof PATTERN_TYPES)[number];
/** What an access rule is for. */
export type AclOperation = (typeof OPERATIONS)[number];
/** Whether an access rule allows or denies. */
export type AclPermission = (typeof PERMISSIONS)[number];

/** A rule that lets a principal do something, or forbids it. */
export interface Acl {
  readonly resourceType: AclResourceType;
  readonly resourceName: string;
  readonly patternType: AclPatternType;
  /** Such as `User:alice`; `User:*` is everybody. */
  readonly principal: string;
  /** `*` is every host. */
  readonly host: string;
  readonly operation: AclOperation;
  readonly permission: AclPermission;
}

/** Which rules to look for; what is left out may be anything. */
export interface AclFilter {
  readonly resourceType?: AclResourceType | undefined;
  readonly resourceName?: string | null | undefined;
  readonly patternType?: AclPatternType | undefined;
  readonly principal?: string | null | undefined;
  readonly host?: string | null | undefined;
  readonly operation?: AclOperation | undefined;
  readonly permission?: AclPermission | undefined;
}

const filterShape = {
  noun: 'field of a filter of access rules',
  fields: {
    resourceType: oneOf(...RESOURCE_TYPES),
    resourceName: orNull(someText),
    patternType: oneOf(...PATTERN_TYPES),
    principal: orNull(someText),
    host: orNull(someText),
    operation: oneOf(...OPERATIONS),
    permission: oneOf(...PERMISSIONS),
  },
  foreign: { resourcePatternType: 'it is called patternType', permissionType: 'it is called permission' },
};

export async function describeAcls(client: KafkaClient, filter: AclFilter, options: OperationOptions): Promise<Acl[]> {
  check('describe access rules', faultOf(filter, filterShape));
  const { patternType = 'any' } = filter;
  const response = await client.sendToAnyBroker(
    DescribeAcls,
    (version) => ({
      resourceTypeFilter: RESOURCE_TYPES.indexOf(filter.resourceType ?? 'any'),
      resourceNameFilter: filter.resourceName ?? null,
      // Before version 1 there are literal names only.
      ...(version >= 1 ? { patternTypeFilter: PATTERN_TYPES.indexOf(patternType) } : {}),
      principalFilter: filter.principal ?? null,
      hostFilter: filter.host ?? null,
      operation: OPERATIONS.indexOf(filter.operation ?? 'any'),
      permissionType: PERMISSIONS.indexOf(filter.permission ?? 'any'),
    }),
    options,
  );
  return response.resources.flatMap(({ resourceType, resourceName, patternType: pattern, acls }) =>
    acls.map(({ principal, host, operation, permissionType }) => ({
      resourceType: RESOURCE_TYPES[resourceType] ?? 'unknown',
      resourceName,
      patternType: PATTERN_TYPES[pattern] ?? 'unknown',
      principal,
      host,
      operation: OPERATIONS[operation] ?? 'unknown',
      permission: PERMISSIONS[permissionType] ?? 'unknown',
    })),
  );
}
