/**
 * DescribeAcls: the access rules that match a filter.
 *
 * - v1 patterns that are prefixes; v2 flexible; v3 the type User.
 * - Without an authorizer there are none to have: SECURITY_DISABLED, as Kafka's `AclApis` answers.
 */
import { DescribeAcls, type DescribeAclsResponseInput, ErrorCode } from '@millrace/protocol';
import { type Acl, OPERATION_CODES, PATTERN_CODES, PERMISSION_CODES, patternKey, TYPE_CODES } from '../security/acl.ts';
import { filterFault, matches } from '../security/acl-filter.ts';
import { CLUSTER, inWords } from '../shared/authorization.ts';
import { defineHandler } from './handler.ts';

export const describeAcls = defineHandler(DescribeAcls, { minVersion: 0, maxVersion: 3 }, (filter, context) => {
  const refusal = context.authorize('Describe', CLUSTER);
  if (refusal !== undefined) return refused(refusal.errorCode, inWords(refusal));
  const { accessRules } = context.broker;
  if (accessRules === undefined) {
    return refused(ErrorCode.SECURITY_DISABLED, 'No Authorizer is configured on the broker');
  }
  const fault = filterFault(filter);
  if (fault !== undefined) return refused(ErrorCode.INVALID_REQUEST, `The filter cannot be used: ${fault}`);
  const found = [...accessRules.all()].filter((acl) => matches(filter, acl));
  const byPattern = Map.groupBy(found, ({ pattern }) => patternKey(pattern));
  return { errorCode: ErrorCode.NONE, errorMessage: null, resources: Array.from(byPattern.values(), resourceOf) };
});

function refused(errorCode: number, errorMessage: string | null): DescribeAclsResponseInput {
  return { errorCode, errorMessage, resources: [] };
}

function resourceOf(acls: readonly Acl[]): NonNullable<DescribeAclsResponseInput['resources']>[number] {
  const { type, name, isPrefix } = (acls[0] as Acl).pattern;
  return {
    resourceType: TYPE_CODES[type],
    resourceName: name,
    patternType: isPrefix ? PATTERN_CODES.PREFIXED : PATTERN_CODES.LITERAL,
    acls: acls.map(({ principal, host, operation, permissionType }) => ({
      principal,
      host,
      operation: OPERATION_CODES[operation],
      permissionType: PERMISSION_CODES[permissionType],
    })),
  };
}
