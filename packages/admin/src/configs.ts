import { type BrokerError, brokerError, type KafkaClient, type OperationOptions } from '@millrace/client';
import { DescribeConfigs, ErrorCode, IncrementalAlterConfigs } from '@millrace/protocol';
import { ItemFailures } from './errors.ts';
import { failureOf } from './requests.ts';
import type { ValidatingOptions } from './topics.ts';

const RESOURCE_TYPES = { topic: 2, broker: 4, 'broker-logger': 8 } as const;
const BY_TYPE_NUMBER = new Map<number, ConfigResource['type']>(
  Object.entries(RESOURCE_TYPES).map(([type, number]) => [number, type as ConfigResource['type']]),
);

/** Whose configs: a topic by name, or a broker by id. The broker with the name '' stands for all brokers. */
export interface ConfigResource {
  readonly type: 'topic' | 'broker' | 'broker-logger';
  readonly name: string;
}

const SOURCES = [
  'unknown',
  'topic',
  'dynamic-broker',
  'dynamic-default',
  'static-broker',
  'default',
  'dynamic-broker-logger',
  'client-metrics',
  'group',
] as const;
/** Where a value was set: for the topic, for one broker or all while running, in the broker's file, or nowhere. */
export type ConfigSource = (typeof SOURCES)[number];

const VALUE_TYPES = [
  'unknown',
  'boolean',
  'string',
  'int',
  'short',
  'long',
  'double',
  'list',
  'class',
  'password',
] as const;
/** The type of a config's value. */
export type ConfigValueType = (typeof VALUE_TYPES)[number];

/** One config with its value. */
export interface ConfigEntry {
  readonly name: string;
  /** Null where it is not set, or not told because it is sensitive. */
  readonly value: string | null;
  readonly source: ConfigSource;
  readonly readOnly: boolean;
  readonly sensitive: boolean;
  readonly valueType: ConfigValueType;
  readonly documentation: string | null;
  /** The settings that decide the value, the one that counts first. */
  readonly synonyms: readonly { readonly name: string; readonly value: string | null; readonly source: ConfigSource }[];
}

/** A resource with its configs. */
export interface DescribedConfigs extends ConfigResource {
  readonly entries: readonly ConfigEntry[];
}

/** What to ask of configs. */
export interface DescribeConfigsOptions extends OperationOptions {
  /** Only these; all by default. */
  readonly names?: readonly string[] | undefined;
  /** Whether each config comes with its text. False by default. */
  readonly documentation?: boolean | undefined;
}

export async function describeConfigs(
  client: KafkaClient,
  resources: readonly ConfigResource[],
  options: DescribeConfigsOptions,
): Promise<DescribedConfigs[]> {
  const described: DescribedConfigs[] = [];
  const failures = new ItemFailures('Describing configs');
  await eachTarget(client, resources, async (share, nodeId) => {
    const request = {
      resources: share.map(({ type, name }) => ({
        resourceType: RESOURCE_TYPES[type],
        resourceName: name,
        configurationKeys: options.names ?? null,
      })),
      includeSynonyms: true,
      includeDocumentation: options.documentation ?? false,
    };
    const sending = { ...options, errorOf: () => ErrorCode.NONE };
    const response =
      nodeId === undefined
        ? await client.sendToAnyBroker(DescribeConfigs, request, sending)
        : await client.sendToBroker(nodeId, DescribeConfigs, request, sending);
    for (const result of response.results) {
      const resource = resourceOf(result);
      if (
        !failures.add(
          nameOf(resource),
          failureOf(result.errorCode, `Describing the configs of ${inWords(resource)}`, result.errorMessage),
        )
      ) {
        continue;
      }
      described.push({
        ...resource,
        entries: result.configs.map((entry) => ({
          name: entry.name,
          value: entry.value,
          // Version 0 tells only whether the value is the default.
          source: SOURCES[entry.configSource] ?? (entry.isDefault ? 'default' : 'unknown'),
          readOnly: entry.readOnly,
          sensitive: entry.isSensitive,
          valueType: VALUE_TYPES[entry.configType] ?? 'unknown',
          documentation: entry.documentation,
          synonyms: entry.synonyms.map(({ name, value, source }) => ({
            name,
            value,
            source: SOURCES[source] ?? 'unknown',
          })),
        })),
      });
    }
  });
  failures.throwIfAny();
  return described;
}

