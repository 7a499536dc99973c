import {
  type BrokerError,
  type BrokerNode,
  type KafkaClient,
  KafkaError,
  type OperationOptions,
  type TopicPartition,
} from '@millrace/client';
import { partitionName } from '@millrace/client/internal';
import {
  DescribeTransactions,
  ErrorCode,
  InitProducerId,
  ListTransactions,
  WriteTxnMarkers,
  type WriteTxnMarkersResponse,
} from '@millrace/protocol';
import { ItemFailures } from './errors.ts';
import { fromBrokers } from './every-broker.ts';
import { coordinatorError } from './groups.ts';
import { describeProducers, describeProducersLeft, type PartitionProducers } from './producers.ts';
import { failureOf, ofOne, sendToLeaders, throwFailures } from './requests.ts';

/** A transactional id in a list. */
export interface ListedTransaction {
  readonly transactionalId: string;
  readonly producerId: number;
  /** `Empty`, `Ongoing`, `PrepareCommit`, `PrepareAbort`, `CompleteCommit` or `CompleteAbort`. */
  readonly state: string;
  /** The broker that coordinates it. */
  readonly coordinatorId: number;
}

/** Which transactions to list. */
export interface ListTransactionsOptions extends OperationOptions {
  /** Only those in these states, such as `Ongoing`; all by default. */
  readonly states?: readonly string[] | undefined;
  /** Only those of these producers; all by default. */
  readonly producerIds?: readonly number[] | undefined;
  /** Only those whose last transaction, over or not, began longer ago, in milliseconds; none that are `Empty`. Needs brokers from 3.8 on (KIP-994). */
  readonly openForMs?: number | undefined;
  /**
   * Only ids that match this as a whole, in the words of RE2/J, which have no lookahead and no references back. Needs brokers from 4.1 on (KIP-1152).
   */
  readonly idPattern?: string | undefined;
  /** Only those that these brokers coordinate; of all brokers by default. */
  readonly brokerIds?: readonly number[] | undefined;
}

/** The state of an id that has had no transaction since its producer was given its epoch. */
const NO_TRANSACTION = 'Empty';
const DURATION_VERSION = 1;
const PATTERN_VERSION = 2;

export async function listTransactions(
  client: KafkaClient,
  { states = [], producerIds = [], openForMs, idPattern, brokerIds, ...options }: ListTransactionsOptions,
): Promise<ListedTransaction[]> {
  const body = {
    stateFilters: states,
    producerIdFilters: producerIds,
    ...(openForMs === undefined ? {} : { durationFilter: openForMs }),
    ...(idPattern === undefined ? {} : { transactionalIdPattern: idPattern }),
  };
  const oldest = openForMs === undefined ? 0 : DURATION_VERSION;
  const versionMin = idPattern === undefined ? oldest : PATTERN_VERSION;
  const listed = await fromBrokers(client, 'Listing transactions', brokerIds, options, async (nodeId, once) => {
    const response = await client.sendToBroker(nodeId, ListTransactions, body, { ...once, versionMin });
    const found = response.transactionStates.map(({ transactionalId, producerId, transactionState }) => ({
      transactionalId,
      producerId,
      state: transactionState,
      coordinatorId: nodeId,
    }));
    // Brokers count an id without a transaction as one whose transaction began at -1, which is longer ago than anything.
    return openForMs === undefined ? found : found.filter(({ state }) => state !== NO_TRANSACTION);
  });
  return listed.sort((a, b) => (a.transactionalId < b.transactionalId ? -1 : 1));
}

/** A transactional id with what its coordinator knows of it. */
export interface DescribedTransaction {
  readonly transactionalId: string;
  readonly coordinator: BrokerNode;
  /** `Empty`, `Ongoing`, `PrepareCommit`, `PrepareAbort`, `CompleteCommit` or `CompleteAbort`. */
  readonly state: string;
  readonly producerId: number;
  readonly producerEpoch: number;
  /** After how many milliseconds the coordinator aborts a transaction that is open. */
  readonly timeoutMs: number;
  /** When the last transaction began, in milliseconds since the Unix epoch; undefined where there has been none. */
  readonly startTimestamp: number | undefined;
  /** Those in the transaction that is open, or whose markers are missing. */
  readonly partitions: readonly TopicPartition[];
}

