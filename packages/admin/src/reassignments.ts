import type { KafkaClient, OperationOptions, TopicPartition } from '@millrace/client';
import { byTopic, partitionName } from '@millrace/client/internal';
import { AlterPartitionReassignments, ElectLeaders, ErrorCode, ListPartitionReassignments } from '@millrace/protocol';
import { ItemFailures } from './errors.ts';
import { failureOf } from './requests.ts';

/** A partition that is on its way to other brokers. */
export interface PartitionReassignment extends TopicPartition {
  /** Where replicas are now, those that come and those that go included. */
  readonly replicas: readonly number[];
  /** Brokers that still fetch what the others have. */
  readonly addingReplicas: readonly number[];
  /** Brokers that go when those have caught up. */
  readonly removingReplicas: readonly number[];
}

/** Where a partition is to be. */
export interface NewReassignment extends TopicPartition {
  /** The brokers, the preferred leader first; null cancels a reassignment that is under way. */
  readonly replicas: readonly number[] | null;
}

/** How long the controller may take to answer, in milliseconds. */
const CONTROLLER_TIMEOUT_MS = 30_000;

export async function listPartitionReassignments(
  client: KafkaClient,
  partitions: readonly TopicPartition[] | 'all',
  options: OperationOptions,
): Promise<PartitionReassignment[]> {
  const topics =
    partitions === 'all'
      ? null
      : [...byTopic(partitions)].map(([name, items]) => ({
          name,
          partitionIndexes: items.map(({ partition }) => partition),
        }));
  const request = { timeoutMs: CONTROLLER_TIMEOUT_MS, topics };
  const response = await client.sendToController(ListPartitionReassignments, request, options);
  return response.topics.flatMap(({ name, partitions: moving }) =>
    moving.map(({ partitionIndex, replicas, addingReplicas, removingReplicas }) => ({
      topic: name,
      partition: partitionIndex,
      replicas,
      addingReplicas,
      removingReplicas,
    })),
  );
}

export async function alterPartitionReassignments(
  client: KafkaClient,
  reassignments: readonly NewReassignment[],
  options: OperationOptions,
): Promise<void> {
  const topics = [...byTopic(reassignments)].map(([name, items]) => ({
    name,
    partitions: items.map(({ partition, replicas }) => ({ partitionIndex: partition, replicas })),
  }));
  const request = { timeoutMs: CONTROLLER_TIMEOUT_MS, topics };
  const response = await client.sendToController(AlterPartitionReassignments, request, options);
  const failures = new ItemFailures('Reassigning partitions');
  for (const { name, partitions } of response.responses) {
    for (const { partitionIndex, errorCode, errorMessage } of partitions) {
      const item = partitionName({ topic: name, partition: partitionIndex });
      failures.add(item, failureOf(errorCode, `Reassigning ${item}`, errorMessage));
    }
  }
  failures.throwIfAny();
}

/** What came of the election of a partition's leader. */
export interface LeaderElection extends TopicPartition {
  /** False where the leader was the right one already. */
  readonly elected: boolean;
}

/** Which election is held. */
export interface ElectLeadersOptions extends OperationOptions {
  /**
   * `'preferred'` (the default): the first of the replicas where it is in sync. `'unclean'`: any replica that lives, where none is in
   * sync; records that it does not have are lost.
   */
  readonly type?: 'preferred' | 'unclean' | undefined;
}

const ELECTION_TYPES = { preferred: 0, unclean: 1 } as const;
/** Before this version there is no other election than that of the preferred leader. */
const UNCLEAN_VERSION = 1;

export async function electLeaders(
  client: KafkaClient,
  partitions: readonly TopicPartition[] | 'all',
  { type = 'preferred', ...options }: ElectLeadersOptions,
): Promise<LeaderElection[]> {
  const topicPartitions =
    partitions === 'all'
      ? null
      : [...byTopic(partitions)].map(([topic, items]) => ({
          topic,
          partitions: items.map(({ partition }) => partition),
        }));
  const response = await client.sendToController(
    ElectLeaders,
    (version) => ({
      ...(version >= UNCLEAN_VERSION ? { electionType: ELECTION_TYPES[type] } : {}),
      topicPartitions,
      timeoutMs: CONTROLLER_TIMEOUT_MS,
    }),
    {
      ...options,
      versionMin: type === 'unclean' ? UNCLEAN_VERSION : 0,
      errorOf: (answer) => answer.errorCode || movedController(answer.replicaElectionResults),
    },
  );
  const failures = new ItemFailures('Electing leaders');
  const elections: LeaderElection[] = [];
  for (const { topic, partitionResult } of response.replicaElectionResults) {
    for (const { partitionId: partition, errorCode, errorMessage } of partitionResult) {
      const item = partitionName({ topic, partition });
      const needed = errorCode !== ErrorCode.ELECTION_NOT_NEEDED;
      const failure = needed ? failureOf(errorCode, `Electing the leader of ${item}`, errorMessage) : undefined;
      if (failures.add(item, failure)) elections.push({ topic, partition, elected: needed });
    }
  }
  failures.throwIfAny();
  return elections;
}

/** A broker that is not the controller says so of every partition. */
function movedController(
  results: readonly { readonly partitionResult: readonly { readonly errorCode: number }[] }[],
): number {
  const codes = results.flatMap(({ partitionResult }) => partitionResult.map(({ errorCode }) => errorCode));
  const moved = codes.length > 0 && codes.every((code) => code === ErrorCode.NOT_CONTROLLER);
  return moved ? ErrorCode.NOT_CONTROLLER : ErrorCode.NONE;
}
