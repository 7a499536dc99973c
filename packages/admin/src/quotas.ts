import type { KafkaClient, OperationOptions } from '@millrace/client';
import { DescribeClientQuotas } from '@millrace/protocol';

/** What quotas are set for. */
export type QuotaEntityType = 'user' | 'client-id' | 'ip';

/** A part of what a quota is set for. */
export interface QuotaEntity {
  readonly type: QuotaEntityType;
  /** Null for the default, which holds for those without a quota of their own. */
  readonly name: string | null;
}

/** Which quotas to look for. */
export interface QuotaFilter {
  readonly type: QuotaEntityType;
  /** One name, or null for the default; any name where it is left out. */
  readonly name?: string | null | undefined;
}

/** Which quotas are told. */
export interface DescribeQuotasOptions extends OperationOptions {
  /** Leaves out what has parts that the filter does not name. False by default. */
  readonly strict?: boolean | undefined;
}

/** The quotas of an entity. */
export interface ClientQuotas {
  /** For example a user, or a client id of a user. */
  readonly entity: readonly QuotaEntity[];
  /** By Kafka's names, such as `producer_byte_rate`. */
  readonly values: Readonly<Record<string, number>>;
}

const MATCH_EXACT = 0;
const MATCH_DEFAULT = 1;
const MATCH_ANY = 2;

export async function describeClientQuotas(
  client: KafkaClient,
  filter: readonly QuotaFilter[],
  { strict = false, ...options }: DescribeQuotasOptions,
): Promise<ClientQuotas[]> {
  const components = filter.map(({ type, name }) => ({
    entityType: type,
    matchType: name === undefined ? MATCH_ANY : name === null ? MATCH_DEFAULT : MATCH_EXACT,
    match: name ?? null,
  }));
  const response = await client.sendToAnyBroker(DescribeClientQuotas, { components, strict }, options);
  return (response.entries ?? []).map(({ entity, values }) => ({
    // The types are those that brokers have; a future one comes through as it is.
    entity: entity.map(({ entityType, entityName }) => ({ type: entityType as QuotaEntityType, name: entityName })),
    values: Object.fromEntries(values.map(({ key, value }) => [key, value])),
  }));
}
