/** Sets of rights and answers as they were recorded: rights as rules, and answers by their paths. */
import { type Acl, ANY_CODE, OPERATION_CODES, PATTERN_CODES, PERMISSION_CODES, TYPE_CODES } from '../security/acl.ts';

/** All rules there are, as DescribeAcls and DeleteAcls ask for them. */
export const EVERY_RULE = {
  resourceTypeFilter: ANY_CODE,
  resourceNameFilter: null,
  patternTypeFilter: PATTERN_CODES.ANY,
  principalFilter: null,
  hostFilter: null,
  operation: ANY_CODE,
  permissionType: ANY_CODE,
};

/** A field's name in an answer, and where the elements of a list have their names. */
const NAMES = [
  'name',
  'topic',
  'groupId',
  'topicName',
  'group',
  'key',
  'resourceName',
  'partitionIndex',
  'partition',
  'partitionId',
  'index',
  'user',
  'transactionalId',
];

/** Error codes and operation bits of an answer by their paths, as they were recorded. */
export function flattened(value: unknown, path = '', into: Record<string, number> = {}): Record<string, number> {
  for (const [field, each] of Object.entries(value as Record<string, unknown>)) {
    const at = path === '' ? field : `${path}.${field}`;
    if (typeof each === 'number' && /(errorCode|ErrorCode|AuthorizedOperations|authorizedOperations)$/.test(field)) {
      into[at] = each;
    }
    if (!Array.isArray(each)) continue;
    for (const [index, element] of each.entries()) {
      if (typeof element !== 'object' || element === null || Buffer.isBuffer(element)) continue;
      flattened(element, `${at}[${labelOf(element as Record<string, unknown>, index)}]`, into);
    }
  }
  return into;
}

/** How many elements each list of an answer has, by the paths of the lists. */
export function listLengths(value: unknown, path = '', into: Record<string, number> = {}): Record<string, number> {
  for (const [field, each] of Object.entries(value as Record<string, unknown>)) {
    if (!Array.isArray(each)) continue;
    const at = path === '' ? field : `${path}.${field}`;
    into[at] = each.length;
    for (const [index, element] of each.entries()) {
      if (typeof element !== 'object' || element === null || Buffer.isBuffer(element)) continue;
      listLengths(element, `${at}[${labelOf(element as Record<string, unknown>, index)}]`, into);
    }
  }
  return into;
}

/** The texts for people that an answer has, by their paths. */
export function textsOf(value: unknown, path = '', into: Record<string, string> = {}): Record<string, string> {
  for (const [field, each] of Object.entries(value as Record<string, unknown>)) {
    const at = path === '' ? field : `${path}.${field}`;
    if (typeof each === 'string' && /[mM]essage$/.test(field) && each !== '') into[at] = each;
    if (!Array.isArray(each)) continue;
    for (const [index, element] of each.entries()) {
      if (typeof element !== 'object' || element === null || Buffer.isBuffer(element)) continue;
      textsOf(element, `${at}[${labelOf(element as Record<string, unknown>, index)}]`, into);
    }
  }
  return into;
}

/** Where an answer leaves a name out, which tells nobody what an id stands for. */
export function withoutNames(value: unknown, path = '', into = new Set<string>()): ReadonlySet<string> {
  for (const [field, each] of Object.entries(value as Record<string, unknown>)) {
    const at = path === '' ? field : `${path}.${field}`;
    if (field === 'name' && each === null) into.add(at);
    if (!Array.isArray(each)) continue;
    for (const element of each) {
      if (typeof element === 'object' && element !== null && !Buffer.isBuffer(element)) withoutNames(element, at, into);
    }
  }
  return into;
}

/** What stands for an element of a list in the path of an answer. */
export function labelOf(element: Record<string, unknown>, index: number): string {
  for (const name of NAMES) {
    const value = element[name];
    if (typeof value === 'number' || (typeof value === 'string' && value !== '')) {
      return String(value).replace(/^(a-(?:new|auto)-).*$/, '$1N');
    }
  }
  return typeof element['topicId'] === 'string' ? '<id>' : element['user'] === '' ? '' : String(index);
}

/** `TOPIC READ + GROUP READ` as rules for alice: topics, groups and transactional ids that begin with `a-`, and the one cluster. */
export function rulesOf(right: string): Acl[] {
  if (right === 'none') return [];
  const everything = right.startsWith('ALL');
  const wanted = everything ? Object.keys(TYPE_CODES).map((type) => `${type} All`) : right.split(' + ');
  return wanted.map((each): Acl => {
    const [type = '', operation = ''] = each.split(' ');
    const camel = (text: string): string =>
      text.toLowerCase().replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
    // The recorded rights have no other names than these.
    const typeName = (everything ? type : camel(type)) as Acl['pattern']['type'];
    const isNamed = typeName === 'Topic' || typeName === 'Group' || typeName === 'TransactionalId';
    const all = everything ? '*' : 'a-';
    const name = typeName === 'Cluster' ? 'kafka-cluster' : isNamed ? all : '*';
    return {
      pattern: { type: typeName, name, isPrefix: isNamed && !everything },
      principal: 'User:alice',
      permissionType: 'Allow',
      host: '*',
      operation: (everything ? 'All' : camel(operation)) as Acl['operation'],
    };
  });
}

/** The same rules as elements of a CreateAcls request. */
export function creationsOf(right: string): readonly Readonly<Record<string, unknown>>[] {
  return rulesOf(right).map(({ pattern, principal, host, operation, permissionType }) => ({
    resourceType: TYPE_CODES[pattern.type],
    resourceName: pattern.name,
    resourcePatternType: pattern.isPrefix ? PATTERN_CODES.PREFIXED : PATTERN_CODES.LITERAL,
    principal,
    host,
    operation: OPERATION_CODES[operation],
    permissionType: PERMISSION_CODES[permissionType],
  }));
}
