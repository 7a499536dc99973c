/**
 * CreateTopics: creates topics and answers when this broker knows them, or the time is up.
 *
 * - v1 validateOnly, messages; v2 throttle time; v4 -1 takes the broker's defaults (KIP-464); v5 flexible, tells the partitions,
 *   replicas and configs that the topic has got (KIP-525); v6 THROTTLING_QUOTA_EXCEEDED; v7 topic ids.
 * - Each topic succeeds or fails on its own. A topic whose time is up is still created.
 */
import {
  CreateTopics,
  type CreateTopicsRequestTopic,
  ErrorCode,
  type CreateTopicsResponseTopicInput as TopicResult,
} from '@millrace/protocol';
import type { CreatedTopic } from '../admin/topic-admin.ts';
import { PARTITIONS_PER_TOPIC_REQUEST_MAX, tooManyPartitions } from '../admin/topic-plan.ts';
import { describeTopicConfigs } from '../config/describe.ts';
import { type ApiError, apiError } from '../shared/api-error.ts';
import { CLUSTER, topicResource } from '../shared/authorization.ts';
import { NOT_CONTROLLER } from './admin-errors.ts';
import { defineHandler, type RequestContext } from './handler.ts';

/** The first version whose clients know THROTTLING_QUOTA_EXCEEDED (KIP-599). */
const TOLD_OF_QUOTAS_SINCE = 6;

/** Says no more than that: what is there must not be told. */
const NOT_AUTHORIZED = apiError(ErrorCode.TOPIC_AUTHORIZATION_FAILED, 'Authorization failed.');

export const createTopics = defineHandler(CreateTopics, { minVersion: 0, maxVersion: 7 }, async (request, context) => {
  const { broker } = context;
  if (!broker.controller.isActive) return { topics: request.topics.map(({ name }) => ({ name, ...NOT_CONTROLLER })) };
  context.releaseRequest();
  const counts = new Map<string, number>();
  for (const { name } of request.topics) counts.set(name, (counts.get(name) ?? 0) + 1);
  // Who may create in the cluster may create any topic.
  const mayCreateAny = context.isAllowed('Create', CLUSTER);
  const refusalOf = (name: string): ApiError | undefined =>
    mayCreateAny || context.authorize('Create', topicResource(name)) === undefined ? undefined : NOT_AUTHORIZED;
  const distinct = request.topics.filter(({ name }) => counts.get(name) === 1 && refusalOf(name) === undefined);
  const partitions = distinct.reduce((sum, topic) => sum + partitionsOf(topic), 0);
  if (partitions > PARTITIONS_PER_TOPIC_REQUEST_MAX) {
    const refusal = tooManyPartitions(partitions);
    return { topics: Array.from(counts.keys(), (name) => failed(name, refusal)) };
  }
  const { timeoutMs, validateOnly } = request;
  const mutations = context.quota.mutations(context.version >= TOLD_OF_QUOTAS_SINCE);
  const options = { timeoutMs, validateOnly, mutations, pause: () => context.pause() };
  const created = await broker.topicAdmin.createTopics(distinct, options);
  const results = new Map(created.map((topic) => [topic.name, topic]));
  return {
    topics: Array.from(counts.keys(), (name): TopicResult => {
      const topic = results.get(name);
      const refusal = refusalOf(name);
      const seesConfigs = context.isAllowed('DescribeConfigs', topicResource(name));
      const whenHidden = context.version < 5 || seesConfigs ? {} : { topicConfigErrorCode: NOT_AUTHORIZED.errorCode };
      if (refusal !== undefined) return { ...failed(name, refusal), ...whenHidden };
      if (topic === undefined) return failed(name, apiError(ErrorCode.INVALID_REQUEST, 'Duplicate topic name.'));
      if (topic.errorCode !== ErrorCode.NONE) return failed(name, topic);
      return { ...succeeded(topic, seesConfigs, context), ...whenHidden };
    }),
  };
});

/** How many partitions a topic of a request asks for; one that leaves it to the broker counts as one. */
function partitionsOf({ numPartitions, assignments }: CreateTopicsRequestTopic): number {
  return assignments.length > 0 ? assignments.length : Math.max(numPartitions, 1);
}

function failed(name: string, { errorCode, errorMessage }: ApiError): TopicResult {
  return { name, errorCode, errorMessage, configs: [] };
}

function succeeded(
  { name, plan, topicId }: CreatedTopic,
  seesConfigs: boolean,
  { broker, version }: RequestContext,
): TopicResult {
  const result: TopicResult = {
    name,
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    ...(topicId === undefined ? {} : { topicId }),
  };
  if (version < 5 || plan === undefined) return result;
  if (!seesConfigs) return { ...result, numPartitions: -1, replicationFactor: -1, configs: [] };
  return {
    ...result,
    numPartitions: plan.replicas.length,
    replicationFactor: plan.replicas[0]?.length ?? -1,
    configs: describeTopicConfigs(broker.configRepository, plan.configs).map((config) => ({
      name: config.name,
      value: config.value,
      readOnly: config.readOnly,
      configSource: config.source,
      isSensitive: config.isSensitive,
    })),
  };
}
