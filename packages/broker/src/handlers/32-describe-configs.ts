/**
 * DescribeConfigs: the configs of topics and of this broker, with where their values come from.
 *
 * - v1 sources and synonyms (KIP-226); v2 nothing we use; v3 types and documentation (KIP-569); v4 flexible.
 * - A broker's configs are asked of that broker; the empty name stands for what is set for all brokers.
 */
import {
  DescribeConfigs,
  type DescribeConfigsRequestResource,
  type DescribeConfigsResponseResultConfigInput as Entry,
  ErrorCode,
  type DescribeConfigsResponseResultInput as Result,
} from '@millrace/protocol';
import { RESOURCE_TYPE, RefusedRequest } from '../admin/config-admin.ts';
import { topicNameFault } from '../cluster/topic-name.ts';
import {
  type DescribedConfig,
  describeBrokerConfigs,
  describeDefaultBrokerConfigs,
  describeTopicConfigs,
} from '../config/describe.ts';
import { CONFIG_SOURCE } from '../config/dynamic-config.ts';
import { defineHandler, type RequestContext } from './handler.ts';

export const describeConfigs = defineHandler(DescribeConfigs, { minVersion: 0, maxVersion: 4 }, (request, context) => ({
  results: request.resources.map((resource): Result => {
    const { resourceType, resourceName, configurationKeys } = resource;
    const described = configsOf(resource, context);
    if (described instanceof RefusedRequest) return { ...described.error, resourceType, resourceName, configs: [] };
    const isWanted = (name: string): boolean =>
      configurationKeys === null || configurationKeys.length === 0 || configurationKeys.includes(name);
    return {
      errorCode: ErrorCode.NONE,
      errorMessage: null,
      resourceType,
      resourceName,
      configs: described.filter(({ name }) => isWanted(name)).map((config) => entry(config, request, context)),
    };
  }),
}));

function configsOf(
  resource: DescribeConfigsRequestResource,
  { broker }: RequestContext,
): DescribedConfig[] | RefusedRequest {
  const { resourceType, resourceName } = resource;
  const nameFault = resourceType === RESOURCE_TYPE.TOPIC ? topicNameFault(resourceName) : undefined;
  if (nameFault !== undefined) {
    return new RefusedRequest(ErrorCode.INVALID_TOPIC_EXCEPTION, `Topic name is invalid: ${nameFault}`);
  }
  const entity = broker.configAdmin.entityOf(resource);
  if (entity instanceof RefusedRequest) return entity;
  if (entity.type === 'topic') return describeTopicConfigs(broker.configs, broker.configs.topicOverrides(entity.name));
  return entity.level === 'broker'
    ? describeBrokerConfigs(broker.configs)
    : describeDefaultBrokerConfigs(broker.configs);
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
    documentation: request.includeDocumentation ? config.documentation : null,
  };
}
