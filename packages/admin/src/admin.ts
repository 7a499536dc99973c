import {
  type ClientOptions,
  InvalidArgumentError,
  KafkaClient,
  type OperationOptions,
  type TopicMetadata,
  type TopicPartition,
} from '@millrace/client';
import { atMost, closeShape, faultOf, takeNoMore } from '@millrace/client/internal';
import { type Acl, type AclFilter, createAcls, deleteAcls, describeAcls, type NewAcl, newAcl } from './acls.ts';
import * as args from './arguments.ts';
import {
  alterReplicaLogDirs,
  type ClusterDescription,
  type DescribeLogDirsOptions,
  describeCluster,
  describeLogDirs,
  type LogDir,
  type ReplicaPlace,
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
  createDelegationToken,
  type DelegationToken,
  describeDelegationTokens,
  expireDelegationToken,
  type NewDelegationToken,
  renewDelegationToken,
} from './delegation-tokens.ts';
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
import { describeProducers, type PartitionProducers } from './producers.ts';
import {
  alterClientQuotas,
  type ClientQuotas,
  type DescribeQuotasOptions,
  describeClientQuotas,
  type QuotaChanges,
  type QuotaFilter,
  quotaChanges,
} from './quotas.ts';
import {
  alterPartitionReassignments,
  type ElectLeadersOptions,
  electLeaders,
  type LeaderElection,
  listPartitionReassignments,
  type NewReassignment,
  type PartitionReassignment,
} from './reassignments.ts';
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
  alterScramUsers,
  describeScramUsers,
  type NewScramPassword,
  newScramPassword,
  type ScramDeletion,
  type ScramUser,
  scramDeletion,
} from './scram-users.ts';
import {
  type CreatedTopic,
  createPartitions,
  createTopics,
  deleteTopics,
  type MorePartitions,
  type NewTopic,
  type ValidatingOptions,
} from './topics.ts';
import {
  abortTransactions,
  type DescribedTransaction,
  describeTransactions,
  type FencedProducer,
  type FindHangingTransactionsOptions,
  fenceProducers,
  findHangingTransactions,
  type HangingTransaction,
  type ListedTransaction,
  type ListTransactionsOptions,
  listTransactions,
  type TransactionToAbort,
} from './transactions.ts';

/** Settings of an {@link Admin}: those of the connection. */
export type AdminOptions = ClientOptions;

/**
 * Looks after a Kafka-compatible cluster: topics, configs, groups, records. It connects when it is first used.
 *
 * Arguments are looked at before anything is sent: `InvalidArgumentError` tells what is wrong with them, and where.
 * Calls on several items carry out what they can; if some fail, they throw `AdminItemsError`, whose `failures` has a typed error
 * for each. Every call throws `KafkaError` with a stable `code` and `retriable`; what is worth trying again has been, until
 * `timeoutMs` (`apiTimeoutMs` by default) was over.
 *
 * ```ts
 * const admin = new Admin({ bootstrapServers: 'localhost:9092' });
 * await admin.createTopics([{ topic: 'orders', partitions: 6, configs: { 'retention.ms': 86_400_000 } }]);
 * ```
 */
export class Admin implements AsyncDisposable {
  readonly #client: KafkaClient;

  static {
    takeNoMore(Admin.prototype, args.argumentCounts, (fault) =>
      Promise.reject(new InvalidArgumentError(`Cannot call the admin: ${fault}`)),
    );
  }

  /** @throws InvalidOptionError for a name that there is not, or a value of the wrong kind */
  constructor(options: AdminOptions) {
    args.checkAdminOptions(options);
    // An admin asks about topics; a question must not make one.
    this.#client = new KafkaClient({ allowAutoTopicCreation: false, ...options });
  }

  /** Connects now rather than with the first call. */
  async connect(options: OperationOptions = {}): Promise<void> {
    args.checkOptions('connect', options);
    await this.#client.connect(options);
  }

