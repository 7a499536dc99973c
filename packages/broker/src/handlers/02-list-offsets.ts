/**
 * ListOffsets: the offset of a time, or of an end of the log.
 *
 * - v0 a list of offsets, newest first; v1 one offset with its timestamp; v2 isolation level, throttle time; v4 leader epochs;
 *   v5 OFFSET_NOT_AVAILABLE; v6 flexible; v7 -3, the record with the largest timestamp; v8 -4, the earliest on local disks;
 *   v9 -5, the end of what is in remote storage.
 * - Consumers see up to the high watermark, with read_committed up to the last stable offset. While a new leader's high watermark has
 *   not come as far as its predecessor's may have been, it does not say where the end is (KIP-207).
 */
import { CorruptLogError } from '@millrace/log';
import {
  ErrorCode,
  ListOffsets,
  type ListOffsetsRequest,
  type ListOffsetsRequestTopicPartition as PartitionRequest,
  type ListOffsetsResponseTopicPartitionInput as PartitionResponse,
  type ListOffsetsResponseTopicInput as TopicResponse,
} from '@millrace/protocol';
import type { Partition } from '../replicas/partition.ts';
import { topicResource } from '../shared/authorization.ts';
import { isRefusal, Refusal } from '../shared/refusal.ts';
import { defineHandler, type RequestContext } from './handler.ts';

const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;
const EARLIEST_LOCAL = -4;
const LATEST_TIERED = -5;

/** The first version that knows a special timestamp. */
const SINCE_VERSION: ReadonlyMap<number, number> = new Map([
  [LATEST, 0],
  [EARLIEST, 0],
  [MAX_TIMESTAMP, 7],
  [EARLIEST_LOCAL, 8],
  [LATEST_TIERED, 9],
]);

const CONSUMER = -1;
const READ_COMMITTED = 1;

/** An offset with what is told beside it; -1 for none. */
interface Found {
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

const NOTHING: Found = { offset: -1, timestamp: -1, leaderEpoch: -1 };

export const listOffsets = defineHandler(ListOffsets, { minVersion: 0, maxVersion: 9 }, async (request, context) => {
  const repeated = await repeatedPartitions(request, context);
  const topics: TopicResponse[] = [];
  for (const { name, partitions } of request.topics) {
    const refusal = context.authorize('Describe', topicResource(name));
    if (refusal !== undefined) {
      topics.push({ name, partitions: partitions.map((partition) => refuse(partition, refusal.errorCode)) });
      continue;
    }
    const responses: PartitionResponse[] = [];
    for (const partition of partitions) {
      const isRepeated = repeated.has(`${name}-${partition.partitionIndex}`);
      responses.push(
        isRepeated ? refuse(partition, ErrorCode.INVALID_REQUEST) : await answer(name, partition, request, context),
      );
      const rest = context.pause();
      if (rest !== undefined) await rest;
    }
    topics.push({ name, partitions: responses });
  }
  return { topics };
});

async function repeatedPartitions({ topics }: ListOffsetsRequest, context: RequestContext): Promise<Set<string>> {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const { name, partitions } of topics) {
    for (const { partitionIndex } of partitions) {
      const key = `${name}-${partitionIndex}`;
      if (seen.has(key)) repeated.add(key);
      seen.add(key);
      const rest = context.pause();
      if (rest !== undefined) await rest;
    }
  }
  return repeated;
}

async function answer(
  topic: string,
  asked: PartitionRequest,
  request: ListOffsetsRequest,
  { broker, version }: RequestContext,
): Promise<PartitionResponse> {
  const since = SINCE_VERSION.get(asked.timestamp);
  if (asked.timestamp < 0 && (since === undefined || version < since)) {
    return refuse(asked, ErrorCode.UNSUPPORTED_VERSION);
  }
  const found = broker.replicas.leaderOf(topic, asked.partitionIndex, asked.currentLeaderEpoch);
  if (isRefusal(found)) return refuse(asked, found.errorCode);
  const endOffset = readableEnd(found, request);
  const isBehind = request.replicaId === CONSUMER && endOffset < (found.leading?.epochStartOffset ?? 0);
  const notAvailable = version >= 5 ? ErrorCode.OFFSET_NOT_AVAILABLE : ErrorCode.LEADER_NOT_AVAILABLE;
  if (isBehind && asked.timestamp === LATEST) return refuse(asked, notAvailable);
  if (version === 0) return { ...succeeded(asked), oldStyleOffsets: await oldStyle(found, asked, endOffset) };
  const offset = await look(found, asked.timestamp, endOffset).catch(corruptMessage);
  if (isRefusal(offset)) return refuse(asked, offset.errorCode);
  if (isBehind && offset === NOTHING && asked.timestamp !== LATEST_TIERED) return refuse(asked, notAvailable);
  // Not ignorable in older versions, so that a leader epoch is never lost without notice.
  const { leaderEpoch, ...withoutEpoch } = offset;
  return { ...succeeded(asked), ...withoutEpoch, ...(version >= 4 ? { leaderEpoch } : {}) };
}

function readableEnd(partition: Partition, request: ListOffsetsRequest): number {
  if (request.replicaId !== CONSUMER) return partition.durableEndOffset;
  return request.isolationLevel === READ_COMMITTED ? partition.lastStableOffset : partition.highWatermark;
}

async function look(partition: Partition, timestamp: number, endOffset: number): Promise<Found> {
  switch (timestamp) {
    case LATEST:
      return { offset: endOffset, timestamp: -1, leaderEpoch: partition.leaderEpoch };
    case EARLIEST:
    case EARLIEST_LOCAL:
      return { ...partition.earliest(), timestamp: -1 };
    case LATEST_TIERED:
      // There is no remote storage, so nothing of the log is in it.
      return NOTHING;
    case MAX_TIMESTAMP:
      return before(endOffset, await partition.maxTimestampOffset());
    default:
      return before(endOffset, await partition.offsetForTimestamp(timestamp));
  }
}

/** Damage that is in the way is told as such; the log has reported it. */
function corruptMessage(error: unknown): Refusal {
  if (error instanceof CorruptLogError) return Refusal.of(ErrorCode.CORRUPT_MESSAGE);
  throw error;
}

/** What lies beyond what the client may read is not found. */
function before(endOffset: number, found: Found | undefined): Found {
  return found !== undefined && found.offset < endOffset ? found : NOTHING;
}

/** v0 asks for the offsets at which segments begin, newest first, and for the end of what it may read (`Partition.legacyFetchOffsetsForTimestamp`). */
async function oldStyle(partition: Partition, asked: PartitionRequest, endOffset: number): Promise<number[]> {
  const { timestamp, maxNumOffsets } = asked;
  if (timestamp === EARLIEST) {
    return (await partition.segmentOffsetsBefore(undefined)).slice(-1).slice(0, Math.max(0, maxNumOffsets));
  }
  const offsets = await partition.segmentOffsetsBefore(timestamp === LATEST ? undefined : timestamp);
  const readable = offsets.filter((offset) => offset <= endOffset);
  if (readable.length < offsets.length) readable.unshift(endOffset);
  return readable.slice(0, Math.max(0, maxNumOffsets));
}

function succeeded({ partitionIndex }: PartitionRequest): PartitionResponse {
  return { partitionIndex, errorCode: ErrorCode.NONE };
}

function refuse({ partitionIndex }: PartitionRequest, errorCode: number): PartitionResponse {
  return { partitionIndex, errorCode };
}
