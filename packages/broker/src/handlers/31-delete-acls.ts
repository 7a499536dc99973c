/**
 * DeleteAcls: removes access rules that match filters, and tells which.
 *
 * - v1 patterns that are prefixes; v2 flexible; v3 the type User.
 * - Without an authorizer each filter is answered with SECURITY_DISABLED, as Kafka's `AclApis` does.
 */
import { DeleteAcls, ErrorCode } from '@millrace/protocol';
import { type Acl, OPERATION_CODES, PATTERN_CODES, PERMISSION_CODES, TYPE_CODES } from '../security/acl.ts';
import { filterFault } from '../security/acl-filter.ts';
import { type ApiError, apiError, NO_ERROR } from '../shared/api-error.ts';
import { CLUSTER, inWords } from '../shared/authorization.ts';
import { defineHandler } from './handler.ts';

export const deleteAcls = defineHandler(DeleteAcls, { minVersion: 0, maxVersion: 3 }, async ({ filters }, context) => {
  const refusal = context.authorize('Alter', CLUSTER);
  const all = (error: ApiError) => ({ filterResults: filters.map(() => ({ ...error, matchingAcls: [] })) });
  if (refusal !== undefined) return all(apiError(refusal.errorCode, inWords(refusal)));
  const { accessRules, logger } = context.broker;
  if (accessRules === undefined) return all(apiError(ErrorCode.SECURITY_DISABLED, 'No Authorizer is configured.'));
  const faults = filters.map(filterFault);
  const usable = filters.filter((_, index) => faults[index] === undefined);
  try {
    const removed = await accessRules.remove(usable);
    let next = 0;
    return {
      filterResults: faults.map((fault) => {
        if (fault !== undefined) {
          const message = `The filter cannot be used: ${fault}`;
          return { ...apiError(ErrorCode.INVALID_REQUEST, message), matchingAcls: [] };
        }
        next += 1;
        return { ...NO_ERROR, matchingAcls: (removed[next - 1] ?? []).map(matchingAcl) };
      }),
    };
  } catch (err) {
    logger.error({ err }, 'Access rules could not be removed');
    return all(apiError(ErrorCode.UNKNOWN_SERVER_ERROR, 'Failed to delete ACLs'));
  }
});

function matchingAcl({ pattern, principal, host, operation, permissionType }: Acl) {
  return {
    ...NO_ERROR,
    resourceType: TYPE_CODES[pattern.type],
    resourceName: pattern.name,
    patternType: pattern.isPrefix ? PATTERN_CODES.PREFIXED : PATTERN_CODES.LITERAL,
    principal,
    host,
    operation: OPERATION_CODES[operation],
    permissionType: PERMISSION_CODES[permissionType],
  };
}
