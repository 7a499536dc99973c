import {
  type ClientOptions,
  KafkaClient,
  type OperationOptions,
  type TopicMetadata,
  type TopicPartition,
} from '@millrace/client';
import {
  type ClusterDescription,
  type DescribeLogDirsOptions,
  describeCluster,
  describeLogDirs,
  type LogDir,
} from './cluster.ts';
import {
  alterConfigs,
  type ConfigChanges,
  type ConfigResource,
  type DescribeConfigsOptions,
  type DescribedConfigs,
  describeConfigs,
} from './configs.ts';
import {
  alterGroupOffsets,
  deleteGroupOffsets,
  type GroupOffset,
  listGroupOffsets,
  type NewGroupOffset,
} from './group-offsets.ts';
import {
  type DescribedGroup,
  deleteGroups,
  describeGroups,
  type ListedGroup,
  type ListGroupsOptions,
  listGroups,
  type MemberToRemove,
  removeMembers,
} from './groups.ts';
import {
  type DeletedRecords,
  deleteRecords,
  type FoundOffset,
  type ListOffsetsOptions,
  listOffsets,
  type OffsetQuery,
  type RecordsToDelete,
} from './records.ts';
import {
  type CreatedTopic,
  createPartitions,
  createTopics,
  deleteTopics,
  type MorePartitions,
  type NewTopic,
  type ValidatingOptions,
} from './topics.ts';

/** Settings of an {@link Admin}: those of the connection. */
export type AdminOptions = ClientOptions;

/**
 * Looks after a Kafka-compatible cluster: topics, configs, groups, records. It connects when it is first used.
 *
 * Calls on several items carry out what they can; if some fail, they throw `AdminItemsError`, whose `failures` has a typed error
 * for each. Every call throws `KafkaError` with a stable `code` and `retriable`; what is worth trying again has been, until
 * `timeoutMs` (`apiTimeoutMs` by default) was over.
 *
 * ```ts
 * await using admin = new Admin({ bootstrapServers: 'localhost:9092' });
 * await admin.createTopics([{ topic: 'orders', partitions: 6, configs: { 'retention.ms': 86_400_000 } }]);
 * ```
 */
export class Admin implements AsyncDisposable {
  readonly #client: KafkaClient;

  /** @throws InvalidOptionError */
  constructor(options: AdminOptions) {
    // An admin asks about topics; a question must not make one.
    this.#client = new KafkaClient({ allowAutoTopicCreation: false, ...options });
  }

  /** Connects now rather than with the first call. */
  connect(options: OperationOptions = {}): Promise<void> {
    return this.#client.connect(options);
  }

