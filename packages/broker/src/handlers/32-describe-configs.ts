/**
 * DescribeConfigs: the configs of topics and of this broker, with where their values come from.
 *
 * - v1 sources and synonyms (KIP-226); v2 nothing we use; v3 types and documentation (KIP-569); v4 flexible.
 * - A broker's configs are asked of that broker; the empty name stands for what is set for all brokers.
 */
import {
  DescribeConfigs,
  type DescribeConfigsRequest,
  type DescribeConfigsRequestResource,
  type DescribeConfigsResponseInput,
  type DescribeConfigsResponseResultConfigInput as Entry,
  ErrorCode,
  type DescribeConfigsResponseResultInput as Result,
} from '@millrace/protocol';
import { RESOURCE_TYPE } from '../admin/config-admin.ts';
import {
  type DescribedConfig,
  describeBrokerConfigs,
  describeDefaultBrokerConfigs,
  describeTopicConfigs,
} from '../config/describe.ts';
import { CONFIG_SOURCE } from '../config/dynamic-config.ts';
import { apiError } from '../shared/api-error.ts';
import { inWords } from '../shared/authorization.ts';
import { isRefusal, Refusal } from '../shared/refusal.ts';
import { inTurns } from '../shared/turns.ts';
import { configOwner } from './altered-resources.ts';
import { defineHandler, type RequestContext } from './handler.ts';

export const describeConfigs = defineHandler(DescribeConfigs, { minVersion: 0, maxVersion: 4 }, (request, context) =>
  inTurns(describeEach(request, context), () => context.pause()),
);

/** Each resource once: its description is a thousand times as long as its name. */
function* describeEach(
  request: DescribeConfigsRequest,
  context: RequestContext,
): Generator<void, DescribeConfigsResponseInput> {
  const results: Result[] = [];
  const seen = new Set<string>();
  for (const resource of request.resources) {
    const { resourceType, resourceName } = resource;
    const key = `${resourceType} ${resourceName}`;
    const error = apiError(ErrorCode.INVALID_REQUEST, 'Each resource must appear at most once.');
    results.push(
      seen.has(key) ? { ...error, resourceType, resourceName, configs: [] } : describeOne(resource, request, context),
    );
    seen.add(key);
    for (let configs = 0; configs <= (results.at(-1)?.configs.length ?? 0); configs += 1) yield;
  }
  return { results };
}

function describeOne(
  resource: DescribeConfigsRequestResource,
  request: DescribeConfigsRequest,
  context: RequestContext,
): Result {
  const { resourceType, resourceName, configurationKeys } = resource;
  const wanted = configurationKeys === null || configurationKeys.length === 0 ? undefined : new Set(configurationKeys);
  const described =
    resourceType === RESOURCE_TYPE.BROKER_LOGGER
      ? logLevelsOf(resource, context)
      : configsOf(resource, context, wanted);
  if (isRefusal(described)) return { ...described, resourceType, resourceName, configs: [] };
  const configs = described.filter(({ name }) => wanted === undefined || wanted.has(name));
  return {
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    resourceType,
    resourceName,
    configs: configs.map((config) => entry(config, request, context)),
  };
}

function configsOf(
  resource: DescribeConfigsRequestResource,
  context: RequestContext,
  wanted: ReadonlySet<string> | undefined,
): DescribedConfig[] | Refusal {
  const { broker } = context;
  const refusal = context.authorize('DescribeConfigs', configOwner(resource));
  if (refusal !== undefined) return Refusal.of(refusal.errorCode, inWords(refusal));
  const entity = broker.configAdmin.entityOf(resource);
  if (isRefusal(entity)) return entity;
  if (entity.type === 'topic') {
    return describeTopicConfigs(broker.configRepository, broker.configRepository.topicOverrides(entity.name), wanted);
  }
  return entity.level === 'broker'
    ? describeBrokerConfigs(broker.configRepository)
    : describeDefaultBrokerConfigs(broker.configRepository);
}

function logLevelsOf(resource: DescribeConfigsRequestResource, context: RequestContext): DescribedConfig[] | Refusal {
  const refusal = context.authorize('DescribeConfigs', configOwner(resource));
  if (refusal !== undefined) return Refusal.of(refusal.errorCode, inWords(refusal));
  const levels = context.broker.configAdmin.logLevels(resource.resourceName);
  if (isRefusal(levels)) return levels;
  return Array.from(levels, ([name, value]) => ({
    name,
    value,
    readOnly: false,
    isSensitive: false,
    source: CONFIG_SOURCE.DYNAMIC_BROKER_LOGGER_CONFIG,
    synonyms: [],
    type: 0,
    documentation: '',
  }));
}

function entry(
  config: DescribedConfig,
  request: { readonly includeSynonyms: boolean; readonly includeDocumentation: boolean },
  { version }: RequestContext,
): Entry {
  const { name, value, readOnly, isSensitive, source, type } = config;
  const known: Entry = { name, value, readOnly, isSensitive };
  if (version === 0) return { ...known, isDefault: source === CONFIG_SOURCE.DEFAULT_CONFIG };
  return {
    ...known,
    configSource: source,
    synonyms: request.includeSynonyms ? config.synonyms : [],
    configType: type,
    // Kafka fills in none for levels of loggers, wanted or not: the field is empty there, and null where it is not wanted elsewhere.
    documentation: request.includeDocumentation || isLogLevel(config) ? config.documentation : null,
  };
}

function isLogLevel({ source }: DescribedConfig): boolean {
  return source === CONFIG_SOURCE.DYNAMIC_BROKER_LOGGER_CONFIG;
}
