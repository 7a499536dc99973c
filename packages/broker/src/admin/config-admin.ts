import { ErrorCode } from '@millrace/protocol';
import type { ClusterImage } from '../cluster/cluster-image.ts';
import { invalidTopicName } from '../cluster/topic-name.ts';
import { brokerConfigTable } from '../config/broker-definitions.ts';
import type { ConfigEntity, ConfigRepository } from '../config/config-repository.ts';
import type { ConfigDefinition, ConfigTable } from '../config/definition.ts';
import { brokerConfigFault } from '../config/dynamic-config.ts';
import { applyOperations, CONFIG_OPERATION, type ConfigOperation } from '../config/incremental-change.ts';
import { isCertificateSetting, type ListenerCertificates } from '../config/listener-changes.ts';
import { type ConfigProperties, NO_TIERED_STORAGE, topicConfigFault } from '../config/topic-config.ts';
import { topicDefinitions } from '../config/topic-definitions.ts';
import { type ApiError, apiError, NO_ERROR } from '../shared/api-error.ts';
import { LOG_LEVELS, type LogLevelControl, levelOf, ROOT_LOGGER, setLevelOf } from '../shared/log-level.ts';
import type { Logger } from '../shared/logger.ts';
import { isRefusal, Refusal } from '../shared/refusal.ts';
import { CONFIGS_PER_RESOURCE_MAX, listed, tooManyConfigs } from './config-bounds.ts';

/** What has configs, with the ids that requests carry (`ConfigResource.Type`). */
export const RESOURCE_TYPE = { TOPIC: 2, BROKER: 4, BROKER_LOGGER: 8, CLIENT_METRICS: 16, GROUP: 32 } as const;

/** A resource by type and name, as requests name it. */
export interface ConfigResource {
  readonly resourceType: number;
  readonly resourceName: string;
}

/** What a client is told of a failure of the metadata store, whose own words name paths in it. */
const STORE_FAILED = "The metadata store could not do it; the broker's log says why.";

/** What configs are administered with. */
export interface ConfigAdminOptions {
  readonly brokerId: number;
  readonly cluster: ClusterImage;
  readonly configs: ConfigRepository;
  readonly logger: Logger;
  /** Undefined where the level of log lines is nobody's to change. */
  readonly logLevel?: LogLevelControl | undefined;
  /** Undefined where nobody has sockets. */
  readonly certificates?: ListenerCertificates | undefined;
}

/** Checks and carries out changes of configs that clients ask for. */
export class ConfigAdmin {
  readonly #options: ConfigAdminOptions;

  constructor(options: ConfigAdminOptions) {
    this.#options = options;
  }

  /** Replaces all that is set on a resource (AlterConfigs). */
  replace(
    resource: ConfigResource,
    configs: readonly { readonly name: string; readonly value: string | null }[],
    validateOnly: boolean,
  ): Promise<ApiError> {
    if (configs.length > CONFIGS_PER_RESOURCE_MAX) return Promise.resolve(tooManyConfigs(configs.length));
    const withoutValue = configs.filter(({ value }) => value === null).map(({ name }) => name);
    if (withoutValue.length > 0) return Promise.resolve(nullValues(withoutValue));
    const properties = Object.fromEntries(configs.map(({ name, value }) => [name, value as string]));
    return this.#alter(resource, validateOnly, () => ({ properties }));
  }

