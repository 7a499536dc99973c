/**
 * Metadata: the brokers, the controller, and the leaders of partitions.
 *
 * - v0 an empty list of topics means all; v1 null does, and an empty list means none. v1 controller, rack, internal topics;
 *   v2 cluster id; v3 throttle time; v4 the client may forbid auto-creation; v5 offline replicas; v6 LISTENER_NOT_FOUND;
 *   v7 leader epochs; v8 authorized operations; v9 flexible; v10 topic ids; v11 no more cluster operations;
 *   v12 topics may be asked for by id.
 * - A topic that is created because it was asked for is answered for when it exists, so that the client need not ask twice.
 */
import {
  ErrorCode,
  Metadata,
  type MetadataRequest,
  type MetadataResponseInput,
  type MetadataResponseTopicInput as TopicResponse,
  ZERO_UUID,
} from '@millrace/protocol';
import type { TopicImage } from '../cluster/cluster-image.ts';
import { isInternalTopic } from '../cluster/internal-topics.ts';
import { listBrokers, listPartition } from '../cluster/partition-listing.ts';
import { noSuchTopic, topicNameFault } from '../cluster/topic-name.ts';
import { CLUSTER, topicResource } from '../shared/authorization.ts';
import { inTurns } from '../shared/turns.ts';
import { authorizedOperations, OPERATIONS_NOT_ASKED } from './authorized-operations.ts';
import { defineHandler, type RequestContext } from './handler.ts';

type Listed = (topic: TopicImage) => TopicResponse;

/** 100,000 topics may be asked for at once, however short their names are. */
const DENSE_BYTES_MAX = 13 * 1024 * 1024;

export const metadata = defineHandler(
  Metadata,
  { minVersion: 0, maxVersion: 12, denseBytesMax: DENSE_BYTES_MAX },
  (request, context) => {
    const pause = () => context.pause();
    const serve = (missing: readonly string[]): Promise<MetadataResponseInput> | MetadataResponseInput => {
      if (missing.length === 0) return inTurns(respond(request, context, undefined), pause);
      context.releaseRequest();
      const created = context.broker.topicAdmin.autoCreate(missing);
      return created.then((errors) => inTurns(respond(request, context, errors), pause));
    };
    const missing = inTurns(namesToCreate(request, context), pause);
    return missing instanceof Promise ? missing.then(serve) : serve(missing);
  },
);

function asksForAll(request: MetadataRequest, version: number): boolean {
  return request.topics === null || (version === 0 && request.topics.length === 0);
}

function* namesToCreate(request: MetadataRequest, context: RequestContext): Generator<void, string[]> {
  const { broker } = context;
  if (!request.allowAutoTopicCreation || !broker.config.autoCreateTopicsEnable) return [];
  const missing = new Set<string>();
  for (const { name } of request.topics ?? []) {
    yield;
    if (name === null || broker.cluster.topic(name) !== undefined || topicNameFault(name) !== undefined) continue;
    if (mayCreate(name, context)) missing.add(name);
  }
  return [...missing];
}

/** Who may not know of a topic does not find out by having it created. */
function mayCreate(name: string, context: RequestContext): boolean {
  if (!context.isAllowed('Describe', topicResource(name))) return false;
  return context.isAllowed('Create', CLUSTER) || context.authorize('Create', topicResource(name)) === undefined;
}

function* respond(
  request: MetadataRequest,
  context: RequestContext,
  creationErrors: ReadonlyMap<string, number> | undefined,
): Generator<void, MetadataResponseInput> {
  const { broker, version, connection } = context;
  const asksForOperations = request.includeClusterAuthorizedOperations;
  return {
    brokers: listBrokers(broker.cluster, connection.listenerName).map(({ id, ...broker }) => ({
      nodeId: id,
      ...broker,
    })),
    clusterId: broker.clusterId,
    controllerId: broker.cluster.controllerId,
    topics: asksForAll(request, version)
      ? yield* allTopics(request, context)
      : yield* namedTopics(request, context, creationErrors),
    clusterAuthorizedOperations: asksForOperations ? clusterOperations(context) : OPERATIONS_NOT_ASKED,
  };
}

/** Who may not describe the cluster is told that he may do nothing with it. */
function clusterOperations(context: RequestContext): number {
  return context.isAllowed('Describe', CLUSTER) ? authorizedOperations(context, CLUSTER) : 0;
}

