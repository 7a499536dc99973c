/**
 * DescribeClientQuotas: the quotas that match a filter (KIP-546), checked as Kafka's `ZkAdminManager` checks it.
 *
 * - v1 flexible. A component names one entity, the default, or any; `strict` leaves out what has parts that no component names.
 */
import { DescribeClientQuotas, type DescribeClientQuotasRequestComponent, ErrorCode } from '@millrace/protocol';
import { ENTITY_TYPES, type QuotaEntity } from '../quotas/quota-entity.ts';
import type { EntityQuotas } from '../quotas/quota-rules.ts';
import { type ApiError, apiError, NO_ERROR } from '../shared/api-error.ts';
import { CLUSTER, inWords } from '../shared/authorization.ts';
import { defineHandler } from './handler.ts';

const IP = 'ip';
const EXACT = 0;
const DEFAULT = 1;
const ANY = 2;

export const describeClientQuotas = defineHandler(
  DescribeClientQuotas,
  { minVersion: 0, maxVersion: 1 },
  async ({ components, strict }, context) => {
    const refusal = context.authorize('DescribeConfigs', CLUSTER);
    if (refusal !== undefined) return { errorCode: refusal.errorCode, errorMessage: inWords(refusal), entries: null };
    const fault = faultOf(components);
    if (fault.errorCode !== ErrorCode.NONE) return { ...fault, entries: null };
    const entries = [];
    for (const quotas of context.broker.quotaRules.all()) {
      const rest = context.pause();
      if (rest !== undefined) await rest;
      if (isMeant(quotas.entity, components, strict)) entries.push(entryOf(quotas));
    }
    return { ...NO_ERROR, entries };
  },
);

function faultOf(components: readonly DescribeClientQuotasRequestComponent[]): ApiError {
  const seen = new Set<string>();
  for (const { entityType, matchType } of components) {
    if (![EXACT, DEFAULT, ANY].includes(matchType)) {
      return apiError(ErrorCode.INVALID_REQUEST, `Unexpected match type: ${matchType}`);
    }
    if (entityType === '') return apiError(ErrorCode.INVALID_REQUEST, 'Unexpected empty filter component entity type');
    if (!ENTITY_TYPES.has(entityType)) {
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

function isMeant(
  entity: QuotaEntity,
  components: readonly DescribeClientQuotasRequestComponent[],
  strict: boolean,
): boolean {
  if (strict && Object.keys(entity).length > components.length) return false;
  return components.every(({ entityType, matchType, match }) => {
    // The types have been checked.
    const name = entity[ENTITY_TYPES.get(entityType) as keyof QuotaEntity];
    if (name === undefined) return false;
    return matchType === ANY || name === (matchType === DEFAULT ? null : match);
  });
}

function entryOf({ entity, values }: EntityQuotas) {
  const parts = [];
  for (const [entityType, part] of ENTITY_TYPES) {
    const entityName = entity[part];
    if (entityName !== undefined) parts.push({ entityType, entityName });
  }
  return { entity: parts, values: Array.from(values, ([key, value]) => ({ key, value })) };
}
