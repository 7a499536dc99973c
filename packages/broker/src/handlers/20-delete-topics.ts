/**
 * DeleteTopics: deletes topics and answers when nothing of them is left, or the time is up.
 *
 * - v1 throttle time; v3 TOPIC_DELETION_DISABLED (INVALID_REQUEST before); v4 flexible; v5 messages, THROTTLING_QUOTA_EXCEEDED; v6 topics by id (KIP-516).
 * - Each topic succeeds or fails on its own. A deletion whose time is up goes on.
 */
import {
  DeleteTopics,
  type DeleteTopicsRequest,
  ErrorCode,
  type DeleteTopicsResponseResponseInput as TopicResult,
  ZERO_UUID,
} from '@millrace/protocol';
import { type ApiError, apiError } from '../shared/api-error.ts';
import { topicResource } from '../shared/authorization.ts';
import { NOT_CONTROLLER } from './admin-errors.ts';
import { defineHandler, type RequestContext } from './handler.ts';

/** The first version whose clients know THROTTLING_QUOTA_EXCEEDED (KIP-599). */
const TOLD_OF_QUOTAS_SINCE = 5;

/** A topic as the request names it, with the name that it stands for or the reason why there is none. */
interface Asked {
  readonly name: string | null;
  readonly topicId: string;
  readonly target: string | ApiError;
}

export const deleteTopics = defineHandler(DeleteTopics, { minVersion: 0, maxVersion: 6 }, async (request, context) => {
  const { broker, version } = context;
  context.releaseRequest();
  const asked = markRepeated(topicsOf(request, context).map((topic) => authorized(topic, context)));
  const refusal = refusalOfAll(context);
  if (refusal !== undefined) return { responses: asked.map((topic) => result(topic, refusal, version)) };
  const targets = asked.flatMap(({ target }) => (typeof target === 'string' ? [target] : []));
  const mutations = context.quota.mutations(version >= TOLD_OF_QUOTAS_SINCE);
  const options = { timeoutMs: request.timeoutMs, mutations, pause: () => context.pause() };
  const outcomes = await broker.topicAdmin.deleteTopics(targets, options);
  const outcomeOf = new Map(targets.map((target, index) => [target, outcomes[index] as ApiError]));
  return {
    responses: asked.map((topic) => {
      const { target } = topic;
      const outcome = typeof target === 'string' ? outcomeOf.get(target) : target;
      return result(topic, outcome ?? apiError(ErrorCode.UNKNOWN_SERVER_ERROR), version);
    }),
  };
});

function authorized(topic: Asked, context: RequestContext): Asked {
  const { target } = topic;
  const refusal = typeof target === 'string' ? context.authorize('Delete', topicResource(target)) : undefined;
  return refusal === undefined ? topic : { ...topic, target: refusal };
}

function refusalOfAll({ broker, version }: RequestContext): ApiError | undefined {
  if (!broker.controller.isActive) return NOT_CONTROLLER;
  if (broker.config.deleteTopicEnable) return undefined;
  const code = version < 3 ? ErrorCode.INVALID_REQUEST : ErrorCode.TOPIC_DELETION_DISABLED;
  return apiError(code, 'Topic deletion is disabled.');
}

function topicsOf(request: DeleteTopicsRequest, context: RequestContext): Asked[] {
  const { broker, version } = context;
  if (version < 6) return request.topicNames.map((name) => ({ name, topicId: idOf(name, broker), target: name }));
  return request.topics.map(({ name, topicId }): Asked => {
    if (name !== null && topicId !== ZERO_UUID) {
      const message = 'Topic name and topic ID can not both be specified.';
      return { name, topicId, target: apiError(ErrorCode.INVALID_REQUEST, message) };
    }
    if (name !== null) return { name, topicId: idOf(name, broker), target: name };
    const topic = broker.cluster.topicById(topicId);
    if (topic === undefined) return { name: null, topicId, target: apiError(ErrorCode.UNKNOWN_TOPIC_ID) };
    // Who names a topic by its id and may not know of it is not told its name.
    const refusal = context.authorize('Describe', topicResource(topic.name));
    if (refusal !== undefined) return { name: null, topicId, target: refusal };
    return { name: topic.name, topicId, target: topic.name };
  });
}

function idOf(name: string, broker: RequestContext['broker']): string {
  return broker.cluster.topic(name)?.id ?? ZERO_UUID;
}

/** A topic that the request names more than once is not deleted at all. */
function markRepeated(asked: readonly Asked[]): Asked[] {
  const counts = new Map<string, number>();
  for (const { target } of asked) if (typeof target === 'string') counts.set(target, (counts.get(target) ?? 0) + 1);
  const error = apiError(ErrorCode.INVALID_REQUEST, 'Duplicate topic name.');
  return asked.map((topic) =>
    typeof topic.target === 'string' && (counts.get(topic.target) ?? 0) > 1 ? { ...topic, target: error } : topic,
  );
}

function result({ name, topicId }: Asked, { errorCode, errorMessage }: ApiError, version: number): TopicResult {
  return { name, errorCode, ...(version < 5 ? {} : { errorMessage }), ...(version < 6 ? {} : { topicId }) };
}