export async function describeTransactions(
  client: KafkaClient,
  transactionalIds: readonly string[],
  options: OperationOptions,
): Promise<DescribedTransaction[]> {
  const failures = new ItemFailures('Describing transactions');
  const described = transactionalIds.map(async (transactionalId): Promise<DescribedTransaction[]> => {
    const response = await client.sendToCoordinator(
      'transaction',
      transactionalId,
      DescribeTransactions,
      { transactionalIds: [transactionalId] },
      { ...options, errorOf: (answer) => coordinatorError(answer.transactionStates[0]?.errorCode) },
    );
    const found = response.transactionStates[0]!;
    const failure = failureOf(found.errorCode, `Describing the transaction of "${transactionalId}"`);
    if (!failures.add(transactionalId, failure)) return [];
    const coordinator = await client.coordinatorFor('transaction', transactionalId, options);
    return [
      {
        transactionalId,
        coordinator,
        state: found.transactionState,
        producerId: found.producerId,
        producerEpoch: found.producerEpoch,
        timeoutMs: found.transactionTimeoutMs,
        startTimestamp: found.transactionStartTimeMs < 0 ? undefined : found.transactionStartTimeMs,
        partitions: found.topics.flatMap(({ topic, partitions }) =>
          partitions.map((partition) => ({ topic, partition })),
        ),
      },
    ];
  });
  const transactions = (
    await Promise.all(described.map((one, index) => ofOne(failures, transactionalIds[index]!, one)))
  ).flat();
  failures.throwIfAny();
  return transactions;
}

/** A producer's open transaction in one partition, as `describeProducers` and `findHangingTransactions` show it. */
export interface TransactionToAbort extends TopicPartition {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** 0 by default, and where it is -1: no coordinator has written to the partition for this producer yet. */
  readonly coordinatorEpoch?: number | undefined;
}

export async function abortTransactions(
  client: KafkaClient,
  transactions: readonly TransactionToAbort[],
  options: OperationOptions,
): Promise<void> {
  const attempt = 'Aborting transactions';
  const failed = await sendToLeaders(client, attempt, transactions, options, async (nodeId, share, signal) => {
    const markers = share.map(({ topic, partition, producerId, producerEpoch, coordinatorEpoch = 0 }) => ({
      producerId,
      producerEpoch,
      transactionResult: false,
      coordinatorEpoch: Math.max(coordinatorEpoch, 0),
      topics: [{ name: topic, partitionIndexes: [partition] }],
    }));
    const sending = { signal, retries: 0, errorOf: () => ErrorCode.NONE };
    const response = await client.sendToBroker(nodeId, WriteTxnMarkers, { markers }, sending);
    const failures = new Map<TransactionToAbort, BrokerError>();
    for (const item of share) {
      const what = `Aborting the transaction of producer ${item.producerId} in ${partitionName(item)}`;
      const failure = failureOf(markerError(response, item), what);
      if (failure !== undefined) failures.set(item, failure);
    }
    return failures;
  });
  throwFailures(attempt, transactions, failed);
}

function markerError({ markers }: WriteTxnMarkersResponse, item: TransactionToAbort): number {
  const answers = markers
    .filter(({ producerId }) => producerId === item.producerId)
    .flatMap(({ topics }) => topics.filter(({ name }) => name === item.topic).flatMap(({ partitions }) => partitions));
  const answer = answers.find(({ partitionIndex }) => partitionIndex === item.partition);
  return answer?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR;
}

/** A transactional id whose producers so far cannot write any more. */
export interface FencedProducer {
  readonly transactionalId: string;
  readonly producerId: number;
  /** The first epoch that counts. */
  readonly producerEpoch: number;
}

export async function fenceProducers(
  client: KafkaClient,
  transactionalIds: readonly string[],
  options: OperationOptions,
): Promise<FencedProducer[]> {
  const failures = new ItemFailures('Fencing producers');
  // There will be no transaction that could take so long. It is how long Kafka's coordinator tries to write the epoch, which is of use for as long
  // as one request is waited for; and it must not be above `transaction.max.timeout.ms`.
  const { requestTimeoutMs } = client.settings;
  const transactionTimeoutMs = Math.max(1, Math.min(requestTimeoutMs, options.timeoutMs ?? requestTimeoutMs));
  const fenced = transactionalIds.map(async (transactionalId): Promise<FencedProducer[]> => {
    const response = await client.sendToCoordinator(
      'transaction',
      transactionalId,
      InitProducerId,
      { transactionalId, transactionTimeoutMs },
      // An open transaction is aborted first, which takes until its markers are written (KAFKA-16570).
      { ...options, errorOf: ({ errorCode }) => busyError(errorCode) },
    );
    const { errorCode, producerId, producerEpoch } = response;
    const failure = failureOf(errorCode, `Fencing the producers of "${transactionalId}"`);
    return failures.add(transactionalId, failure) ? [{ transactionalId, producerId, producerEpoch }] : [];
  });
  const producers = (
    await Promise.all(fenced.map((one, index) => ofOne(failures, transactionalIds[index]!, one)))
  ).flat();
  failures.throwIfAny();
  return producers;
}

function busyError(errorCode: number): number {
  return errorCode === ErrorCode.CONCURRENT_TRANSACTIONS ? errorCode : coordinatorError(errorCode);
}

