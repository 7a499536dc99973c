import type { KafkaClient, OperationOptions } from '@millrace/client';
import { anyText, faultOf, oneOf, orNull, required, someText } from '@millrace/client/internal';
import { CreateAcls, DeleteAcls, DescribeAcls } from '@millrace/protocol';
import { check } from './arguments.ts';
import { ItemFailures } from './errors.ts';
import { failureOf } from './requests.ts';

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
  /** The numbers that the cluster tells, where one of them has no word here: a newer Kafka has more of them. */
  readonly codes?: AclCodes | undefined;
}

/** What Kafka's protocol says in numbers of a rule. */
export interface AclCodes {
  readonly resourceType: number;
  readonly patternType: number;
  readonly operation: number;
  readonly permission: number;
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

/** A rule to make: what is left out is a literal name, every host, and allowed. */
export interface NewAcl {
  readonly resourceType: Exclude<AclResourceType, 'unknown' | 'any'>;
  readonly resourceName: string;
  /** `literal` by default. */
  readonly patternType?: 'literal' | 'prefixed' | undefined;
  readonly principal: string;
  /** `*`, every host, by default. */
  readonly host?: string | undefined;
  readonly operation: Exclude<AclOperation, 'unknown' | 'any'>;
  /** `allow` by default. */
  readonly permission?: 'allow' | 'deny' | undefined;
}

const newAclShape = {
  noun: 'field of an access rule',
  fields: {
    resourceType: required(oneOf(...RESOURCE_TYPES.slice(2))),
    resourceName: required(someText),
    patternType: oneOf('literal', 'prefixed'),
    principal: required(someText),
    host: anyText,
    operation: required(oneOf(...OPERATIONS.slice(2))),
    permission: oneOf('allow', 'deny'),
  },
  foreign: { resourcePatternType: 'it is called patternType', permissionType: 'it is called permission' },
};

/** Checks one rule to make; see `arguments.ts`. */
export function newAcl(item: unknown, place: string): string | undefined {
  return faultOf(item, newAclShape, place);
}

export async function createAcls(
  client: KafkaClient,
  acls: readonly NewAcl[],
  options: OperationOptions,
): Promise<void> {
  if (acls.length === 0) return;
  const { results } = await client.sendToAnyBroker(
    CreateAcls,
    (version) => ({
      creations: acls.map(({ patternType = 'literal', host = '*', permission = 'allow', ...acl }) => ({
        resourceType: RESOURCE_TYPES.indexOf(acl.resourceType),
        resourceName: acl.resourceName,
        ...(version >= 1 ? { resourcePatternType: PATTERN_TYPES.indexOf(patternType) } : {}),
        principal: acl.principal,
        host,
        operation: OPERATIONS.indexOf(acl.operation),
        permissionType: PERMISSIONS.indexOf(permission),
      })),
    }),
    // Before version 1 there are literal names only.
    { ...options, versionMin: acls.some(({ patternType }) => patternType === 'prefixed') ? 1 : 0 },
  );
  const failures = new ItemFailures('Create access rules');
  for (const [index, { errorCode, errorMessage }] of results.entries()) {
    const acl = acls[index];
    const item = `${acl?.resourceType}:${acl?.resourceName} ${acl?.operation} for ${acl?.principal}`;
    failures.add(item, failureOf(errorCode, `Create access rule ${item}`, errorMessage));
  }
  failures.throwIfAny();
}

export async function deleteAcls(client: KafkaClient, filter: AclFilter, options: OperationOptions): Promise<Acl[]> {
  check('delete access rules', faultOf(filter, filterShape));
  const { filterResults } = await client.sendToAnyBroker(
    DeleteAcls,
    (version) => {
      const { patternTypeFilter, ...rest } = filterBody(filter);
      return { filters: [version >= 1 ? { ...rest, patternTypeFilter } : rest] };
    },
    options,
  );
  const failures = new ItemFailures('Delete access rules');
  for (const { errorCode, errorMessage } of filterResults) {
    failures.add('the filter', failureOf(errorCode, 'Delete access rules', errorMessage));
  }
  failures.throwIfAny();
  return filterResults.flatMap(({ matchingAcls }) =>
    matchingAcls.map(({ resourceType, resourceName, patternType, ...rule }) =>
      aclOf({ resourceType, resourceName, patternType }, rule),
    ),
  );
}

function filterBody(filter: AclFilter) {
  return {
    resourceTypeFilter: RESOURCE_TYPES.indexOf(filter.resourceType ?? 'any'),
    resourceNameFilter: filter.resourceName ?? null,
    patternTypeFilter: PATTERN_TYPES.indexOf(filter.patternType ?? 'any'),
    principalFilter: filter.principal ?? null,
    hostFilter: filter.host ?? null,
    operation: OPERATIONS.indexOf(filter.operation ?? 'any'),
    permissionType: PERMISSIONS.indexOf(filter.permission ?? 'any'),
  };
}

/** A rule in words, as far as there are words for it. */
export function aclOf(
  pattern: { readonly resourceType: number; readonly resourceName: string; readonly patternType: number },
  rule: {
    readonly principal: string;
    readonly host: string;
    readonly operation: number;
    readonly permissionType: number;
  },
): Acl {
  const inWords = {
    resourceType: RESOURCE_TYPES[pattern.resourceType] ?? 'unknown',
    resourceName: pattern.resourceName,
    patternType: PATTERN_TYPES[pattern.patternType] ?? 'unknown',
    principal: rule.principal,
    host: rule.host,
    operation: OPERATIONS[rule.operation] ?? 'unknown',
    permission: PERMISSIONS[rule.permissionType] ?? 'unknown',
  };
  const { resourceType, patternType, operation, permission } = inWords;
  if (![resourceType, patternType, operation, permission].includes('unknown')) return inWords;
  const codes = {
    resourceType: pattern.resourceType,
    patternType: pattern.patternType,
    operation: rule.operation,
    permission: rule.permissionType,
  };
  return { ...inWords, codes };
}

export async function describeAcls(client: KafkaClient, filter: AclFilter, options: OperationOptions): Promise<Acl[]> {
  check('describe access rules', faultOf(filter, filterShape));
  const response = await client.sendToAnyBroker(
    DescribeAcls,
    (version) => {
      // Before version 1 there are literal names only.
      const { patternTypeFilter, ...rest } = filterBody(filter);
      return version >= 1 ? { ...rest, patternTypeFilter } : rest;
    },
    options,
  );
  return response.resources.flatMap(({ acls, ...pattern }) => acls.map((rule) => aclOf(pattern, rule)));
}
