/**
 * AlterClientQuotas: sets quotas of users, client ids and addresses, and takes them away (KIP-546). Each entry succeeds or fails on
 * its own, with Kafka's words (`ZkAdminManager.alterClientQuotas`); any broker may do it.
 *
 * - v1 flexible. A percentage or mutation rate that is negative or no number is refused here, where Kafka keeps it and holds nobody
 *   to it.
 */
import { AlterClientQuotas, type AlterClientQuotasRequestEntry, ErrorCode } from '@millrace/protocol';
import { ENTITY_TYPES, type QuotaEntity, quotasFor, quotaText } from '../quotas/quota-entity.ts';
import type { QuotaChange } from '../quotas/quota-rules.ts';
import { type ApiError, apiError, NO_ERROR } from '../shared/api-error.ts';
import { CLUSTER, inWords } from '../shared/authorization.ts';
import { isAddress } from '../shared/hosts.ts';
import { isRefusal, Refusal } from '../shared/refusal.ts';
import { defineHandler, type RequestContext } from './handler.ts';

export const alterClientQuotas = defineHandler(
  AlterClientQuotas,
  { minVersion: 0, maxVersion: 1 },
  async ({ entries, validateOnly }, context) => {
    const refused = context.authorize('AlterConfigs', CLUSTER);
    const refusal = refused && apiError(refused.errorCode, inWords(refused));
    const results = [];
    for (const entry of entries) {
      const rest = context.pause();
      if (rest !== undefined) await rest;
      results.push({ ...(refusal ?? (await alter(entry, validateOnly, context))), entity: entry.entity });
    }
    return { entries: results };
  },
);

async function alter(
  entry: AlterClientQuotasRequestEntry,
  validateOnly: boolean,
  { broker }: RequestContext,
): Promise<ApiError> {
  const entity = entityOf(entry.entity);
  if (isRefusal(entity)) return entity;
  const changes = changesOf(entry.ops, entity);
  if (isRefusal(changes)) return changes;
  if (validateOnly) return NO_ERROR;
  try {
    await broker.quotaRules.change(entity, changes);
    return NO_ERROR;
  } catch (err) {
    broker.logger.error({ err, entity }, 'Quotas could not be written');
    return apiError(ErrorCode.UNKNOWN_SERVER_ERROR, "The metadata store could not do it; the broker's log says why.");
  }
}

function invalid(message: string): Refusal {
  return Refusal.of(ErrorCode.INVALID_REQUEST, message);
}

function entityOf(parts: AlterClientQuotasRequestEntry['entity']): QuotaEntity | Refusal {
  if (parts.length === 0) return invalid('Invalid empty client quota entity');
  const entity: { -readonly [Part in keyof QuotaEntity]: QuotaEntity[Part] } = {};
  for (const { entityType, entityName } of parts) {
    const part = ENTITY_TYPES.get(entityType);
    if (part === undefined) return invalid(`Unhandled client quota entity type: ${entityType}`);
    if (entityName === '') return invalid(`Empty ${entityType} not supported`);
    entity[part] = entityName;
  }
  if (entity.ip === undefined) return entity;
  if (entity.user !== undefined || entity.clientId !== undefined) {
    return invalid('Invalid quota entity combination, IP entity should not be used with user/client ID entity.');
  }
  if (entity.ip === null || isAddress(entity.ip)) return entity;
  return invalid(`${entity.ip} is not a valid IP: give an address in numbers, for names of hosts are not looked up.`);
}

function changesOf(ops: AlterClientQuotasRequestEntry['ops'], entity: QuotaEntity): QuotaChange[] | Refusal {
  const changes: QuotaChange[] = [];
  for (const { key, value, remove } of ops) {
    const kind = quotasFor(entity).get(key);
    // Passwords lie in the same place, so nothing else may be taken away either.
    if (kind === undefined) return invalid(`Invalid configuration key ${key}`);
    if (remove) {
      changes.push({ key, value: undefined });
      continue;
    }
    if (quotaText(kind, value) === undefined) return invalid(`Configuration ${key} must be a ${kind} value`);
    changes.push({ key, value });
  }
  return changes;
}
