import type { BrokerError, KafkaClient, OperationOptions, TopicPartition } from '@millrace/client';
import { byTopic, partitionName } from '@millrace/client/internal';
import { DeleteRecords, ErrorCode, ListOffsets } from '@millrace/protocol';
import { failureOf, sendToLeaders, throwFailures } from './requests.ts';

/**
 * Which offset to look for: the first that is there, the one the next record will get, that of the largest timestamp, or that
 * of the first record with this timestamp (milliseconds since the Unix epoch) or a later one.
 */
export type OffsetSpec = 'earliest' | 'latest' | 'max-timestamp' | number;

/** A partition and which of its offsets is wanted. */
export interface OffsetQuery extends TopicPartition {
  readonly at: OffsetSpec;
}

/** An offset that was found. */
export interface FoundOffset extends TopicPartition {
  /** -1 where no record is that late. */
  readonly offset: number;
  /** The record's timestamp; -1 for `earliest` and `latest`. */
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

/** How offsets are listed. */
export interface ListOffsetsOptions extends OperationOptions {
  /** With `read_committed`, `latest` is the last stable offset: no record of an open transaction lies before it. */
  readonly isolationLevel?: 'read_uncommitted' | 'read_committed' | undefined;
}

const TIMESTAMP_OF = { latest: -1, earliest: -2, 'max-timestamp': -3 } as const;
/** The largest timestamp can be asked for from this version on. */
const MAX_TIMESTAMP_VERSION = 7;
const CONSUMER_REPLICA_ID = -1;

/** What was asked for by its partition: with ten thousand of them nobody looks through all for each. */
function byName<T extends TopicPartition>(share: readonly T[]): ReadonlyMap<string, T> {
  // The first of several that name one partition is the one that counts.
  return new Map(share.toReversed().map((each) => [partitionName(each), each]));
}

export async function listOffsets(
  client: KafkaClient,
  queries: readonly OffsetQuery[],
  options: ListOffsetsOptions,
): Promise<FoundOffset[]> {
  const found: FoundOffset[] = [];
  const versionMin = queries.some(({ at }) => at === 'max-timestamp') ? MAX_TIMESTAMP_VERSION : 1;
  const failed = await sendToLeaders(client, 'Listing offsets', queries, options, async (nodeId, share, signal) => {
    const request = {
      replicaId: CONSUMER_REPLICA_ID,
      isolationLevel: options.isolationLevel === 'read_committed' ? 1 : 0,
      topics: [...byTopic(share)].map(([name, partitions]) => ({
        name,
        partitions: partitions.map(({ partition, at }) => ({
          partitionIndex: partition,
          timestamp: typeof at === 'number' ? at : TIMESTAMP_OF[at],
        })),
      })),
    };
    const response = await client.sendToBroker(nodeId, ListOffsets, request, {
      signal,
      retries: 0,
      versionMin,
      errorOf: () => ErrorCode.NONE,
    });
    const failures = new Map<OffsetQuery, BrokerError>();
    const queryOf = byName(share);
    for (const { name, partitions } of response.topics) {
      for (const { partitionIndex, errorCode, offset, timestamp, leaderEpoch } of partitions) {
        const query = queryOf.get(partitionName({ topic: name, partition: partitionIndex }));
        if (query === undefined) continue;
        const failure = failureOf(errorCode, `Listing an offset of ${partitionName(query)}`);
        if (failure !== undefined) failures.set(query, failure);
        else found.push({ topic: name, partition: partitionIndex, offset, timestamp, leaderEpoch });
      }
    }
    return failures;
  });
  throwFailures('Listing offsets', queries, failed);
  return found;
}

/** Records to be deleted: all before an offset. */
export interface RecordsToDelete extends TopicPartition {
  /** The offset that is to be the first one; `'all'` deletes every record there is now. */
  readonly before: number | 'all';
}

/** What a partition holds after a deletion. */
export interface DeletedRecords extends TopicPartition {
  /** The first offset that can still be read. */
  readonly logStartOffset: number;
}

const HIGH_WATERMARK = -1;
const DELETE_TIMEOUT_MS = 30_000;

export async function deleteRecords(
  client: KafkaClient,
  items: readonly RecordsToDelete[],
  options: OperationOptions,
): Promise<DeletedRecords[]> {
  const deleted: DeletedRecords[] = [];
  const failed = await sendToLeaders(client, 'Deleting records', items, options, async (nodeId, share, signal) => {
    const request = {
      topics: [...byTopic(share)].map(([name, partitions]) => ({
        name,
        partitions: partitions.map(({ partition, before }) => ({
          partitionIndex: partition,
          offset: before === 'all' ? HIGH_WATERMARK : before,
        })),
      })),
      timeoutMs: DELETE_TIMEOUT_MS,
    };
    const response = await client.sendToBroker(nodeId, DeleteRecords, request, {
      signal,
      retries: 0,
      errorOf: () => ErrorCode.NONE,
    });
    const failures = new Map<RecordsToDelete, BrokerError>();
    const itemOf = byName(share);
    for (const { name, partitions } of response.topics) {
      for (const { partitionIndex, errorCode, lowWatermark } of partitions) {
        const item = itemOf.get(partitionName({ topic: name, partition: partitionIndex }));
        if (item === undefined) continue;
        const failure = failureOf(errorCode, `Deleting records of ${partitionName(item)}`);
        if (failure !== undefined) failures.set(item, failure);
        else deleted.push({ topic: name, partition: partitionIndex, logStartOffset: lowWatermark });
      }
    }
    return failures;
  });
  throwFailures('Deleting records', items, failed);
  return deleted;
}
