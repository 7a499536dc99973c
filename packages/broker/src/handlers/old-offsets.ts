/** Version 0 of OffsetCommit and OffsetFetch: offsets in the metadata store, without a coordinator (`KafkaApis` of Kafka 3.9). */
import {
  ErrorCode,
  type OffsetCommitRequest,
  type OffsetCommitResponseInput,
  type OffsetFetchRequest,
  type OffsetFetchResponseInput,
} from '@millrace/protocol';
import type { RequestLookup } from '../admin/topic-lookup.ts';
import { groupResource, topicResource } from '../shared/authorization.ts';
import { inTurns } from '../shared/turns.ts';
import { isNodeName } from '../store/consumer-offsets.ts';
import type { RequestContext } from './handler.ts';

type Committed = OffsetCommitRequest['topics'][number]['partitions'][number];
type Fetched = { readonly committedOffset: number; readonly metadata: string; readonly errorCode: number };

/**
 * One partition after the other: each is a write of the store, and nobody may have the store to himself. One that is named again and
 * again is written once, with what is said last.
 */
export async function commitToStore(
  request: OffsetCommitRequest,
  context: RequestContext,
): Promise<OffsetCommitResponseInput> {
  const { groupId } = request;
  const refusal = refusalOf(groupId, context.authorize('Read', groupResource(groupId))?.errorCode);
  const topics: { name: string; partitions: { partitionIndex: number; errorCode: number }[] }[] = [];
  const outcomes = new Map<Committed, number>();
  const last = await inTurns(lastOfEach(request), () => context.pause());
  const lookup = context.broker.topicLookup.forRequest();
  for (const { name, partitions } of request.topics) {
    const errorCode = refusal ?? context.authorize('Read', topicResource(name))?.errorCode;
    const results: (typeof topics)[number]['partitions'] = [];
    for (const { partitionIndex } of partitions) {
      const partition = last.get(name)!.get(partitionIndex)!;
      const known = outcomes.get(partition) ?? errorCode ?? (await errorOf(lookup, name, partitionIndex));
      const outcome = known ?? (await commit(groupId, name, partition, context));
      outcomes.set(partition, outcome);
      results.push({ partitionIndex, errorCode: outcome });
      const rest = context.pause();
      if (rest !== undefined) await rest;
    }
    topics.push({ name, partitions: results });
  }
  return { topics };
}

/** What is to be written to each partition, by topic. */
function* lastOfEach({ topics }: OffsetCommitRequest): Generator<void, Map<string, Map<number, Committed>>> {
  const last = new Map<string, Map<number, Committed>>();
  for (const { name, partitions } of topics) {
    const wanted = last.get(name) ?? new Map<number, Committed>();
    for (const partition of partitions) {
      wanted.set(partition.partitionIndex, partition);
      yield;
    }
    last.set(name, wanted);
    yield;
  }
  return last;
}

export async function fetchFromStore(
  request: OffsetFetchRequest,
  context: RequestContext,
): Promise<OffsetFetchResponseInput> {
  const { groupId } = request;
  const refusal = refusalOf(groupId, context.authorize('Describe', groupResource(groupId))?.errorCode);
  const lookup = context.broker.topicLookup.forRequest();
  const topics: { name: string; partitions: (Fetched & { partitionIndex: number })[] }[] = [];
  for (const { name, partitionIndexes } of request.topics ?? []) {
    const errorCode = refusal ?? context.authorize('Describe', topicResource(name))?.errorCode;
    const results: (typeof topics)[number]['partitions'] = [];
    for (const partitionIndex of partitionIndexes) {
      const refused = errorCode ?? (await errorOf(lookup, name, partitionIndex));
      const fetched = refused === undefined ? await fetch(groupId, name, partitionIndex, context) : nothing(refused);
      results.push({ partitionIndex, ...fetched });
      const rest = context.pause();
      if (rest !== undefined) await rest;
    }
    topics.push({ name, partitions: results });
  }
  return { topics };
}

/** Why there is no such partition; undefined where there is one. */
async function errorOf(lookup: RequestLookup, topic: string, partition: number): Promise<number | undefined> {
  const errorCode = await lookup.errorOf(topic, partition);
  return errorCode === ErrorCode.NONE ? undefined : errorCode;
}

function refusalOf(groupId: string, notAllowed: number | undefined): number | undefined {
  return notAllowed ?? (isNodeName(groupId) ? undefined : ErrorCode.INVALID_GROUP_ID);
}

async function commit(groupId: string, topic: string, partition: Committed, context: RequestContext): Promise<number> {
  const { config, consumerOffsets, logger } = context.broker;
  const { partitionIndex, committedOffset, committedMetadata } = partition;
  if ((committedMetadata?.length ?? 0) > config.offsetMetadataMaxBytes) return ErrorCode.OFFSET_METADATA_TOO_LARGE;
  if (!Number.isSafeInteger(committedOffset)) return ErrorCode.INVALID_COMMIT_OFFSET_SIZE;
  try {
    await consumerOffsets.set(groupId, topic, partitionIndex, committedOffset);
    return ErrorCode.NONE;
  } catch (err) {
    logger.warn({ err, groupId, topic, partition: partitionIndex }, 'An offset could not be written to the store');
    return ErrorCode.UNKNOWN_SERVER_ERROR;
  }
}

async function fetch(groupId: string, topic: string, partition: number, context: RequestContext): Promise<Fetched> {
  const { consumerOffsets, logger } = context.broker;
  try {
    const committedOffset = await consumerOffsets.get(groupId, topic, partition);
    // Nothing committed is an error in this version.
    if (committedOffset === undefined) return nothing(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    return { committedOffset, metadata: '', errorCode: ErrorCode.NONE };
  } catch (err) {
    logger.warn({ err, groupId, topic, partition }, 'An offset could not be read from the store');
    return nothing(ErrorCode.UNKNOWN_SERVER_ERROR);
  }
}

function nothing(errorCode: number): Fetched {
  return { committedOffset: -1, metadata: '', errorCode };
}
