/**
 * DescribeClientQuotas: the quotas that match a filter (KIP-546). None can be set yet, so none match; the filter is checked as
 * Kafka's `ClientQuotaManager` checks it.
 */
import { DescribeClientQuotas, ErrorCode } from '@millrace/protocol';
import { type ApiError, apiError, NO_ERROR } from '../shared/api-error.ts';
import { CLUSTER, inWords } from '../shared/authorization.ts';
import { defineHandler } from './handler.ts';

const USER = 'user';
const CLIENT_ID = 'client-id';
const IP = 'ip';
/** Exactly a name, the default, any. */
const MATCH_TYPES = [0, 1, 2];

export const describeClientQuotas = defineHandler(
  DescribeClientQuotas,
  { minVersion: 0, maxVersion: 1 },
  ({ components }, context) => {
    const refusal = context.authorize('DescribeConfigs', CLUSTER);
    if (refusal !== undefined) return { errorCode: refusal.errorCode, errorMessage: inWords(refusal), entries: null };
    const { errorCode, errorMessage } = faultOf(components);
    return { errorCode, errorMessage, entries: errorCode === ErrorCode.NONE ? [] : null };
  },
);

function faultOf(components: readonly { readonly entityType: string; readonly matchType: number }[]): ApiError {
  const seen = new Set<string>();
  for (const { entityType, matchType } of components) {
    if (!MATCH_TYPES.includes(matchType)) {
      return apiError(ErrorCode.INVALID_REQUEST, `Unexpected match type: ${matchType}`);
    }
    if (entityType === '') return apiError(ErrorCode.INVALID_REQUEST, 'Unexpected empty filter component entity type');
    if (![USER, CLIENT_ID, IP].includes(entityType)) {
      return apiError(ErrorCode.UNSUPPORTED_VERSION, `Custom entity type ${entityType} not supported`);
    }
    if (seen.has(entityType)) {
      return apiError(ErrorCode.INVALID_REQUEST, `Duplicate ${entityType} filter component entity type`);
    }
    seen.add(entityType);
  }
  if (!seen.has(IP) || seen.size === 1) return NO_ERROR;
  return apiError(
    ErrorCode.INVALID_REQUEST,
    'Invalid entity filter component combination, IP filter component should not be used with user or clientId filter component.',
  );
}