/** A transaction that is open in a partition, and that no coordinator will end: readers of what is committed wait behind it. */
export interface HangingTransaction extends TopicPartition {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
  /** Where it begins in the partition. */
  readonly startOffset: number;
  /** When its producer wrote to the partition last, in milliseconds since the Unix epoch. */
  readonly lastTimestamp: number;
  /** Whose it was, where a coordinator knows the producer still. */
  readonly transactionalId: string | undefined;
}

/** Where to look for hanging transactions. */
export interface FindHangingTransactionsOptions extends OperationOptions {
  /** Only in these partitions; in all by default. */
  readonly partitions?: readonly TopicPartition[] | undefined;
  /**
   * Only those of producers that have not written for so long, in milliseconds: what is younger may be under way. 900,000 by default,
   * which is `transaction.max.timeout.ms` of brokers that say nothing else.
   */
  readonly idleForMs?: number | undefined;
}

/** `transaction.max.timeout.ms` of brokers that say nothing else. */
const MAX_TIMEOUT_MS = 900_000;

export async function findHangingTransactions(
  client: KafkaClient,
  { partitions, idleForMs = MAX_TIMEOUT_MS, ...options }: FindHangingTransactionsOptions,
): Promise<HangingTransaction[]> {
  // Of those that nobody asked for by name, some may be gone before they are looked at.
  const describe = partitions === undefined ? describeProducersLeft : describeProducers;
  const open = openOf(await describe(client, distinct(partitions ?? (await allPartitions(client, options))), options));
  const nowMs = client.settings.clock.now();
  const idle = open.filter(({ lastTimestamp }) => nowMs - lastTimestamp > idleForMs);
  if (idle.length === 0) return [];
  const producerIds = [...new Set(idle.map(({ producerId }) => producerId))];
  const listed = await listTransactions(client, { ...options, producerIds });
  const ids = new Map(listed.map(({ producerId, transactionalId }) => [producerId, transactionalId]));
  const running = await partitionsUnderWay(client, [...ids.values()], options);
  const left = idle.filter((each) => !running.has(`${each.producerId} ${partitionName(each)}`));
  // What has ended while its coordinator was asked does not hang.
  const again = openOf(await describeProducersLeft(client, distinct(left), options));
  const still = new Set(again.map((each) => `${each.producerId} ${each.startOffset} ${partitionName(each)}`));
  return left
    .filter((each) => still.has(`${each.producerId} ${each.startOffset} ${partitionName(each)}`))
    .map((each) => ({ ...each, transactionalId: ids.get(each.producerId) }))
    .sort(byPlace);
}

/** Leaders answer in any order. */
function byPlace(a: OpenTransaction, b: OpenTransaction): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1;
  return a.partition - b.partition || a.startOffset - b.startOffset;
}

type OpenTransaction = Omit<HangingTransaction, 'transactionalId'>;

function openOf(described: readonly PartitionProducers[]): OpenTransaction[] {
  return described.flatMap(({ topic, partition, producers }) =>
    producers.flatMap(({ transactionStartOffset: startOffset, ...producer }) => {
      if (startOffset === undefined) return [];
      const { producerId, producerEpoch, coordinatorEpoch, lastTimestamp } = producer;
      return [{ topic, partition, producerId, producerEpoch, coordinatorEpoch, startOffset, lastTimestamp }];
    }),
  );
}

function distinct(partitions: readonly TopicPartition[]): TopicPartition[] {
  const places = partitions.map(({ topic, partition }) => [`${topic}-${partition}`, { topic, partition }] as const);
  return [...new Map(places).values()];
}

async function allPartitions(client: KafkaClient, options: OperationOptions): Promise<TopicPartition[]> {
  const topics = await client.allTopics(options);
  return topics.flatMap(({ name, partitions }) => partitions.map(({ partition }) => ({ topic: name, partition })));
}

/** What coordinators will end, by producer and partition. */
async function partitionsUnderWay(
  client: KafkaClient,
  transactionalIds: readonly string[],
  options: OperationOptions,
): Promise<Set<string>> {
  const described = await Promise.all(transactionalIds.map((id) => describeKnown(client, id, options)));
  return new Set(
    described
      .flat()
      .flatMap(({ producerId, partitions }) => partitions.map((each) => `${producerId} ${partitionName(each)}`)),
  );
}

/** Nothing of an id that its coordinator has forgotten since it was listed: it will end nothing of it. */
async function describeKnown(
  client: KafkaClient,
  transactionalId: string,
  options: OperationOptions,
): Promise<DescribedTransaction[]> {
  try {
    return await describeTransactions(client, [transactionalId], options);
  } catch (error) {
    if (error instanceof KafkaError && error.errorCode === ErrorCode.TRANSACTIONAL_ID_NOT_FOUND) return [];
    throw error;
  }
}
