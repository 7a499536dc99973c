/** Access rules in the metadata store: paths and contents as Kafka 2.0 to 3.9 wrote them (`ZkAclStore`, `AclEntry`). */
import { MalformedNodeError } from '../store/znodes.ts';
import {
  type AccessRule,
  inCapitals,
  isNamed,
  OPERATION_CODES,
  PERMISSION_CODES,
  RESOURCE_TYPES,
  type ResourcePattern,
  TYPE_CODES,
} from './acl.ts';

/** `AclEntry.CurrentVersion`; there has never been another. */
const VERSION = 1;

const LITERAL_ROOT = '/kafka-acl';
const EXTENDED_ROOT = '/kafka-acl-extended';
const PREFIXED_ROOT = '/kafka-acl-extended/prefixed';

/** Where a kind of patterns lies, and where its changes are told. */
export interface AclTree {
  readonly isPrefix: boolean;
  readonly root: string;
  readonly changes: string;
}

export const LITERAL_TREE: AclTree = { isPrefix: false, root: LITERAL_ROOT, changes: '/kafka-acl-changes' };
export const PREFIXED_TREE: AclTree = { isPrefix: true, root: PREFIXED_ROOT, changes: '/kafka-acl-extended-changes' };
export const ACL_TREES: readonly AclTree[] = [LITERAL_TREE, PREFIXED_TREE];

/** What an authorizer makes of a tree at its first start, parents first, and where changes are told last. */
export function pathsOf({ root, changes }: AclTree): readonly string[] {
  const above = root === PREFIXED_ROOT ? [EXTENDED_ROOT] : [];
  return [...above, root, ...RESOURCE_TYPES.map((type) => `${root}/${type}`), changes];
}

export function treeOf({ isPrefix }: Pick<ResourcePattern, 'isPrefix'>): AclTree {
  return isPrefix ? PREFIXED_TREE : LITERAL_TREE;
}

export function aclPath(pattern: ResourcePattern): string {
  return `${treeOf(pattern).root}/${pattern.type}/${pattern.name}`;
}

export function encodeRules(rules: readonly AccessRule[]): Buffer {
  const acls = rules.map(({ principal, permissionType, host, operation }) => ({
    principal,
    permissionType,
    host,
    operation,
  }));
  return Buffer.from(JSON.stringify({ acls, version: VERSION }));
}

/**
 * The rules on a pattern. One with a word that nobody knows here is an error and not passed over: it may be the one that denies. So is a
 * node of another version, as in Kafka's `AclEntry`; and one with nothing or no JSON in it, which Kafka takes for no rules at all.
 * @throws MalformedNodeError
 */
export function decodeRules(path: string, data: Buffer): AccessRule[] {
  try {
    const { version, acls } = JSON.parse(data.toString()) as Record<string, unknown>;
    if (version !== VERSION) throw new TypeError(`unknown version ${String(version)}`);
    if (!Array.isArray(acls)) throw new TypeError('it has no list of rules');
    return acls.map(ruleOf);
  } catch (cause) {
    throw new MalformedNodeError(path, cause);
  }
}

function ruleOf(json: Record<string, unknown>): AccessRule {
  const { principal, permissionType, host, operation } = json;
  if (typeof principal !== 'string' || typeof host !== 'string') {
    throw new TypeError('an entry lacks principal or host');
  }
  if (!isNamed(PERMISSION_CODES, permissionType)) throw new TypeError(`unknown permission ${String(permissionType)}`);
  if (!isNamed(OPERATION_CODES, operation)) throw new TypeError(`unknown operation ${String(operation)}`);
  return { principal, permissionType, host, operation };
}

/** What others are told of a change. */
export function encodeAclChange(pattern: ResourcePattern): Buffer {
  const type = inCapitals(pattern.type);
  if (!pattern.isPrefix) return Buffer.from(`${type}:${pattern.name}`);
  return Buffer.from(JSON.stringify({ version: 1, resourceType: type, name: pattern.name, patternType: 'PREFIXED' }));
}

/** @throws MalformedNodeError */
export function decodeAclChange(path: string, data: Buffer): ResourcePattern {
  const text = data.toString();
  try {
    if (!text.startsWith('{')) {
      const colon = text.indexOf(':');
      return { type: typeOf(text.slice(0, colon)), name: text.slice(colon + 1), isPrefix: false };
    }
    const { resourceType, name } = JSON.parse(text) as Record<string, unknown>;
    if (typeof name !== 'string') throw new TypeError('it names no resource');
    return { type: typeOf(String(resourceType)), name, isPrefix: true };
  } catch (cause) {
    throw new MalformedNodeError(path, cause);
  }
}

/** Older versions of Kafka spelled types as the nodes do. */
function typeOf(text: string): ResourcePattern['type'] {
  const found = RESOURCE_TYPES.find((type) => inCapitals(type) === text || type === text);
  if (found === undefined || !isNamed(TYPE_CODES, found)) throw new TypeError(`unknown type of resource ${text}`);
  return found;
}