/** Changes to the configs of one resource; those not named stay as they are. */
export interface ConfigChanges extends ConfigResource {
  readonly set?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** Back to what the value would be without this resource's own. */
  readonly unset?: readonly string[] | undefined;
  /** Values added to a config that is a list. */
  readonly append?: Readonly<Record<string, string>> | undefined;
  /** Values taken from a config that is a list. */
  readonly subtract?: Readonly<Record<string, string>> | undefined;
}

const OPERATION = { set: 0, delete: 1, append: 2, subtract: 3 } as const;

export async function alterConfigs(
  client: KafkaClient,
  changes: readonly ConfigChanges[],
  options: ValidatingOptions,
): Promise<void> {
  const failures = new ItemFailures('Altering configs');
  await eachTarget(client, changes, async (share, nodeId) => {
    const request = {
      resources: share.map((change) => ({
        resourceType: RESOURCE_TYPES[change.type],
        resourceName: change.name,
        configs: operations(change),
      })),
      validateOnly: options.validateOnly ?? false,
    };
    const sending = { ...options, errorOf: () => ErrorCode.NONE };
    const response =
      nodeId === undefined
        ? await client.sendToController(IncrementalAlterConfigs, request, sending)
        : await client.sendToBroker(nodeId, IncrementalAlterConfigs, request, sending);
    for (const result of response.responses) {
      const resource = resourceOf(result);
      failures.add(
        nameOf(resource),
        failureOf(result.errorCode, `Altering the configs of ${inWords(resource)}`, result.errorMessage),
      );
    }
  });
  failures.throwIfAny();
}

function operations({
  set = {},
  unset = [],
  append = {},
  subtract = {},
}: ConfigChanges): { name: string; configOperation: number; value: string | null }[] {
  return [
    ...Object.entries(set).map(([name, value]) => ({ name, configOperation: OPERATION.set, value: String(value) })),
    ...unset.map((name) => ({ name, configOperation: OPERATION.delete, value: null })),
    ...Object.entries(append).map(([name, value]) => ({ name, configOperation: OPERATION.append, value })),
    ...Object.entries(subtract).map(([name, value]) => ({ name, configOperation: OPERATION.subtract, value })),
  ];
}

/** What concerns one broker goes to that broker, all the rest together to any. */
async function eachTarget<T extends ConfigResource>(
  client: KafkaClient,
  resources: readonly T[],
  send: (share: readonly T[], nodeId: number | undefined) => Promise<void>,
): Promise<void> {
  const shares = new Map<number | undefined, T[]>();
  for (const resource of resources) {
    const nodeId = resource.type === 'topic' || resource.name === '' ? undefined : brokerId(resource);
    const share = shares.get(nodeId);
    if (share === undefined) shares.set(nodeId, [resource]);
    else share.push(resource);
  }
  if ([...shares.keys()].some((nodeId) => nodeId !== undefined)) await client.connect();
  await Promise.all([...shares].map(([nodeId, share]) => send(share, nodeId)));
}

function brokerId(resource: ConfigResource): number {
  const id = Number(resource.name);
  if (!Number.isInteger(id) || id < 0) throw unknownBroker(resource);
  return id;
}

function unknownBroker(resource: ConfigResource): BrokerError {
  return brokerError(
    ErrorCode.INVALID_REQUEST,
    `Configs of ${inWords(resource)}`,
    "a broker is named by its id, such as '1', or by '' for all",
  );
}

function resourceOf(result: { resourceType: number; resourceName: string }): ConfigResource {
  return { type: BY_TYPE_NUMBER.get(result.resourceType) ?? 'topic', name: result.resourceName };
}

function nameOf({ type, name }: ConfigResource): string {
  return `${type}:${name}`;
}

/** Brokers without a name are all of them. */
function inWords({ type, name }: ConfigResource): string {
  return type === 'broker' && name === '' ? 'all brokers' : `${type} "${name}"`;
}