  /**
   * Closes the connections; calls under way are rejected.
   * @param options.timeoutMs it is done by then, whatever happens; 30,000 by default
   */
  async close(options: { timeoutMs?: number | undefined } = {}): Promise<void> {
    args.check('close an admin', faultOf(options, closeShape));
    await atMost(this.#client.settings.clock, options.timeoutMs ?? CLOSE_TIMEOUT_MS, this.#client.close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The cluster's id, controller and brokers. Needs brokers from 2.8 on. */
  async describeCluster(options: OperationOptions = {}): Promise<ClusterDescription> {
    args.checkOptions('describe the cluster', options);
    return describeCluster(this.#client, options);
  }

  /** The names of all topics, in order; Kafka's own such as `__consumer_offsets` only where asked for. */
  async listTopics(options: OperationOptions & { internal?: boolean | undefined } = {}): Promise<string[]> {
    args.checkOptions('list topics', options, args.listTopicsOptions);
    const { internal = false } = options;
    const topics = await this.#client.allTopics(options);
    return topics
      .filter((topic) => internal || !topic.internal)
      .map(({ name }) => name)
      .sort();
  }

  /**
   * Topics with their partitions, leaders and replicas, as they are now; with `'all'` those that there are at one moment, Kafka's own too.
   * @throws BrokerError KAFKA_UNKNOWN_TOPIC_OR_PARTITION where one that is named does not exist
   */
  async describeTopics(topics: readonly string[] | 'all', options: OperationOptions = {}): Promise<TopicMetadata[]> {
    args.checkItemsOrAll('describe topics', 'topics', topics, args.topicName);
    args.checkOptions('describe topics', options);
    if (topics === 'all') return this.#client.allTopics(options);
    await this.#client.refreshTopics(topics, options);
    return this.#client.topics(topics, { retries: 0, ...options, allowAutoTopicCreation: false });
  }

  /** Makes topics; resolves when the controller has. */
  async createTopics(topics: readonly NewTopic[], options: ValidatingOptions = {}): Promise<CreatedTopic[]> {
    args.checkItems('create topics', 'topics', topics, args.newTopic);
    args.checkOptions('create topics', options, args.validateOnly);
    return createTopics(this.#client, topics, options);
  }

  /** Deletes topics with all their records. */
  async deleteTopics(topics: readonly string[], options: OperationOptions = {}): Promise<void> {
    args.checkItems('delete topics', 'topics', topics, args.topicName);
    args.checkOptions('delete topics', options);
    return deleteTopics(this.#client, topics, options);
  }

  /** Gives topics more partitions. Keys are found in other partitions afterwards; records stay where they are. */
  async createPartitions(topics: readonly MorePartitions[], options: ValidatingOptions = {}): Promise<void> {
    args.checkItems('add partitions', 'topics', topics, args.morePartitions);
    args.checkOptions('add partitions', options, args.validateOnly);
    return createPartitions(this.#client, topics, options);
  }

  /** The configs of topics and brokers: what counts, where it was set, and what else would. */
  async describeConfigs(
    resources: readonly ConfigResource[],
    options: DescribeConfigsOptions = {},
  ): Promise<DescribedConfigs[]> {
    args.checkItems('describe configs', 'resources', resources, args.configResource);
    args.checkOptions('describe configs', options, args.describeConfigsOptions);
    return describeConfigs(this.#client, resources, options);
  }

  /** Changes some configs of topics and brokers, and leaves the others. Needs brokers from 2.3 on. */
  async alterConfigs(changes: readonly ConfigChanges[], options: ValidatingOptions = {}): Promise<void> {
    args.checkItems('alter configs', 'changes', changes, args.configChanges);
    args.checkOptions('alter configs', options, args.validateOnly);
    return alterConfigs(this.#client, changes, options);
  }

  /** All groups of the cluster, by id. */
  async listGroups(options: ListGroupsOptions = {}): Promise<ListedGroup[]> {
    args.checkOptions('list groups', options, args.listGroupsOptions);
    return listGroups(this.#client, options);
  }

  /**
   * Groups with their members and assignments. A group that does not exist is in the state `Dead`.
   * @throws AdminItemsError where some could not be described, by group: those of a coordinator that does not answer among them
   */
  async describeGroups(groupIds: readonly string[], options: OperationOptions = {}): Promise<DescribedGroup[]> {
    args.checkItems('describe groups', 'groupIds', groupIds, args.groupId);
    args.checkOptions('describe groups', options);
    return describeGroups(this.#client, groupIds, options);
  }

  /** Deletes groups without members, and their offsets. */
  async deleteGroups(groupIds: readonly string[], options: OperationOptions = {}): Promise<void> {
    args.checkItems('delete groups', 'groupIds', groupIds, args.groupId);
    args.checkOptions('delete groups', options);
    return deleteGroups(this.#client, groupIds, options);
  }

  /** Removes members, which makes the group rebalance; members that are alive join again. Needs brokers from 2.4 on. */
  async removeMembers(
    groupId: string,
    members: readonly MemberToRemove[] | 'all',
    options: OperationOptions & { reason?: string } = {},
  ): Promise<void> {
    args.check('remove members', args.groupId(groupId, 'groupId'));
    args.checkItemsOrAll('remove members', 'members', members, args.member);
    args.checkOptions('remove members', options, args.removeMembersOptions);
    return removeMembers(this.#client, groupId, members, options);
  }

  /** Where a group goes on reading: in these partitions, or in all that it has committed offsets for. Partitions without one are left out. */
  async listGroupOffsets(
    groupId: string,
    partitions: readonly TopicPartition[] | 'all' = 'all',
    options: OperationOptions = {},
  ): Promise<GroupOffset[]> {
    args.check('list offsets of a group', args.groupId(groupId, 'groupId'));
    args.checkItemsOrAll('list offsets of a group', 'partitions', partitions, args.topicPartition);
    args.checkOptions('list offsets of a group', options);
    return listGroupOffsets(this.#client, groupId, partitions, options);
  }

  /** Sets where a group goes on reading. It must have no members: KAFKA_UNKNOWN_MEMBER_ID otherwise. */
  async alterGroupOffsets(
    groupId: string,
    offsets: readonly NewGroupOffset[],
    options: OperationOptions = {},
  ): Promise<void> {
    args.check('set offsets of a group', args.groupId(groupId, 'groupId'));
    args.checkItems('set offsets of a group', 'offsets', offsets, args.newGroupOffset);
    args.checkOptions('set offsets of a group', options);
    return alterGroupOffsets(this.#client, groupId, offsets, options);
  }

  /** Forgets a group's offsets. KAFKA_GROUP_SUBSCRIBED_TO_TOPIC for a topic that its members read. */
  async deleteGroupOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
    options: OperationOptions = {},
  ): Promise<void> {
    args.check('delete offsets of a group', args.groupId(groupId, 'groupId'));
    args.checkItems('delete offsets of a group', 'partitions', partitions, args.topicPartition);
    args.checkOptions('delete offsets of a group', options);
    return deleteGroupOffsets(this.#client, groupId, partitions, options);
  }

  /** Offsets of partitions: the first, the next, or by time. */
  async listOffsets(queries: readonly OffsetQuery[], options: ListOffsetsOptions = {}): Promise<FoundOffset[]> {
    args.checkItems('list offsets', 'queries', queries, args.offsetQuery);
    args.checkOptions('list offsets', options, args.listOffsetsOptions);
    return listOffsets(this.#client, queries, options);
  }

  /** Deletes the records before an offset of each partition. They cannot be brought back. */
  async deleteRecords(items: readonly RecordsToDelete[], options: OperationOptions = {}): Promise<DeletedRecords[]> {
    args.checkItems('delete records', 'items', items, args.recordsToDelete);
    args.checkOptions('delete records', options);
    return deleteRecords(this.#client, items, options);
  }

  /** The log directories of brokers and what the partitions take there. */
  async describeLogDirs(options: DescribeLogDirsOptions = {}): Promise<LogDir[]> {
    args.checkOptions('describe log directories', options, args.describeLogDirsOptions);
    const { partitions } = options;
    if (partitions !== undefined) {
      args.checkItems('describe log directories', 'partitions', partitions, args.topicPartition);
    }
    return describeLogDirs(this.#client, options);
  }

  /**
   * Has replicas moved to other log directories of their brokers while they are used (KIP-113). It resolves when the moves have begun;
   * {@link Admin.describeLogDirs} shows how far they are. A replica that the broker has not yet is made there when it comes, and fails here with
   * `KAFKA_REPLICA_NOT_AVAILABLE`. Needs brokers from 1.1 on.
   */
  async alterReplicaLogDirs(places: readonly ReplicaPlace[], options: OperationOptions = {}): Promise<void> {
    args.checkItems('move replicas', 'places', places, args.replicaPlace);
    args.checkOptions('move replicas', options);
    return alterReplicaLogDirs(this.#client, places, options);
  }

  /** The idempotent and transactional producers that write to partitions (KIP-664). Needs brokers from 2.8 on. */
  async describeProducers(
    partitions: readonly TopicPartition[],
    options: OperationOptions = {},
  ): Promise<PartitionProducers[]> {
    args.checkItems('describe producers', 'partitions', partitions, args.topicPartition);
    args.checkOptions('describe producers', options);
    return describeProducers(this.#client, partitions, options);
  }

  /** The transactional ids of the cluster, with the states of their transactions (KIP-664). Needs brokers from 3.0 on. */
  async listTransactions(options: ListTransactionsOptions = {}): Promise<ListedTransaction[]> {
    args.checkOptions('list transactions', options, args.listTransactionsOptions);
    return listTransactions(this.#client, options);
  }

  /** What coordinators know of transactional ids (KIP-664). KAFKA_TRANSACTIONAL_ID_NOT_FOUND for one that nobody uses. */
  async describeTransactions(
    transactionalIds: readonly string[],
    options: OperationOptions = {},
  ): Promise<DescribedTransaction[]> {
    args.checkItems('describe transactions', 'transactionalIds', transactionalIds, args.transactionalId);
    args.checkOptions('describe transactions', options);
    return describeTransactions(this.#client, transactionalIds, options);
  }

  /**
   * Ends transactions in single partitions, past their coordinators (KIP-664): for those that {@link Admin.findHangingTransactions} has
   * found. A transaction that is alive is torn by it.
   */
  async abortTransactions(transactions: readonly TransactionToAbort[], options: OperationOptions = {}): Promise<void> {
    args.checkItems('abort transactions', 'transactions', transactions, args.transactionToAbort);
    args.checkOptions('abort transactions', options);
    return abortTransactions(this.#client, transactions, options);
  }

  /** Has whoever writes under these transactional ids be refused from now on; what they have left open is aborted. */
  async fenceProducers(transactionalIds: readonly string[], options: OperationOptions = {}): Promise<FencedProducer[]> {
    args.checkItems('fence producers', 'transactionalIds', transactionalIds, args.transactionalId);
    args.checkOptions('fence producers', options);
    return fenceProducers(this.#client, transactionalIds, options);
  }

  /**
   * Ends the transaction that is open under a transactional id, without its producer: it is aborted, and whoever writes under the id is
   * refused from now on. Apache Kafka's Admin has it since 4.1 (KIP-939), and it fences there too, so brokers from 0.11 on do it. As
   * with {@link Admin.fenceProducers}, an id that nobody uses is taken, and made.
   * @returns the epoch from which on producers of the id are let in
   */
  async forceTerminateTransaction(transactionalId: string, options: OperationOptions = {}): Promise<FencedProducer> {
    args.check('terminate a transaction', args.transactionalId(transactionalId, 'transactionalId'));
    args.checkOptions('terminate a transaction', options);
    const [fenced] = await fenceProducers(this.#client, [transactionalId], options);
    return fenced!;
  }

  /** Transactions that are open in partitions and that no coordinator will end. Needs brokers from 3.0 on. */
  async findHangingTransactions(options: FindHangingTransactionsOptions = {}): Promise<HangingTransaction[]> {
    args.checkOptions('find hanging transactions', options, args.findHangingOptions);
    const { partitions } = options;
    if (partitions !== undefined) {
      args.checkItems('find hanging transactions', 'partitions', partitions, args.topicPartition);
    }
    return findHangingTransactions(this.#client, options);
  }

  /** The partitions that are on their way to other brokers, of these or of all (KIP-455). Needs brokers from 2.4 on. */
  async listPartitionReassignments(
    partitions: readonly TopicPartition[] | 'all' = 'all',
    options: OperationOptions = {},
  ): Promise<PartitionReassignment[]> {
    args.checkItemsOrAll('list reassignments', 'partitions', partitions, args.topicPartition);
    args.checkOptions('list reassignments', options);
    return listPartitionReassignments(this.#client, partitions, options);
  }

  /**
   * Has partitions move to other brokers, or with `replicas: null` ends a move that is under way (KIP-455). It resolves when the
   * controller has taken it on; {@link Admin.listPartitionReassignments} tells what is still moving. Needs brokers from 2.4 on.
   */
  async alterPartitionReassignments(
    reassignments: readonly NewReassignment[],
    options: OperationOptions = {},
  ): Promise<void> {
    args.checkItems('reassign partitions', 'reassignments', reassignments, args.reassignment);
    args.checkOptions('reassign partitions', options);
    return alterPartitionReassignments(this.#client, reassignments, options);
  }

  /** Has the controller elect leaders, of these partitions or of all that have not the right one (KIP-460). Needs brokers from 2.2 on. */
  async electLeaders(
    partitions: readonly TopicPartition[] | 'all',
    options: ElectLeadersOptions = {},
  ): Promise<LeaderElection[]> {
    args.checkItemsOrAll('elect leaders', 'partitions', partitions, args.topicPartition);
    args.checkOptions('elect leaders', options, args.electLeadersOptions);
    return electLeaders(this.#client, partitions, options);
  }

  /** The quotas of users, client ids and addresses that the filter fits; all with an empty one (KIP-546). Needs brokers from 2.6 on. */
  async describeClientQuotas(
    filter: readonly QuotaFilter[] = [],
    options: DescribeQuotasOptions = {},
  ): Promise<ClientQuotas[]> {
    args.checkItems('describe quotas', 'filter', filter, args.quotaEntity);
    args.checkOptions('describe quotas', options, args.describeQuotasOptions);
    return describeClientQuotas(this.#client, filter, options);
  }

  /**
   * Gives quotas to users, client ids and addresses, and takes them away; null for those without quotas of their own (KIP-546). Needs
   * brokers from 2.6 on.
   */
  async alterClientQuotas(changes: readonly QuotaChanges[], options: ValidatingOptions = {}): Promise<void> {
    args.checkItems('alter quotas', 'changes', changes, quotaChanges);
    args.checkOptions('alter quotas', options, args.validateOnly);
    return alterClientQuotas(this.#client, changes, options);
  }

  /** The access rules that the filter fits; all with an empty one. KAFKA_SECURITY_DISABLED from a cluster without an authorizer. */
  async describeAcls(filter: AclFilter = {}, options: OperationOptions = {}): Promise<Acl[]> {
    args.checkOptions('describe access rules', options);
    return describeAcls(this.#client, filter, options);
  }

  /** Makes access rules; those that are there already stay. A rule that denies goes before all that allow. */
  async createAcls(acls: readonly NewAcl[], options: OperationOptions = {}): Promise<void> {
    args.checkItems('create access rules', 'acls', acls, newAcl);
    args.checkOptions('create access rules', options);
    return createAcls(this.#client, acls, options);
  }

  /** Removes the access rules that the filter fits, all with an empty one, and tells which they were. */
  async deleteAcls(filter: AclFilter, options: OperationOptions = {}): Promise<Acl[]> {
    args.checkOptions('delete access rules', options);
    return deleteAcls(this.#client, filter, options);
  }

  /** The users that can log in by SCRAM. Who is named and is not there is a failure of his own. */
  async describeScramUsers(users: readonly string[] | 'all', options: OperationOptions = {}): Promise<ScramUser[]> {
    args.checkItemsOrAll('describe users', 'users', users, args.userName);
    args.checkOptions('describe users', options);
    return describeScramUsers(this.#client, users, options);
  }

  /** Gives users passwords for SCRAM. What the cluster gets is salted and hashed here. */
  async setScramPasswords(passwords: readonly NewScramPassword[], options: OperationOptions = {}): Promise<void> {
    args.checkItems('set passwords', 'passwords', passwords, newScramPassword);
    args.checkOptions('set passwords', options);
    return alterScramUsers(this.#client, passwords, [], options);
  }

  /** Takes users' credentials for SCRAM away: they cannot log in with them any more, and stay while they are connected. */
  async deleteScramCredentials(deletions: readonly ScramDeletion[], options: OperationOptions = {}): Promise<void> {
    args.checkItems('delete credentials', 'deletions', deletions, scramDeletion);
    args.checkOptions('delete credentials', options);
    return alterScramUsers(this.#client, [], deletions, options);
  }

  /**
   * Makes a token with which others can log in in its owner's name for a while (KIP-48). It is asked for over TLS or after a login, and
   * never with a token.
   */
  async createDelegationToken(
    token: NewDelegationToken = {},
    options: OperationOptions = {},
  ): Promise<DelegationToken> {
    args.checkOptions('create a delegation token', options);
    return createDelegationToken(this.#client, token, options);
  }

  /** The tokens of some owners, or all that one may be told of, with their secrets. */
  async describeDelegationTokens(
    owners: readonly string[] | 'all' = 'all',
    options: OperationOptions = {},
  ): Promise<DelegationToken[]> {
    args.checkOptions('describe delegation tokens', options);
    return describeDelegationTokens(this.#client, owners, options);
  }

  /** Has a token live on for `periodMs` from now, by default as long as the broker has set. Its new end. */
  async renewDelegationToken(hmac: string, periodMs?: number, options: OperationOptions = {}): Promise<Date> {
    args.checkOptions('renew a delegation token', options);
    return renewDelegationToken(this.#client, hmac, periodMs, options);
  }

  /** Has a token end in `periodMs`, by default at once. Who is logged in with it stays until he has to log in again. Its new end. */
  async expireDelegationToken(hmac: string, periodMs?: number, options: OperationOptions = {}): Promise<Date> {
    args.checkOptions('end a delegation token', options);
    return expireDelegationToken(this.#client, hmac, periodMs, options);
  }
}

const CLOSE_TIMEOUT_MS = 30_000;
