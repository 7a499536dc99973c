import type { KafkaClient, OperationOptions, TopicPartition } from '@millrace/client';
import { byTopic, partitionName } from '@millrace/client/internal';
import { ErrorCode, OffsetCommit, type OffsetCommitResponse, OffsetDelete, OffsetFetch } from '@millrace/protocol';
import { ItemFailures } from './errors.ts';
import { coordinatorError } from './groups.ts';
import { failureOf } from './requests.ts';

/** Where a group goes on reading a partition. */
export interface GroupOffset extends TopicPartition {
  /** The next offset to be read. */
  readonly offset: number;
  /** -1 where the committer did not tell. */
  readonly leaderEpoch: number;
  readonly metadata: string | null;
}

const BATCHED_GROUPS_VERSION = 8;
const ALL_TOPICS_VERSION = 2;
/** What a broker answers for a partition that the group has no offset for. */
const NO_OFFSET = -1;

export async function listGroupOffsets(
  client: KafkaClient,
  groupId: string,
  partitions: readonly TopicPartition[] | 'all',
  options: OperationOptions,
): Promise<GroupOffset[]> {
  const topics =
    partitions === 'all'
      ? null
      : [...byTopic(partitions)].map(([name, items]) => ({
          name,
          partitionIndexes: items.map(({ partition }) => partition),
        }));
  const response = await client.sendToCoordinator(
    'group',
    groupId,
    OffsetFetch,
    (version) => (version >= BATCHED_GROUPS_VERSION ? { groups: [{ groupId, topics }] } : { groupId, topics }),
    {
      ...options,
      versionMin: topics === null ? ALL_TOPICS_VERSION : 1,
      errorOf: (answer) => answer.groups[0]?.errorCode ?? answer.errorCode,
    },
  );
  const failures = new ItemFailures(`Listing the offsets of group "${groupId}"`);
  const offsets: GroupOffset[] = [];
  for (const { name, partitions: found } of response.groups[0]?.topics ?? response.topics) {
    for (const { partitionIndex, committedOffset, committedLeaderEpoch, metadata, errorCode } of found) {
      const item = { topic: name, partition: partitionIndex };
      const succeeded = failures.add(
        partitionName(item),
        failureOf(errorCode, `The offset of group "${groupId}" in ${partitionName(item)}`),
      );
      if (!succeeded || committedOffset === NO_OFFSET) continue;
      offsets.push({ ...item, offset: committedOffset, leaderEpoch: committedLeaderEpoch, metadata });
    }
  }
  failures.throwIfAny();
  return offsets;
}

/** An offset to be set. */
export interface NewGroupOffset extends TopicPartition {
  readonly offset: number;
  readonly leaderEpoch?: number | undefined;
  readonly metadata?: string | null | undefined;
}

/** A commit by no member; a coordinator takes it while the group has none. */
const NO_GENERATION = -1;

export async function alterGroupOffsets(
  client: KafkaClient,
  groupId: string,
  offsets: readonly NewGroupOffset[],
  options: OperationOptions,
): Promise<void> {
  const attempt = `Setting offsets of group "${groupId}"`;
  const response = await client.sendToCoordinator(
    'group',
    groupId,
    OffsetCommit,
    (version) => ({
      groupId,
      generationIdOrMemberEpoch: NO_GENERATION,
      memberId: '',
      topics: [...byTopic(offsets)].map(([name, items]) => ({
        name,
        partitions: items.map(({ partition, offset, leaderEpoch, metadata }) => ({
          partitionIndex: partition,
          committedOffset: offset,
          ...(version >= 6 ? { committedLeaderEpoch: leaderEpoch ?? -1 } : {}),
          committedMetadata: metadata ?? '',
        })),
      })),
    }),
    { ...options, versionMin: 2, errorOf: passingError },
  );
  throwPartitionFailures(attempt, response.topics);
}

/**
 * The first error of a commit that passes: the coordinator is elsewhere, or its log's followers took too long, of which another
 * commit of the same offsets repeats nothing.
 */
function passingError({ topics }: OffsetCommitResponse): number {
  for (const { partitions } of topics) {
    for (const { errorCode } of partitions) {
      if (errorCode === ErrorCode.REQUEST_TIMED_OUT) return errorCode;
      if (coordinatorError(errorCode) !== ErrorCode.NONE) return errorCode;
    }
  }
  return ErrorCode.NONE;
}

export async function deleteGroupOffsets(
  client: KafkaClient,
  groupId: string,
  partitions: readonly TopicPartition[],
  options: OperationOptions,
): Promise<void> {
  const response = await client.sendToCoordinator(
    'group',
    groupId,
    OffsetDelete,
    {
      groupId,
      topics: [...byTopic(partitions)].map(([name, items]) => ({
        name,
        partitions: items.map(({ partition }) => ({ partitionIndex: partition })),
      })),
    },
    { ...options, errorOf: (answer) => answer.errorCode },
  );
  throwPartitionFailures(`Deleting offsets of group "${groupId}"`, response.topics);
}

function throwPartitionFailures(
  attempt: string,
  topics: readonly {
    readonly name: string;
    readonly partitions: readonly { readonly partitionIndex: number; readonly errorCode: number }[];
  }[],
): void {
  const failures = new ItemFailures(attempt);
  for (const { name, partitions } of topics) {
    for (const { partitionIndex, errorCode } of partitions) {
      const item = partitionName({ topic: name, partition: partitionIndex });
      failures.add(item, failureOf(errorCode, `${attempt} in ${item}`));
    }
  }
  failures.throwIfAny();
}