  /** Changes single configs of a resource (IncrementalAlterConfigs, KIP-339). */
  change(resource: ConfigResource, operations: readonly ConfigOperation[], validateOnly: boolean): Promise<ApiError> {
    if (operations.length > CONFIGS_PER_RESOURCE_MAX) return Promise.resolve(tooManyConfigs(operations.length));
    const once = new Set<string>();
    const twice = new Set<string>();
    for (const { name } of operations) (once.has(name) ? twice : once).add(name);
    if (twice.size > 0) {
      const message = `Error due to duplicate config keys : ${listed([...twice])}`;
      return Promise.resolve(apiError(ErrorCode.INVALID_REQUEST, message));
    }
    const withoutValue = operations
      .filter(({ value, configOperation }) => value === null && configOperation !== CONFIG_OPERATION.DELETE)
      .map(({ name }) => name);
    if (withoutValue.length > 0) return Promise.resolve(nullValues(withoutValue));
    if (resource.resourceType === RESOURCE_TYPE.BROKER_LOGGER) {
      return Promise.resolve(this.#changeLogLevel(resource.resourceName, operations, validateOnly));
    }
    const table: ConfigTable = resource.resourceType === RESOURCE_TYPE.TOPIC ? topicDefinitions : brokerConfigTable;
    const definitionOf = (name: string): ConfigDefinition | undefined =>
      Object.hasOwn(table, name) ? table[name] : undefined;
    return this.#alter(resource, validateOnly, (before) => applyOperations(before, operations, definitionOf));
  }

  /** What a resource's configs belong to, or why there are none. */
  entityOf(resource: ConfigResource): ConfigEntity | Refusal {
    const { resourceType, resourceName } = resource;
    const { cluster, brokerId } = this.#options;
    if (resourceType === RESOURCE_TYPE.TOPIC) {
      const invalid = invalidTopicName(resourceName);
      if (invalid !== undefined) return invalid;
      if (cluster.topic(resourceName) !== undefined) return { type: 'topic', name: resourceName };
      return Refusal.of(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `The topic '${resourceName}' does not exist.`);
    }
    if (resourceType === RESOURCE_TYPE.BROKER) {
      if (resourceName === '') return { type: 'broker', level: 'default' };
      if (!/^\d+$/.test(resourceName)) {
        const message = `Broker id must be an integer, but it is: ${resourceName}`;
        return Refusal.of(ErrorCode.INVALID_REQUEST, message);
      }
      if (Number(resourceName) === brokerId) return { type: 'broker', level: 'broker' };
      const message = `Unexpected broker id, expected ${brokerId} or empty string, but received ${resourceName}`;
      return Refusal.of(ErrorCode.INVALID_REQUEST, message);
    }
    return Refusal.of(ErrorCode.INVALID_REQUEST, `Unsupported resource type: ${typeName(resourceType)}`);
  }

  /** The level of this broker's log lines as DescribeConfigs tells it: of all of them, for there is one logger. */
  logLevels(resourceName: string): ReadonlyMap<string, string> | Refusal {
    const { brokerId, logLevel } = this.#options;
    const refuse = (message: string): Refusal => Refusal.of(ErrorCode.INVALID_REQUEST, message);
    if (resourceName === '') return refuse('Broker id must not be empty');
    if (!/^\d+$/.test(resourceName)) return refuse(`Broker id must be an integer, but it is: ${resourceName}`);
    if (Number(resourceName) !== brokerId) {
      return refuse(`Unexpected broker id, expected ${brokerId} but received ${resourceName}`);
    }
    return new Map(logLevel === undefined ? [] : [[ROOT_LOGGER, levelOf(logLevel)]]);
  }

  /** Holds until the broker stops, as in Kafka (KIP-412). */
  #changeLogLevel(resourceName: string, operations: readonly ConfigOperation[], validateOnly: boolean): ApiError {
    const { brokerId, logLevel, logger } = this.#options;
    if (!/^\d+$/.test(resourceName)) {
      return apiError(ErrorCode.INVALID_REQUEST, `Node id must be an integer, but it is: ${resourceName}`);
    }
    if (Number(resourceName) !== brokerId) {
      const message = `Unexpected node id. Expected ${brokerId}, but received ${resourceName}`;
      return apiError(ErrorCode.INVALID_REQUEST, message);
    }
    for (const operation of operations) {
      const fault = logLevelFault(operation, logLevel !== undefined);
      if (fault !== undefined) return fault;
    }
    // One name at most is left: the logger's, and none twice.
    const level = operations[0]?.value;
    if (validateOnly || logLevel === undefined || level === undefined || level === null) return NO_ERROR;
    setLevelOf(logLevel, level);
    logger.info({ logLevel: level }, 'The level of log lines has changed');
    return NO_ERROR;
  }

  /** As {@link entityOf}, with what Kafka says of resources that cannot be altered. */
  #alterableEntityOf(resource: ConfigResource): ConfigEntity | Refusal {
    const { resourceType, resourceName } = resource;
    const refuse = (message: string): Refusal => Refusal.of(ErrorCode.INVALID_REQUEST, message);
    if (resourceType === RESOURCE_TYPE.CLIENT_METRICS) {
      return refuse('AlterConfigs is only supported for topics and brokers, but resource type is CLIENT_METRICS');
    }
    const isAlterable = resourceType === RESOURCE_TYPE.TOPIC || resourceType === RESOURCE_TYPE.BROKER;
    if (!isAlterable) return refuse(`Unknown resource type ${resourceType}`);
    if (
      resourceType === RESOURCE_TYPE.BROKER &&
      resourceName !== '' &&
      resourceName !== String(this.#options.brokerId)
    ) {
      return /^\d+$/.test(resourceName)
        ? refuse(`Unexpected broker id, expected ${this.#options.brokerId}, but received ${resourceName}`)
        : refuse(`Node id must be an integer, but it is: ${resourceName}`);
    }
    return this.entityOf(resource);
  }

