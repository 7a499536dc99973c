import { KafkaClient, type Logger } from '@millrace/client';
import { atMost, clientOptionsOf, closeShape, faultOf, shown, takeNoMore } from '@millrace/client/internal';
import { type Clock, systemClock, systemRandom } from '@millrace/ports';
import { Accumulator } from './accumulator.ts';
import { checkWork, surplus } from './arguments.ts';
import { BufferBudget } from './buffer-budget.ts';
import { ClusterTransport } from './cluster-transport.ts';
import { headersToSend, publishBatch } from './diagnostics.ts';
import {
  asError,
  bufferFull,
  FatalTransactionError,
  invalidRecord,
  notTransactional,
  ProducerError,
  partitionerFailed,
  producerClosed,
} from './errors.ts';
import { ProducerIdentitySource } from './identity.ts';
import { Losses } from './losses.ts';
import { type ProducerOptions, type ProducerSettings, producerSettings } from './options.ts';
import type { PartitionQueue } from './partition-queue.ts';
import { defaultPartitioner, type Partitioner } from './partitioner.ts';
import type { Content, PendingSend, TopicLine } from './pending-send.ts';
import type { ProduceBatch } from './produce-batch.ts';
import type { TopicPartitions } from './produce-transport.ts';
import { checkRecord, checkTopic, headerList, type ProducerRecord, type RecordMetadata } from './record.ts';
import { Sender } from './sender.ts';
import { type AnySerializer, isAsync, serialize, serializeLater } from './serializing.ts';
import { SerializingLine } from './serializing-line.ts';
import { TopicLooks } from './topic-looks.ts';
import { openTransaction } from './transactions/open-transaction.ts';
import type { Transaction } from './transactions/transaction.ts';
import { TransactionManager } from './transactions/transaction-manager.ts';
import { TransactionTransport } from './transactions/transaction-transport.ts';
import { UnknownTopicLine } from './unknown-topic-line.ts';

type Resolve = (metadata: RecordMetadata) => void;
type Reject = (error: Error) => void;

/** What a producer has done since it was made, and what it holds now. */
export interface ProducerMetrics {
  /** Records appended to a batch. */
  readonly recordsSent: number;
  readonly recordsAcknowledged: number;
  readonly recordsFailed: number;
  /** Batches that have been acknowledged or have failed. */
  readonly batchesFinished: number;
  /** Batches that were put back to be sent again, counted each time. */
  readonly batchesRetried: number;
  /** Bytes before compression that wait for acknowledgement; bounded by `bufferBytesMax`. */
  readonly bufferedBytes: number;
  /** Sends that wait for room in the buffer, for their topic or for an asynchronous serializer. */
  readonly waitingSends: number;
}

/**
 * Sends records to a Kafka-compatible cluster: in batches per partition, in order, and with the defaults each exactly once
 * into the log. It connects when it is first used.
 *
 * ```ts
 * const producer = new Producer({ bootstrapServers: 'localhost:9092' });
 * const { partition, offset } = await producer.send({ topic: 'orders', key: 'customer-7', value: 'one cake' });
 * await producer.close();
 * ```
 */
export class Producer<K = string | Uint8Array, V = string | Uint8Array> implements AsyncDisposable {
  readonly #settings: ProducerSettings;
  readonly #keySerializer: AnySerializer<K> | undefined;
  readonly #valueSerializer: AnySerializer<V> | undefined;
  /** Whether one of them is asynchronous: then every record goes through a line. */
  readonly #serializesLater: boolean;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #partitioner: Partitioner;
  readonly #client: KafkaClient;
  readonly #topics: TopicLooks;
  readonly #budget: BufferBudget;
  readonly #accumulator: Accumulator;
  readonly #sender: Sender;
  /** Undefined without a transactionalId. */
  readonly #transactions: TransactionManager | undefined;
  /** Sends that wait for their topic's partitions or for serializers, by topic, in order. */
  readonly #topicLines = new Map<string, TopicLine<K, V>>();
  readonly #onDeliveryError: (error: Error) => void;
  /** What became of records that nobody waits for, to be told by the next flush. */
  readonly #losses = new Losses();
  #readyWaiters: (() => void)[] = [];
  #closing: Promise<void> | undefined;
  /** Whether the sender has stopped: what comes now is lost. */
  #isClosed = false;
  #recordsSent = 0;
  #recordsAcknowledged = 0;
  #recordsFailed = 0;
  #batchesFinished = 0;
  #batchesRetried = 0;

