import type { Acl, AclCodes } from '@millrace/admin';
import { KafkaError } from '@millrace/client';
import {
  ACL_OPERATIONS,
  ACL_RESOURCES,
  type AclList,
  type AclRow,
  type ForeignAcl,
  type QuotaEntityPart,
  type QuotaRow,
  type ScramMechanism,
  type UserRow,
} from '../api/contract.ts';
import type { Cluster } from './cluster.ts';

/** The rules of access, those too for which there is no word here. */
export async function listAcls({ admin }: Pick<Cluster, 'admin'>): Promise<AclList> {
  try {
    return { hasAuthorizer: true, acls: (await admin.describeAcls()).map((acl) => aclRow(acl) ?? foreignAcl(acl)) };
  } catch (error) {
    if (error instanceof KafkaError && error.code === 'KAFKA_SECURITY_DISABLED') {
      return { hasAuthorizer: false, acls: [] };
    }
    throw error;
  }
}

/** A rule of which all is known; undefined for others. */
function aclRow(acl: Acl): AclRow | undefined {
  const { resourceType, resourceName, patternType, principal, host, operation, permission } = acl;
  const resource = ACL_RESOURCES.find((each) => each === resourceType);
  const act = ACL_OPERATIONS.find((each) => each === operation);
  const pattern = patternType === 'literal' || patternType === 'prefixed' ? patternType : undefined;
  const isAllowed = permission === 'allow' || permission === 'deny' ? permission : undefined;
  if (resource === undefined || act === undefined || pattern === undefined || isAllowed === undefined) return undefined;
  return { resource, name: resourceName, pattern, principal, host, operation: act, permission: isAllowed };
}

function foreignAcl({ codes, resourceName: name, principal, host, ...words }: Acl): ForeignAcl {
  const shown = (of: keyof AclCodes): string =>
    words[of] === 'unknown' && codes !== undefined ? `unknown (${codes[of]})` : words[of];
  return {
    ...{ resource: shown('resourceType'), name, pattern: shown('patternType'), principal, host },
    ...{ operation: shown('operation'), permission: shown('permission'), isForeign: true },
  };
}

/** Adds a rule. */
export async function addAcl({ admin }: Cluster, acl: AclRow): Promise<void> {
  await admin.createAcls([ofRow(acl)]);
}

/** Takes away the one rule that is named in all its parts; how many there were. */
export async function deleteAcl({ admin }: Cluster, acl: AclRow): Promise<number> {
  return (await admin.deleteAcls(ofRow(acl))).length;
}

function ofRow({ resource, name, pattern, principal, host, operation, permission }: AclRow) {
  return {
    resourceType: resource,
    resourceName: name,
    patternType: pattern,
    principal,
    host,
    operation,
    permission,
  };
}

/** The users that the cluster keeps passwords of. */
export async function listUsers({ admin }: Cluster): Promise<UserRow[]> {
  const users = await admin.describeScramUsers('all');
  return users.map(({ user, credentials }) => ({ user, credentials }));
}

/** Gives a user a password, or another one. */
export async function setPassword(
  { admin }: Cluster,
  user: { readonly user: string; readonly mechanism: ScramMechanism; readonly password: string },
): Promise<void> {
  const { user: name, mechanism, password } = user;
  await admin.setScramPasswords([{ user: name, mechanism, password }]);
}

/** All quotas that somebody has set. */
export async function listQuotas({ admin }: Cluster): Promise<QuotaRow[]> {
  return (await admin.describeClientQuotas()).map(({ entity, values }) => ({ entity, values }));
}

/** Sets and takes away quotas of a user, a client or an address. */
export async function changeQuotas(
  { admin }: Cluster,
  change: {
    readonly entity: readonly QuotaEntityPart[];
    readonly values: Readonly<Record<string, number>>;
    readonly unset: readonly string[];
  },
): Promise<void> {
  await admin.alterClientQuotas([{ entity: change.entity, set: change.values, unset: change.unset }]);
}