  async #alter(
    resource: ConfigResource,
    validateOnly: boolean,
    compute: (before: ConfigProperties) => ReturnType<typeof applyOperations>,
  ): Promise<ApiError> {
    const entity = this.#alterableEntityOf(resource);
    if (isRefusal(entity)) return entity;
    const { configs, certificates, logger } = this.#options;
    let outcome: ApiError = NO_ERROR;
    try {
      const { isTouched, fault: certificatesFault } = await this.#lookAtCertificates(entity, compute);
      await configs.change(entity, (before) => {
        const after = compute(before);
        const fault =
          'fault' in after ? after.fault : (this.#faultOf(entity, before, after.properties) ?? certificatesFault);
        // Kafka calls a bad value of a broker's config a bad request, and of a topic's a bad config (KAFKA-13609).
        const code = entity.type === 'topic' || 'fault' in after ? ErrorCode.INVALID_CONFIG : ErrorCode.INVALID_REQUEST;
        outcome = fault === undefined ? NO_ERROR : apiError(code, fault);
        return fault !== undefined || validateOnly || 'fault' in after ? undefined : after.properties;
      });
      // Also where nothing is set anew: the files may be other ones.
      if (isTouched && !validateOnly && outcome === NO_ERROR) {
        await certificates?.apply(configs.current.listenerSecurity);
      }
    } catch (err) {
      logger.error({ err, resource }, 'Configs could not be changed');
      return apiError(ErrorCode.UNKNOWN_SERVER_ERROR, STORE_FAILED);
    }
    return outcome;
  }

  /** Files are read for this, so it is done before the change, with what is set by then. */
  async #lookAtCertificates(
    entity: ConfigEntity,
    compute: (before: ConfigProperties) => ReturnType<typeof applyOperations>,
  ): Promise<{ readonly isTouched: boolean; readonly fault?: string | undefined }> {
    const { configs, certificates } = this.#options;
    if (entity.type !== 'broker' || certificates === undefined) return { isTouched: false };
    const before = configs.dynamic.properties(entity.level);
    const after = compute(before);
    if ('fault' in after) return { isTouched: false };
    const isTouched = [before, after.properties].some((each) => Object.keys(each).some(isCertificateSetting));
    if (!isTouched || this.#faultOf(entity, before, after.properties) !== undefined) return { isTouched };
    return {
      isTouched,
      fault: await certificates.check(configs.dynamic.securityWith(entity.level, after.properties)),
    };
  }

  #faultOf(entity: ConfigEntity, before: ConfigProperties, properties: ConfigProperties): string | undefined {
    if (entity.type === 'broker') {
      const { dynamic } = this.#options.configs;
      // What somebody else has left there, and does not hold, must not keep anybody from changing the rest.
      const changed = Object.entries(properties).filter(([name, value]) => before[name] !== value);
      return (
        brokerConfigFault(Object.fromEntries(changed), entity.level) ?? dynamic.updateFault(entity.level, properties)
      );
    }
    const fault = topicConfigFault(properties, this.#options.configs.current.topicDefaults);
    // What is wrong with a value comes with the topic; what is wrong with a name does not (`ZkAdminManager`).
    const isOfValue = fault === NO_TIERED_STORAGE || fault?.startsWith('Invalid value') === true;
    return isOfValue
      ? `Invalid config value for resource ConfigResource(type=TOPIC, name='${entity.name}'): ${fault}`
      : fault;
  }
}

function logLevelFault({ name, value, configOperation }: ConfigOperation, isThere: boolean): ApiError | undefined {
  if (configOperation === CONFIG_OPERATION.APPEND || configOperation === CONFIG_OPERATION.SUBTRACT) {
    const verb = configOperation === CONFIG_OPERATION.APPEND ? 'APPEND' : 'SUBTRACT';
    return apiError(ErrorCode.INVALID_REQUEST, `${verb} operation is not allowed for the BROKER_LOGGER resource`);
  }
  if (configOperation !== CONFIG_OPERATION.SET && configOperation !== CONFIG_OPERATION.DELETE) {
    return apiError(
      ErrorCode.INVALID_REQUEST,
      `Unknown operation type ${configOperation} is not allowed for the BROKER_LOGGER resource`,
    );
  }
  if (name !== ROOT_LOGGER || !isThere) return apiError(ErrorCode.INVALID_CONFIG, `Logger ${name} does not exist!`);
  if (configOperation === CONFIG_OPERATION.DELETE) {
    return apiError(ErrorCode.INVALID_REQUEST, 'Removing the log level of the root logger is not allowed');
  }
  if (LOG_LEVELS.includes(value ?? '')) return undefined;
  const message = `Cannot set the log level of ${name} to ${value} as it is not a supported log level. Valid log levels are ${LOG_LEVELS.join(', ')}`;
  return apiError(ErrorCode.INVALID_CONFIG, message);
}

function nullValues(names: readonly string[]): ApiError {
  return apiError(ErrorCode.INVALID_REQUEST, `Null value not supported for : ${listed(names)}`);
}

function typeName(resourceType: number): string {
  const names = Object.entries(RESOURCE_TYPE).find(([, id]) => id === resourceType);
  return names?.[0] ?? String(resourceType);
}
