import { type Acl, ANY_CODE, OPERATION_CODES, PATTERN_CODES, PERMISSION_CODES, TYPE_CODES, WILDCARD } from './acl.ts';

/** A filter as requests carry it: codes, and null for anything. */
export interface AclFilter {
  readonly resourceTypeFilter: number;
  readonly resourceNameFilter: string | null;
  readonly patternTypeFilter: number;
  readonly principalFilter: string | null;
  readonly hostFilter: string | null;
  readonly operation: number;
  readonly permissionType: number;
}

/** What of a filter nobody knows here; undefined where all is known. A filter that is half understood must not match too much. */
export function filterFault(filter: AclFilter): string | undefined {
  const isKnown = (codes: Readonly<Record<string, number>>, code: number): boolean =>
    code === ANY_CODE || Object.values(codes).includes(code);
  if (!isKnown(TYPE_CODES, filter.resourceTypeFilter)) return `unknown resource type ${filter.resourceTypeFilter}`;
  if (!isKnown(PATTERN_CODES, filter.patternTypeFilter)) return `unknown pattern type ${filter.patternTypeFilter}`;
  if (!isKnown(OPERATION_CODES, filter.operation)) return `unknown operation ${filter.operation}`;
  if (!isKnown(PERMISSION_CODES, filter.permissionType)) return `unknown permission type ${filter.permissionType}`;
  return undefined;
}

/** Whether a rule is one that a filter looks for (`AclBindingFilter.matches`). */
export function matches(filter: AclFilter, acl: Acl): boolean {
  const isAny = (wanted: number, code: number): boolean => wanted === ANY_CODE || wanted === code;
  return (
    isAny(filter.resourceTypeFilter, TYPE_CODES[acl.pattern.type]) &&
    isAny(filter.operation, OPERATION_CODES[acl.operation]) &&
    isAny(filter.permissionType, PERMISSION_CODES[acl.permissionType]) &&
    (filter.principalFilter === null || filter.principalFilter === acl.principal) &&
    (filter.hostFilter === null || filter.hostFilter === acl.host) &&
    matchesPattern(filter, acl)
  );
}

function matchesPattern({ resourceNameFilter: name, patternTypeFilter }: AclFilter, { pattern }: Acl): boolean {
  const type = pattern.isPrefix ? PATTERN_CODES.PREFIXED : PATTERN_CODES.LITERAL;
  const isExact = patternTypeFilter !== PATTERN_CODES.ANY && patternTypeFilter !== PATTERN_CODES.MATCH;
  if (isExact && patternTypeFilter !== type) return false;
  if (name === null) return true;
  if (patternTypeFilter !== PATTERN_CODES.MATCH) return name === pattern.name;
  if (pattern.isPrefix) return name.startsWith(pattern.name);
  return name === pattern.name || pattern.name === WILDCARD;
}