  /** Closes the connections; calls under way are rejected. */
  close(): Promise<void> {
    return this.#client.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The cluster's id, controller and brokers. Needs brokers from 2.8 on. */
  describeCluster(options: OperationOptions = {}): Promise<ClusterDescription> {
    return describeCluster(this.#client, options);
  }

  /** The names of all topics, in order; Kafka's own such as `__consumer_offsets` only where asked for. */
  async listTopics({
    internal = false,
    ...options
  }: OperationOptions & { internal?: boolean } = {}): Promise<string[]> {
    const topics = await this.#client.allTopics(options);
    return topics
      .filter((topic) => internal || !topic.internal)
      .map(({ name }) => name)
      .sort();
  }

  /**
   * Topics with their partitions, leaders and replicas, as they are now.
   * @throws BrokerError KAFKA_UNKNOWN_TOPIC_OR_PARTITION where one does not exist
   */
  async describeTopics(topics: readonly string[], options: OperationOptions = {}): Promise<TopicMetadata[]> {
    await this.#client.refreshTopics(topics, options);
    return this.#client.topics(topics, { retries: 0, ...options, allowAutoTopicCreation: false });
  }

  /** Makes topics; resolves when the controller has. */
  createTopics(topics: readonly NewTopic[], options: ValidatingOptions = {}): Promise<CreatedTopic[]> {
    return createTopics(this.#client, topics, options);
  }

  /** Deletes topics with all their records. */
  deleteTopics(topics: readonly string[], options: OperationOptions = {}): Promise<void> {
    return deleteTopics(this.#client, topics, options);
  }

  /** Gives topics more partitions. Keys are found in other partitions afterwards; records stay where they are. */
  createPartitions(topics: readonly MorePartitions[], options: ValidatingOptions = {}): Promise<void> {
    return createPartitions(this.#client, topics, options);
  }

  /** The configs of topics and brokers: what counts, where it was set, and what else would. */
  describeConfigs(
    resources: readonly ConfigResource[],
    options: DescribeConfigsOptions = {},
  ): Promise<DescribedConfigs[]> {
    return describeConfigs(this.#client, resources, options);
  }

  /** Changes some configs of topics and brokers, and leaves the others. Needs brokers from 2.3 on. */
  alterConfigs(changes: readonly ConfigChanges[], options: ValidatingOptions = {}): Promise<void> {
    return alterConfigs(this.#client, changes, options);
  }

  /** All groups of the cluster, by id. */
  listGroups(options: ListGroupsOptions = {}): Promise<ListedGroup[]> {
    return listGroups(this.#client, options);
  }

  /** Groups with their members and assignments. A group that does not exist is in the state `Dead`. */
  describeGroups(groupIds: readonly string[], options: OperationOptions = {}): Promise<DescribedGroup[]> {
    return describeGroups(this.#client, groupIds, options);
  }

  /** Deletes groups without members, and their offsets. */
  deleteGroups(groupIds: readonly string[], options: OperationOptions = {}): Promise<void> {
    return deleteGroups(this.#client, groupIds, options);
  }

  /** Removes members, which makes the group rebalance; members that are alive join again. Needs brokers from 2.4 on. */
  removeMembers(
    groupId: string,
    members: readonly MemberToRemove[] | 'all',
    options: OperationOptions & { reason?: string } = {},
  ): Promise<void> {
    return removeMembers(this.#client, groupId, members, options);
  }

  /** Where a group goes on reading: in these partitions, or in all that it has committed offsets for. Partitions without one are left out. */
  listGroupOffsets(
    groupId: string,
    partitions: readonly TopicPartition[] | 'all' = 'all',
    options: OperationOptions = {},
  ): Promise<GroupOffset[]> {
    return listGroupOffsets(this.#client, groupId, partitions, options);
  }

  /** Sets where a group goes on reading. It must have no members: KAFKA_UNKNOWN_MEMBER_ID otherwise. */
  alterGroupOffsets(
    groupId: string,
    offsets: readonly NewGroupOffset[],
    options: OperationOptions = {},
  ): Promise<void> {
    return alterGroupOffsets(this.#client, groupId, offsets, options);
  }

  /** Forgets a group's offsets. KAFKA_GROUP_SUBSCRIBED_TO_TOPIC for a topic that its members read. */
  deleteGroupOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
    options: OperationOptions = {},
  ): Promise<void> {
    return deleteGroupOffsets(this.#client, groupId, partitions, options);
  }

  /** Offsets of partitions: the first, the next, or by time. */
  listOffsets(queries: readonly OffsetQuery[], options: ListOffsetsOptions = {}): Promise<FoundOffset[]> {
    return listOffsets(this.#client, queries, options);
  }

  /** Deletes the records before an offset of each partition. They cannot be brought back. */
  deleteRecords(items: readonly RecordsToDelete[], options: OperationOptions = {}): Promise<DeletedRecords[]> {
    return deleteRecords(this.#client, items, options);
  }

  /** The log directories of brokers and what the partitions take there. */
  describeLogDirs(options: DescribeLogDirsOptions = {}): Promise<LogDir[]> {
    return describeLogDirs(this.#client, options);
  }
}