  static {
    const promising = {
      connect: 0,
      send: 1,
      sendBatch: 1,
      ready: 0,
      begin: 0,
      transaction: 1,
      flush: 0,
      close: 1,
    } as const;
    takeNoMore(Producer.prototype, promising, (fault) => Promise.reject(surplus(fault)));
    takeNoMore(Producer.prototype, { enqueue: 1, metrics: 0 }, (fault) => {
      throw surplus(fault);
    });
  }

  /** @throws ProducerError `PRODUCER_INVALID_OPTION` for a name that there is not, a value of the wrong kind, or a contradiction */
  constructor(options: ProducerOptions<K, V>) {
    this.#settings = producerSettings(options);
    this.#keySerializer = options.keySerializer;
    this.#valueSerializer = options.valueSerializer;
    this.#serializesLater = isAsync(options.keySerializer) || isAsync(options.valueSerializer);
    this.#clock = options.clock ?? systemClock;
    const random = options.random ?? systemRandom;
    this.#partitioner = options.partitioner ?? defaultPartitioner(random);
    this.#onDeliveryError = this.#toldBy(options.onDeliveryError);
    this.#client = new KafkaClient(clientOptionsOf(options));
    this.#logger = this.#client.settings.logger;
    const { transactionalId } = this.#settings;
    const transport =
      transactionalId === undefined
        ? undefined
        : new TransactionTransport(this.#client, { ...this.#settings, transactionalId });
    const cluster = new ClusterTransport(this.#client, this.#settings, () => transport?.produceVersions ?? {});
    this.#topics = new TopicLooks(cluster, this.#clock);
    this.#budget = new BufferBudget(this.#settings.bufferBytesMax, this.#waitMsMax, this.#clock);
    this.#accumulator = new Accumulator(this.#clock, this.#settings, (topic, partition) =>
      this.#batchClosed(topic, partition),
    );
    const identity = new ProducerIdentitySource(transport ?? cluster);
    this.#sender = new Sender({
      accumulator: this.#accumulator,
      transport: cluster,
      identity,
      clock: this.#clock,
      random,
      logger: this.#logger,
      settings: this.#settings,
      batchDone: (batch, error) => this.#batchDone(batch, error),
      retried: () => {
        this.#batchesRetried += 1;
      },
      mayProduce: (topic, partition) => this.#transactions?.mayProduce(topic, partition) ?? true,
      gaveUp: (error) => this.#transactions?.batchFailed(error),
      told: (error) => this.#transactions?.told(error) ?? error,
    });
    this.#transactions = transport === undefined ? undefined : this.#newTransactions(transport, identity);
  }

  /**
   * Connects and checks the credentials now rather than with the first record. Needed only by those who want to know early.
   * @throws KafkaError when no bootstrap server can be reached or the credentials are refused
   */
  async connect(): Promise<void> {
    await this.#client.connect();
  }

  /**
   * Sends one record. The record's bytes must not change before the promise settles.
   * @returns where the record is, when `acks` has been fulfilled
   * @throws KafkaError with `retriable`, and `errorCode` where a broker refused the record; ProducerError `PRODUCER_...` for what
   * the producer found itself
   */
  send(record: ProducerRecord<K, V>): Promise<RecordMetadata> {
    return new Promise((resolve, reject) => this.#accept(record, resolve, reject));
  }

  /**
   * Sends several records, to any topics, and resolves when all are acknowledged.
   * @returns where each record is, in the order given
   * @throws ProducerError `PRODUCER_INVALID_RECORD` where it is given something else than a list of records; the first error otherwise: what has become of the other records is not told. Use {@link Producer.send} to know of each.
   */
  sendBatch(records: readonly ProducerRecord<K, V>[]): Promise<RecordMetadata[]> {
    return new Promise((resolve, reject) => {
      if (!Array.isArray(records)) throw notRecords(records);
      const results = new Array<RecordMetadata>(records.length);
      let open = records.length;
      if (open === 0) resolve(results);
      records.forEach((record, index) => {
        this.#accept(
          record,
          (metadata) => {
            results[index] = metadata;
            open -= 1;
            if (open === 0) resolve(results);
          },
          reject,
        );
      });
    });
  }

  /**
   * Sends a record without a promise for it. A record that is lost is told to `onDeliveryError`, or
   * where there is none, by the next `flush` or `close`, which then fails.
   *
   * @returns whether more may follow at once; after `false`, await {@link Producer.ready} first. The record itself is taken
   * either way, unless `onBufferFull` is `'fail'`.
   */
  enqueue(record: ProducerRecord<K, V>): boolean {
    this.#accept(record, undefined, this.#onDeliveryError);
    return this.#isReady;
  }

  /** Resolves when the buffer has room, and the partitions of the topics that have been sent to are known. */
  ready(): Promise<void> {
    if (this.#closing !== undefined || this.#isReady) return Promise.resolve();
    return new Promise((resolve) => this.#readyWaiters.push(resolve));
  }

  /**
   * Begins a transaction, which its `commit` or `abort` ends; one at a time. With the first, whoever had the `transactionalId` before is
   * kept from writing, and what it left open is aborted.
   * @throws ProducerError `PRODUCER_NO_TRANSACTION` without a `transactionalId`, `PRODUCER_TRANSACTION_UNDER_WAY`;
   * FatalTransactionError; KafkaError where the brokers cannot be reached in time
   */
  async begin(): Promise<Transaction<K, V>> {
    const transactions = this.#transactions;
    if (transactions === undefined) throw notTransactional();
    if (this.#closing !== undefined) throw producerClosed('begin a transaction');
    await transactions.begin();
    return openTransaction(this, transactions);
  }

  /**
   * Does something in a transaction: commits when it has been done, aborts when it throws, and throws that.
   *
   * ```ts
   * await producer.transaction(async (tx) => {
   *   tx.send({ topic: 'orders', value: 'one cake' });
   *   await tx.sendOffsets('bakers', [{ topic: 'wishes', partition: 0, offset: 7 }]);
   * });
   * ```
   *
   * @throws ProducerError `PRODUCER_INVALID_ARGUMENT` for what cannot be called; what `work` throws, AbortableTransactionError when something of it has failed and it was aborted, FatalTransactionError
   */
  async transaction<T>(work: (transaction: Transaction<K, V>) => Promise<T> | T): Promise<T> {
    checkWork(work);
    const transaction = await this.begin();
    let result: T;
    try {
      result = await work(transaction);
      await transaction.commit();
    } catch (error) {
      if (error instanceof FatalTransactionError) throw error;
      await transaction.abort();
      throw error;
    }
    return result;
  }

  /**
   * Sends everything that has been given to the producer so far; resolves when all of it has been acknowledged or has failed.
   * @throws ProducerError `PRODUCER_RECORDS_LOST` when records given to `enqueue` have failed and `onDeliveryError` is not set
   */
  async flush(): Promise<void> {
    await this.#drained();
    this.#losses.throwIfAny();
  }

  /**
   * Flushes, then disconnects. Sends that come later are refused. Throws what {@link Producer.flush} throws.
   * @param options.timeoutMs it is done by then, whatever happens: what is not acknowledged fails with `PRODUCER_CLOSED`.
   * `deliveryTimeoutMs` by default
   */
  async close(options: { timeoutMs?: number | undefined } = {}): Promise<void> {
    const fault = faultOf(options, closeShape);
    if (fault !== undefined) throw new ProducerError('PRODUCER_INVALID_OPTION', `Cannot close a producer: ${fault}`);
    this.#closing ??= this.#close(options.timeoutMs ?? this.#settings.deliveryTimeoutMs);
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** What the producer has done and holds. */
  metrics(): ProducerMetrics {
    return {
      recordsSent: this.#recordsSent,
      recordsAcknowledged: this.#recordsAcknowledged,
      recordsFailed: this.#recordsFailed,
      batchesFinished: this.#batchesFinished,
      batchesRetried: this.#batchesRetried,
      bufferedBytes: this.#budget.usedBytes,
      waitingSends: this.#waitingCount,
    };
  }

  #newTransactions(transport: TransactionTransport, identity: ProducerIdentitySource): TransactionManager {
    return new TransactionManager({
      transport,
      identity,
      logger: this.#logger,
      clock: this.#clock,
      timeoutMs: this.#settings.transactionTimeoutMs,
      drained: () => this.#drained(),
      abandoned: (error) => {
        this.#sender.abandon(error);
        return this.#drained();
      },
      resume: () => this.#sender.resume(),
      wake: () => this.#sender.wake(),
    });
  }

  /** What users call comes through here; what has been accepted is carried out even while the producer closes. */
  #accept(record: ProducerRecord<K, V>, resolve: Resolve | undefined, reject: Reject): void {
    try {
      checkRecord(record);
      if (this.#closing !== undefined) throw producerClosed(`send a record to topic '${record.topic}'`);
      const refusal = this.#transactions?.refusal;
      if (refusal !== undefined) throw refusal;
    } catch (error) {
      reject(asError(error));
      return;
    }
    this.#place(record, resolve, reject, undefined);
  }

  get #isReady(): boolean {
    return this.#budget.isOpen && this.#topicLines.size === 0;
  }

  /** How long a send may wait before it is in a batch. */
  get #waitMsMax(): number {
    return Math.min(this.#settings.blockMsMax, this.#settings.deliveryTimeoutMs);
  }

  get #waitingCount(): number {
    let count = this.#budget.waitingCount;
    for (const line of this.#topicLines.values()) count += line.length;
    return count;
  }

  /** Finds the record's place: a batch, or a line where something has to be waited for first. `waited` is a send that was in one before. */
  #place(
    record: ProducerRecord<K, V>,
    resolve: Resolve | undefined,
    reject: Reject,
    waited: PendingSend<K, V> | undefined,
  ): void {
    const topic = this.#topics.topicOf(record);
    const isReady = topic !== undefined && this.#isReady && !this.#isClosed;
    if (isReady && (!this.#serializesLater || waited?.serialized !== undefined)) {
      this.#append(record, topic, resolve, reject, waited);
    } else {
      this.#placeInLine(waited ?? this.#pending(record, resolve, reject), topic);
    }
  }

  #placeInLine(send: PendingSend<K, V>, topic: TopicPartitions | undefined): void {
    const { record, resolve, reject } = send;
    const line = this.#topicLines.get(record.topic);
    if (this.#isClosed) reject(producerClosed(`deliver a record to topic '${record.topic}'`));
    else if (line !== undefined) this.#joinLine(line, send);
    else if (topic === undefined) this.#loadTopic(send);
    else if (this.#serializesLater && send.serialized === undefined) this.#serializeLater(send);
    else if (this.#budget.isOpen) this.#append(record, topic, resolve, reject, send);
    else this.#waitForRoom(send);
  }

  #pending(record: ProducerRecord<K, V>, resolve: Resolve | undefined, reject: Reject): PendingSend<K, V> {
    return { record, resolve, reject, sinceMs: this.#clock.monotonic(), serialized: undefined };
  }

  #joinLine(line: TopicLine<K, V>, send: PendingSend<K, V>): void {
    const { waitingSendsMax } = this.#settings;
    if (line.length < waitingSendsMax) line.join(send);
    else send.reject(bufferFull(this.#budget.usedBytes, `${waitingSendsMax} sends wait already (waitingSendsMax)`));
  }

  /** Opens a line for a topic whose partitions are not known, and lets it pass when they are. */
  #loadTopic(first: PendingSend<K, V>): void {
    const { topic } = first.record;
    try {
      checkTopic(topic);
    } catch (error) {
      first.reject(asError(error));
      return;
    }
    const line = new UnknownTopicLine(first, {
      clock: this.#clock,
      waitMsMax: this.#waitMsMax,
      load: (timeoutMs) => this.#topics.load(topic, timeoutMs),
      passed: (sends) => {
        this.#topicLines.delete(topic);
        for (const send of sends) this.#place(send.record, send.resolve, send.reject, send);
        this.#wakeReady();
      },
    });
    this.#topicLines.set(topic, line);
  }

  /** Opens a line for a topic whose records asynchronous serializers work at. */
  #serializeLater(first: PendingSend<K, V>): void {
    const { topic } = first.record;
    const line = new SerializingLine<K, V>({
      clock: this.#clock,
      waitMsMax: this.#settings.deliveryTimeoutMs,
      serialize: ({ record }) => serializeLater(record, { key: this.#keySerializer, value: this.#valueSerializer }),
      goOn: (send) => this.#goOn(send),
      emptied: () => {
        this.#topicLines.delete(topic);
        this.#wakeReady();
      },
    });
    this.#topicLines.set(topic, line);
    line.join(first);
  }

  /** Takes on a send whose key and value are there; where its topic has been forgotten meanwhile, that has to be asked for first. */
  #goOn(send: PendingSend<K, V>): Promise<unknown> | undefined {
    const { record, resolve, reject } = send;
    const topic = this.#topics.topicOf(record);
    if (topic === undefined) return this.#topics.load(record.topic, this.#waitMsMax);
    if (this.#budget.isOpen) this.#append(record, topic, resolve, reject, send);
    else this.#waitForRoom(send);
    return undefined;
  }

  #waitForRoom(send: PendingSend<K, V>): void {
    const { onBufferFull, waitingSendsMax } = this.#settings;
    const { record, resolve, reject } = send;
    if (onBufferFull === 'fail') {
      reject(bufferFull(this.#budget.usedBytes, "onBufferFull is 'fail'"));
    } else if (this.#budget.waitingCount >= waitingSendsMax) {
      reject(bufferFull(this.#budget.usedBytes, `${waitingSendsMax} sends wait already (waitingSendsMax)`));
    } else {
      this.#budget.wait(
        () => {
          const topic = this.#topics.topicOf(record);
          if (topic !== undefined) this.#append(record, topic, resolve, reject, send);
          else this.#place(record, resolve, reject, send);
        },
        () => {
          reject(
            this.#closing === undefined
              ? bufferFull(this.#budget.usedBytes, `none came free within ${this.#waitMsMax} ms`)
              : producerClosed(`send a record to topic '${record.topic}'`),
          );
        },
        send.sinceMs,
      );
    }
  }

  #append(
    record: ProducerRecord<K, V>,
    topic: TopicPartitions,
    resolve: Resolve | undefined,
    reject: Reject,
    waited: PendingSend<K, V> | undefined,
  ): void {
    let queue: PartitionQueue | undefined;
    try {
      const refusal = this.#transactions?.lateRefusal;
      if (refusal !== undefined) throw refusal;
      const name = record.topic;
      const done = waited?.serialized;
      const key = done === undefined ? serialize(this.#keySerializer, record.key, name, 'key') : done.key;
      const value = done === undefined ? serialize(this.#valueSerializer, record.value, name, 'value') : done.value;
      const partition = record.partition ?? this.#partitionFor(name, key, topic);
      if (!Number.isInteger(partition) || partition < 0 || partition >= topic.partitionCount) {
        throw noSuchPartition(name, partition, topic.partitionCount);
      }
      const headers = headersToSend(name, partition, headerList(name, record.headers));
      const timestamp = record.timestamp ?? this.#clock.now();
      queue = this.#accumulator.queue(name, partition);
      const batch = this.#accumulator.batchFor(queue, key, value, headers);
      this.#budget.take(batch.append(timestamp, key, value, headers));
      if (waited !== undefined) batch.createdMs = Math.min(batch.createdMs, waited.sinceMs);
      batch.notify(timestamp, resolve, reject);
      this.#recordsSent += 1;
      this.#sender.wake();
    } catch (error) {
      queue?.dropEmptyOpen();
      // A batch that was full may have been sealed for it.
      this.#sender.wake();
      reject(asError(error));
    }
  }

  #partitionFor(topic: string, key: Content, { partitionCount, availablePartitions }: TopicPartitions): number {
    try {
      return this.#partitioner.partition({ topic, key, partitionCount, availablePartitions });
    } catch (cause) {
      throw partitionerFailed(topic, cause);
    }
  }

  #batchClosed(topic: string, partition: number): void {
    try {
      this.#partitioner.batchClosed?.(topic, partition);
    } catch (error) {
      this.#logger.error({ topic, partition, err: error }, 'batchClosed of the partitioner failed');
    }
  }

  /** Whoever is told of lost records must not be able to stop those that come after. */
  #toldBy(listener: ((error: Error) => void) | undefined): (error: Error) => void {
    if (listener === undefined) return (error) => this.#losses.push(error);
    return (error) => {
      try {
        listener(error);
      } catch (fault) {
        this.#logger.error({ err: fault }, 'onDeliveryError failed');
      }
    };
  }

  #batchDone(batch: ProduceBatch, error: Error | undefined): void {
    this.#batchesFinished += 1;
    publishBatch(batch, error);
    if (error === undefined) this.#recordsAcknowledged += batch.recordCount;
    else this.#recordsFailed += batch.recordCount;
    this.#budget.release(batch.bufferedBytes);
    this.#wakeReady();
  }

  #wakeReady(): void {
    if (this.#readyWaiters.length === 0 || !this.#isReady) return;
    for (const waiter of this.#readyWaiters.splice(0)) waiter();
  }

  /** Resolves when everything that has been given to the producer so far was acknowledged or has failed; never rejects. */
  async #drained(): Promise<void> {
    const stopHurrying = this.#sender.hurry();
    try {
      await Promise.all([...this.#topicLines.keys()].map((topic) => this.#lineSettled(topic)));
      await this.#roomLineEnd();
      await Promise.all(this.#accumulator.batches().map((batch) => batch.whenComplete()));
    } finally {
      stopHurrying();
    }
  }

  /** Who has waited for a topic may wait for a serializer next. */
  async #lineSettled(topic: string): Promise<void> {
    await this.#topicLines.get(topic)?.settled();
    await this.#topicLines.get(topic)?.settled();
  }

  /** Resolves when everybody who waits for room now has got it or has been turned away. */
  #roomLineEnd(): Promise<void> {
    if (this.#budget.waitingCount === 0) return Promise.resolve();
    return new Promise((resolve) => this.#budget.wait(resolve, resolve));
  }

  async #close(timeoutMs: number): Promise<void> {
    const deadlineMs = this.#clock.monotonic() + timeoutMs;
    const transactions = this.#transactions?.close() ?? Promise.resolve();
    await atMost(
      this.#clock,
      timeoutMs,
      transactions.then(() => this.#drained()),
    );
    this.#isClosed = true;
    this.#budget.close();
    for (const line of this.#topicLines.values()) line.close(producerClosed('deliver a record'));
    this.#sender.close(producerClosed('deliver a record'));
    this.#settings.memory.close();
    for (const waiter of this.#readyWaiters.splice(0)) waiter();
    const leftMs = Math.max(deadlineMs - this.#clock.monotonic(), CLOSE_MS_MIN);
    await atMost(this.#clock, leftMs, this.#client.close());
    // What the timeout cut off has failed only now.
    this.#losses.throwIfAny();
  }
}

/** Sockets that hang up are given this long even by a close that may take no time at all. */
const CLOSE_MS_MIN = 10;

function noSuchPartition(topic: string, partition: unknown, partitionCount: number): ProducerError {
  return invalidRecord(
    topic,
    `there is no partition ${shown(partition)}: it has partitions 0 to ${partitionCount - 1}`,
  );
}

function notRecords(given: unknown): ProducerError {
  return invalidRecord(
    undefined,
    `sendBatch takes a list of records, each with its topic, not ${shown(given)}; kafkajs's { topic, messages } is messages.map((message) => ({ topic, ...message }))`,
  );
}