function* allTopics(request: MetadataRequest, context: RequestContext): Generator<void, TopicResponse[]> {
  const list = lister(request, context);
  const topics: TopicResponse[] = [];
  for (const topic of [...context.broker.cluster.topics.values()]) {
    if (context.isAllowed('Describe', topicResource(topic.name))) topics.push(list(topic));
    // A topic's partitions are what takes time.
    for (let listed = 0; listed <= topic.partitions.length; listed += 1) yield;
  }
  return topics;
}

function lister(request: MetadataRequest, context: RequestContext): Listed {
  const { broker, version, connection } = context;
  const options = {
    listener: connection.listenerName,
    knowsListenerNotFound: version >= 6,
    hidesUnreachable: version === 0,
  };
  return (topic) => ({
    errorCode: ErrorCode.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: isInternalTopic(topic.name),
    // `flatMap` passes over partitions that are not known yet.
    partitions: topic.partitions.flatMap((state) => listPartition(broker.cluster, state, options)),
    topicAuthorizedOperations: topicOperations(topic.name, request, context),
  });
}

function topicOperations(name: string, request: MetadataRequest, context: RequestContext): number {
  if (!request.includeTopicAuthorizedOperations) return OPERATIONS_NOT_ASKED;
  return authorizedOperations(context, topicResource(name));
}

function* namedTopics(
  request: MetadataRequest,
  context: RequestContext,
  creationErrors: ReadonlyMap<string, number> | undefined,
): Generator<void, TopicResponse[]> {
  const { cluster } = context.broker;
  const list = lister(request, context);
  const seen = new Set<string>();
  const topics: TopicResponse[] = [];
  for (const { name, topicId } of request.topics ?? []) {
    yield;
    const key = name ?? topicId;
    if (seen.has(key)) continue;
    seen.add(key);
    const topic = name === null ? cluster.topicById(topicId) : cluster.topic(name);
    const known = topic?.name ?? name;
    const refusal = known === null ? undefined : refusalOf(known, request, context, creationErrors);
    if (refusal !== undefined) topics.push(hidden(name, topicId, refusal, context));
    else if (topic !== undefined) topics.push(list(topic));
    else if (name === null) topics.push(unknownId(topicId, context));
    // Also of a topic that is not there it is told what may be done with it.
    else
      topics.push({
        ...missing(name, creationErrors),
        topicAuthorizedOperations: topicOperations(name, request, context),
      });
  }
  return topics;
}

/** Why somebody is told nothing of a topic, not even whether it exists: he may not see it, or what is missing not create. */
function refusalOf(
  name: string,
  request: MetadataRequest,
  context: RequestContext,
  creationErrors: ReadonlyMap<string, number> | undefined,
): number | undefined {
  const refusal = context.authorize('Describe', topicResource(name));
  if (refusal !== undefined) return refusal.errorCode;
  const { cluster, config } = context.broker;
  const isMissing = cluster.topic(name) === undefined && creationErrors?.has(name) !== true;
  if (
    !isMissing ||
    !request.allowAutoTopicCreation ||
    !config.autoCreateTopicsEnable ||
    topicNameFault(name) !== undefined
  ) {
    return undefined;
  }
  return mayCreate(name, context) ? undefined : ErrorCode.TOPIC_AUTHORIZATION_FAILED;
}

/** Who asks by id and may not see the topic is not told its name. */
function hidden(name: string | null, topicId: string, errorCode: number, { version }: RequestContext): TopicResponse {
  const shown = name === null && version < 12 ? '' : name;
  return { errorCode, name: shown, topicId: name === null ? topicId : ZERO_UUID, isInternal: false, partitions: [] };
}

function unknownId(topicId: string, { version }: RequestContext): TopicResponse {
  // Versions 10 and 11 have the field and promise nothing; their responses cannot leave the name out.
  if (version < 12) return { errorCode: ErrorCode.INVALID_REQUEST, name: '', topicId, partitions: [] };
  return { errorCode: ErrorCode.UNKNOWN_TOPIC_ID, name: null, topicId, partitions: [] };
}

function missing(name: string, creationErrors: ReadonlyMap<string, number> | undefined): TopicResponse {
  const created = creationErrors?.get(name);
  let errorCode: number = created ?? noSuchTopic(name);
  // Created, and the news of it has not come round yet: the client asks again.
  if (errorCode === ErrorCode.NONE) errorCode = ErrorCode.LEADER_NOT_AVAILABLE;
  return { errorCode, name, topicId: ZERO_UUID, isInternal: isInternalTopic(name), partitions: [] };
}
