import type { KafkaClient, OperationOptions } from '@millrace/client';
import { faultOf, oneOf, orNull, required, someText, type ValueRule } from '@millrace/client/internal';
import { AlterClientQuotas, DescribeClientQuotas } from '@millrace/protocol';
import { ItemFailures } from './errors.ts';
import { failureOf } from './requests.ts';
import type { ValidatingOptions } from './topics.ts';

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

/** Quotas to give an entity, and to take away. */
export interface QuotaChanges {
  /** A user, a client id, a client id of a user, or an address. */
  readonly entity: readonly QuotaEntity[];
  /** Kafka's names with their values, for example `producer_byte_rate` in bytes a second. */
  readonly set?: Readonly<Record<string, number>> | undefined;
  /** Names of quotas that it shall have no more. */
  readonly unset?: readonly string[] | undefined;
}

const entityShape = {
  noun: 'field of an entity with quotas',
  fields: { type: required(oneOf('user', 'client-id', 'ip')), name: required(orNull(someText)) },
};
const numbersByName: ValueRule = {
  expects: 'an object of numbers',
  accepts: (value) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((each) => typeof each === 'number'),
};
const listOfTexts: ValueRule = {
  expects: 'a list of names',
  accepts: (value) => Array.isArray(value) && value.every((each) => typeof each === 'string'),
};
const entityParts: ValueRule = {
  expects: "a list of parts such as { type: 'user', name: 'alice' }",
  accepts: (value) =>
    Array.isArray(value) && value.length > 0 && value.every((part) => faultOf(part, entityShape) === undefined),
};
const changesShape = {
  noun: 'field of changes of quotas',
  fields: { entity: required(entityParts), set: numbersByName, unset: listOfTexts },
};

/** Checks one entity's changes; see `arguments.ts`. */
export function quotaChanges(item: unknown, place: string): string | undefined {
  return faultOf(item, changesShape, place);
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

export async function alterClientQuotas(
  client: KafkaClient,
  changes: readonly QuotaChanges[],
  { validateOnly = false, ...options }: ValidatingOptions,
): Promise<void> {
  if (changes.length === 0) return;
  const entries = changes.map(({ entity, set = {}, unset = [] }) => ({
    entity: entity.map(({ type, name }) => ({ entityType: type, entityName: name })),
    ops: [
      ...Object.entries(set).map(([key, value]) => ({ key, value, remove: false })),
      ...unset.map((key) => ({ key, value: 0, remove: true })),
    ],
  }));
  const response = await client.sendToController(AlterClientQuotas, { entries, validateOnly }, options);
  const failures = new ItemFailures('Alter quotas');
  for (const { entity, errorCode, errorMessage } of response.entries) {
    const name = entity.map(({ entityType, entityName }) => `${entityType} ${entityName ?? '<default>'}`).join(', ');
    failures.add(name, failureOf(errorCode, `Alter quotas of ${name}`, errorMessage));
  }
  failures.throwIfAny();
}
