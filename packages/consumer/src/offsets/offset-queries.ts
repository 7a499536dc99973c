import { brokerError } from '@millrace/client';
import { byTopic } from '@millrace/client/internal';
import { ErrorCode, ListOffsets, OffsetFetch } from '@millrace/protocol';
import type { AttemptOptions, Cluster, Coordinator } from '../cluster-port.ts';
import type { TopicPartition } from '../options.ts';

/** Timestamps that stand for places in the log (`ListOffsetsRequest`). */
export const LATEST_TIMESTAMP = -1;
export const EARLIEST_TIMESTAMP = -2;

/** Offsets by timestamp came with this version of ListOffsets; before, it listed segments. */
const LIST_OFFSETS_VERSION_MIN = 1;
/** From this version on OffsetFetch takes several groups at once (KIP-709). */
const OFFSET_FETCH_GROUPS_VERSION = 8;

/** A question for the leader of a partition. */
export interface OffsetQuestion extends TopicPartition {
  readonly timestamp: number;
  /** -1 where it is not known. */
  readonly leaderEpoch: number;
}

/** Its answer: an offset (-1 where no record is that young) or an error code. */
export interface OffsetAnswer extends TopicPartition {
  readonly errorCode: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

/** What a group has committed for a partition; `offset` is -1 where that is nothing. */
export interface CommittedAnswer extends TopicPartition {
  readonly errorCode: number;
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
}

/** Asks one broker for offsets by timestamp. One attempt. */
export async function listOffsets(
  cluster: Cluster,
  nodeId: number,
  questions: readonly OffsetQuestion[],
  readCommitted: boolean,
  options: AttemptOptions = {},
): Promise<OffsetAnswer[]> {
  const topics = [...byTopic(questions)].map(([name, list]) => ({
    name,
    partitions: list.map(({ partition, timestamp, leaderEpoch }) => ({
      partitionIndex: partition,
      currentLeaderEpoch: leaderEpoch,
      timestamp,
    })),
  }));
  const request = { replicaId: -1, isolationLevel: readCommitted ? 1 : 0, topics };
  const response = await cluster.send(nodeId, ListOffsets, request, {
    ...options,
    versionMin: LIST_OFFSETS_VERSION_MIN,
  });
  return response.topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex, errorCode, offset, timestamp, leaderEpoch }) => ({
      topic: name,
      partition: partitionIndex,
      errorCode,
      offset,
      timestamp,
      leaderEpoch,
    })),
  );
}

/**
 * Asks the coordinator for the group's offsets. One attempt.
 * @param requireStable Whether offsets that an open transaction is about to commit are waited for (KIP-447).
 * @throws BrokerError for an error of the whole group
 */
export async function fetchCommitted(
  coordinator: Coordinator,
  groupId: string,
  partitions: readonly TopicPartition[],
  requireStable: boolean,
  options: AttemptOptions = {},
): Promise<CommittedAnswer[]> {
  const topics = [...byTopic(partitions)].map(([name, list]) => ({
    name,
    partitionIndexes: list.map(({ partition }) => partition),
  }));
  const response = await coordinator.send(
    OffsetFetch,
    (version) => ({
      ...(version >= OFFSET_FETCH_GROUPS_VERSION ? { groups: [{ groupId, topics }] } : { groupId, topics }),
      // Before version 7 a broker has no transactions to wait for in this way.
      ...(version >= 7 ? { requireStable } : {}),
    }),
    'coordinator',
    options,
  );
  const group = response.groups.find((one) => one.groupId === groupId) ?? response;
  if (group.errorCode !== ErrorCode.NONE) throw brokerError(group.errorCode, `OffsetFetch of group "${groupId}"`);
  return group.topics.flatMap(({ name, partitions: answers }) =>
    answers.map(({ partitionIndex, errorCode, committedOffset, committedLeaderEpoch, metadata }) => ({
      topic: name,
      partition: partitionIndex,
      errorCode,
      offset: committedOffset,
      leaderEpoch: committedLeaderEpoch,
      metadata: metadata ?? '',
    })),
  );
}

/** Whether an error says that another broker coordinates the group now. */
export function coordinatorMoved(errorCode: number | undefined): boolean {
  return errorCode === ErrorCode.NOT_COORDINATOR || errorCode === ErrorCode.COORDINATOR_NOT_AVAILABLE;
}
