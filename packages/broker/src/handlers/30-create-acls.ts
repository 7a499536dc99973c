/**
 * CreateAcls: adds access rules, and answers when they hold on this broker.
 *
 * - v1 patterns that are prefixes; v2 flexible; v3 the type User.
 * - Codes that no rule can have (any, unknown) fail the whole request, as in Kafka; with INVALID_REQUEST and the reason, where Kafka has -1.
 * - Without an authorizer each is answered with SECURITY_DISABLED, as Kafka's `AclApis` does: a rule that nobody would hold anybody to
 *   must not seem to be there.
 */
import { CreateAcls, type CreateAclsRequestCreation, ErrorCode } from '@millrace/protocol';
import type { AccessRules } from '../security/access-rules.ts';
import {
  type AccessRule,
  named,
  OPERATION_CODES,
  PATTERN_CODES,
  PERMISSION_CODES,
  patternKey,
  type ResourcePattern,
  TYPE_CODES,
} from '../security/acl.ts';
import { type ApiError, apiError, NO_ERROR } from '../shared/api-error.ts';
import { CLUSTER, inWords } from '../shared/authorization.ts';
import { eachInTurns } from '../shared/turns.ts';
import { defineHandler, type RequestContext } from './handler.ts';

/** A rule that is to be made, with its place in the request. */
interface Creation {
  readonly index: number;
  readonly pattern: ResourcePattern;
  readonly rule: AccessRule;
}

export const createAcls = defineHandler(
  CreateAcls,
  { minVersion: 0, maxVersion: 3 },
  async ({ creations }, context) => {
    const refusal = context.authorize('Alter', CLUSTER);
    const all = (error: ApiError) => ({ results: creations.map(() => error) });
    if (refusal !== undefined) return all(apiError(refusal.errorCode, inWords(refusal)));
    const { accessRules } = context.broker;
    if (accessRules === undefined) return all(apiError(ErrorCode.SECURITY_DISABLED, 'No Authorizer is configured.'));
    const fault = creations.map(codeFault).find((each) => each !== undefined);
    if (fault !== undefined) return all(apiError(ErrorCode.INVALID_REQUEST, fault));
    const results: ApiError[] = [];
    const byPattern = new Map<string, Creation[]>();
    const look = (creation: CreateAclsRequestCreation): void => {
      const index = results.push(nameFault(creation)) - 1;
      if (results[index] !== NO_ERROR) return;
      const wanted = { index, ...creationOf(creation) };
      const key = patternKey(wanted.pattern);
      const same = byPattern.get(key);
      if (same === undefined) byPattern.set(key, [wanted]);
      else same.push(wanted);
    };
    await eachInTurns(creations, look, () => context.pause());
    for (const same of byPattern.values()) {
      const error = await add(accessRules, same, context);
      for (const { index } of same) results[index] = error;
    }
    return { results };
  },
);

/** What of the codes or the principal no rule can have. */
function codeFault(creation: CreateAclsRequestCreation): string | undefined {
  const { resourceType, resourcePatternType, principal, operation, permissionType } = creation;
  if (named(TYPE_CODES, resourceType) === undefined) {
    return `There are no rules about resources of type ${resourceType}`;
  }
  if (resourcePatternType !== PATTERN_CODES.LITERAL && resourcePatternType !== PATTERN_CODES.PREFIXED) {
    return `No rule has a pattern of type ${resourcePatternType}: it must be literal (3) or prefixed (4)`;
  }
  if (named(OPERATION_CODES, operation) === undefined) return `There are no rules about operation ${operation}`;
  if (named(PERMISSION_CODES, permissionType) === undefined) {
    return `A rule allows (3) or denies (2), and permission type ${permissionType} is neither`;
  }
  if (!principal.includes(':')) return 'A principal has the form Type:name, such as User:alice';
  return undefined;
}

/** What is wrong with a rule's name alone, in Kafka's words (`AclApis`, `AclAuthorizer`). */
function nameFault({ resourceType, resourceName }: CreateAclsRequestCreation): ApiError {
  const refuse = (message: string): ApiError => apiError(ErrorCode.INVALID_REQUEST, message);
  if (resourceType === TYPE_CODES.Cluster && resourceName !== CLUSTER.name) {
    return refuse(`The only valid name for the CLUSTER resource is ${CLUSTER.name}`);
  }
  if (resourceName === '') return refuse('Invalid empty resource name');
  // It would be a path of its own in the metadata store.
  return resourceName.includes('/') ? refuse('Failed to create ACL') : NO_ERROR;
}

function creationOf(creation: CreateAclsRequestCreation): Omit<Creation, 'index'> {
  const { resourceType, resourceName, resourcePatternType, principal, host, operation, permissionType } = creation;
  // The codes have been checked.
  const type = named(TYPE_CODES, resourceType) as ResourcePattern['type'];
  return {
    pattern: { type, name: resourceName, isPrefix: resourcePatternType === PATTERN_CODES.PREFIXED },
    rule: {
      principal,
      host,
      operation: named(OPERATION_CODES, operation) as AccessRule['operation'],
      permissionType: named(PERMISSION_CODES, permissionType) as AccessRule['permissionType'],
    },
  };
}

async function add(rules: AccessRules, creations: readonly Creation[], context: RequestContext): Promise<ApiError> {
  const { pattern } = creations[0] as Creation;
  try {
    await rules.add(
      pattern,
      creations.map(({ rule }) => rule),
    );
    return NO_ERROR;
  } catch (err) {
    context.broker.logger.error({ err, pattern }, 'Access rules could not be written');
    return apiError(ErrorCode.UNKNOWN_SERVER_ERROR, 'Failed to create ACL');
  }
}
