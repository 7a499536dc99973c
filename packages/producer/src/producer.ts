import { KafkaClient, silentLogger } from '@millrace/client';
import { clientOptionsOf } from '@millrace/client/internal';
import { type Clock, systemClock, systemRandom } from '@millrace/ports';
import type { Serializer } from '@millrace/serdes';
import { Accumulator } from './accumulator.ts';
import { BufferBudget } from './buffer-budget.ts';
import { ClusterTransport } from './cluster-transport.ts';
import { headersToSend, publishBatch } from './diagnostics.ts';
import { bufferFull, ProducerError, producerClosed, recordTooLarge } from './errors.ts';
import { ProducerIdentitySource } from './identity.ts';
import { Losses } from './losses.ts';
import { type ProducerOptions, type ProducerSettings, producerSettings } from './options.ts';
import { defaultPartitioner, type Partitioner } from './partitioner.ts';
import type { ProduceBatch } from './produce-batch.ts';
import type { ProduceTransport, TopicPartitions } from './produce-transport.ts';
import { headerList, type ProducerRecord, type RecordMetadata } from './record.ts';
import { Sender } from './sender.ts';

type Bytes = Uint8Array | string;
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
  /** Bytes before compression that wait for acknowledgement; bounded by `bufferBytesMax`. */
  readonly bufferedBytes: number;
  /** Sends that wait for room in the buffer. */
  readonly waitingSends: number;
}

/** Bytes that a batch's header and a record's lengths add to key and value, at the most. */
const RECORD_OVERHEAD_BYTES = 128;

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
  readonly #keySerializer: Serializer<K> | undefined;
  readonly #valueSerializer: Serializer<V> | undefined;
  readonly #clock: Clock;
  readonly #partitioner: Partitioner;
  readonly #client: KafkaClient;
  readonly #transport: ProduceTransport;
  readonly #budget: BufferBudget;
  readonly #accumulator: Accumulator;
  readonly #sender: Sender;
  /** Sends to topics whose partitions are being asked for, in order. */
  readonly #topicLines = new Map<string, { sends: PendingRecord<K, V>[]; passed: Promise<void> }>();
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

  /** @throws ProducerError `PRODUCER_INVALID_OPTION` for settings that contradict each other */
  constructor(options: ProducerOptions<K, V>) {
    this.#settings = producerSettings(options);
    this.#keySerializer = options.keySerializer;
    this.#valueSerializer = options.valueSerializer;
    this.#clock = options.clock ?? systemClock;
    const random = options.random ?? systemRandom;
    const logger = options.logger ?? silentLogger;
    this.#partitioner = options.partitioner ?? defaultPartitioner(random);
    this.#onDeliveryError = options.onDeliveryError ?? ((error) => this.#losses.push(error));
    this.#client = new KafkaClient(clientOptionsOf(options));
    this.#transport = new ClusterTransport(this.#client, this.#settings);
    this.#budget = new BufferBudget(this.#settings.bufferBytesMax, this.#settings.blockMsMax, this.#clock);
    this.#accumulator = new Accumulator(this.#clock, this.#settings, (topic, partition) =>
      this.#partitioner.batchClosed?.(topic, partition),
    );
    this.#sender = new Sender({
      accumulator: this.#accumulator,
      transport: this.#transport,
      identity: new ProducerIdentitySource(this.#transport),
      clock: this.#clock,
      random,
      logger,
      settings: this.#settings,
      batchDone: (batch, error) => this.#batchDone(batch, error),
    });
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
   * @throws the first error; what has become of the other records is not told. Use {@link Producer.send} to know of each.
   */
  sendBatch(records: readonly ProducerRecord<K, V>[]): Promise<RecordMetadata[]> {
    return new Promise((resolve, reject) => {
      const results = new Array<RecordMetadata>(records.length);
      let open = records.length;
      if (open === 0) resolve(results);
      records.forEach((record, index) => {
        this.#accept(
          record,
          (metadata) => {
            results[index] = metadata;
            if (--open === 0) resolve(results);
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
   * Sends everything that has been given to the producer so far; resolves when all of it has been acknowledged or has failed.
   * @throws ProducerError `PRODUCER_RECORDS_LOST` when records given to `enqueue` have failed and `onDeliveryError` is not set
   */
  async flush(): Promise<void> {
    const stopHurrying = this.#sender.hurry();
    try {
      await this.#topicsKnown();
      await this.#lineEnd();
      await Promise.all(this.#accumulator.batches().map((batch) => batch.whenComplete()));
    } finally {
      stopHurrying();
    }
    this.#losses.throwIfAny();
  }

  /**
   * Flushes, then disconnects. Sends that come later are refused. Throws what {@link Producer.flush} throws.
   * @param options.timeoutMs what is not acknowledged by then fails with `PRODUCER_CLOSED`; `deliveryTimeoutMs` by default
   */
  async close(options: { timeoutMs?: number } = {}): Promise<void> {
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
      bufferedBytes: this.#budget.usedBytes,
      waitingSends: this.#budget.waitingCount,
    };
  }

  /** What users call comes through here; what has been accepted is carried out even while the producer closes. */
  #accept(record: ProducerRecord<K, V>, resolve: Resolve | undefined, reject: Reject): void {
    if (this.#closing === undefined) this.#enqueue(record, resolve, reject);
    else reject(producerClosed(`send a record to topic '${record.topic}'`));
  }

  get #isReady(): boolean {
    return this.#budget.isOpen && this.#topicLines.size === 0;
  }

  #enqueue(record: ProducerRecord<K, V>, resolve: Resolve | undefined, reject: Reject): void {
    if (this.#isClosed) {
      reject(producerClosed(`deliver a record to topic '${record.topic}'`));
      return;
    }
    const line = this.#topicLines.get(record.topic);
    const topic = this.#transport.topic(record.topic);
    if (line !== undefined) this.#joinLine(line.sends, { record, resolve, reject });
    else if (topic === undefined) this.#loadTopic(record.topic, { record, resolve, reject });
    else if (this.#budget.isOpen) this.#append(record, topic, resolve, reject);
    else this.#waitForRoom({ record, resolve, reject });
  }

  #joinLine(sends: PendingRecord<K, V>[], send: PendingRecord<K, V>): void {
    const { waitingSendsMax } = this.#settings;
    if (sends.length < waitingSendsMax) sends.push(send);
    else send.reject(bufferFull(this.#budget.usedBytes, `${waitingSendsMax} sends wait already (waitingSendsMax)`));
  }

  /** Opens a line for a topic whose partitions are not known, and lets it pass when they are. */
  #loadTopic(topic: string, first: PendingRecord<K, V>): void {
    const sends = [first];
    const passed = this.#transport.loadTopic(topic, this.#settings.blockMsMax).then(
      () => {
        this.#topicLines.delete(topic);
        for (const send of sends) this.#enqueue(send.record, send.resolve, send.reject);
        this.#wakeReady();
      },
      (error: unknown) => {
        this.#topicLines.delete(topic);
        for (const send of sends) send.reject(error instanceof Error ? error : new Error(String(error)));
        this.#wakeReady();
      },
    );
    this.#topicLines.set(topic, { sends, passed });
  }

  #waitForRoom(send: PendingRecord<K, V>): void {
    const { onBufferFull, waitingSendsMax, blockMsMax } = this.#settings;
    if (onBufferFull === 'fail') {
      send.reject(bufferFull(this.#budget.usedBytes, "onBufferFull is 'fail'"));
    } else if (this.#budget.waitingCount >= waitingSendsMax) {
      send.reject(bufferFull(this.#budget.usedBytes, `${waitingSendsMax} sends wait already (waitingSendsMax)`));
    } else {
      this.#budget.wait(
        () => {
          const topic = this.#transport.topic(send.record.topic);
          if (topic !== undefined) this.#append(send.record, topic, send.resolve, send.reject);
          else this.#enqueue(send.record, send.resolve, send.reject);
        },
        () => {
          send.reject(
            this.#closing === undefined
              ? bufferFull(this.#budget.usedBytes, `none came free within ${blockMsMax} ms`)
              : producerClosed(`send a record to topic '${send.record.topic}'`),
          );
        },
      );
    }
  }

  #append(record: ProducerRecord<K, V>, topic: TopicPartitions, resolve: Resolve | undefined, reject: Reject): void {
    try {
      const key = serialize(this.#keySerializer, record.key ?? null, record.topic, 'key');
      const value = serialize(this.#valueSerializer, record.value, record.topic, 'value');
      const partition = record.partition ?? this.#partitionFor(record.topic, key, topic);
      this.#checkRecord(record, topic, partition, key, value);
      const headers = headersToSend(record.topic, partition, headerList(record.headers));
      const timestamp = record.timestamp ?? this.#clock.now();
      const queue = this.#accumulator.queue(record.topic, partition);
      const batch = this.#accumulator.batchFor(queue, key, value, headers);
      this.#budget.take(batch.append(timestamp, key, value, headers));
      batch.notify(timestamp, resolve, reject);
      this.#recordsSent++;
      this.#sender.wake();
    } catch (error) {
      reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #partitionFor(topic: string, key: Bytes | null, { partitionCount, availablePartitions }: TopicPartitions): number {
    return this.#partitioner.partition({ topic, key, partitionCount, availablePartitions });
  }

  #checkRecord(
    record: ProducerRecord<K, V>,
    topic: TopicPartitions,
    partition: number,
    key: Bytes | null,
    value: Bytes | null,
  ): void {
    if (!Number.isInteger(partition) || partition < 0 || partition >= topic.partitionCount) {
      throw new ProducerError(
        'PRODUCER_INVALID_RECORD',
        `cannot send to partition ${partition} of topic '${record.topic}': it has partitions 0 to ${topic.partitionCount - 1}`,
      );
    }
    const bytes = (key?.length ?? 0) + (value?.length ?? 0) + RECORD_OVERHEAD_BYTES;
    if (bytes > this.#settings.requestBytesMax)
      throw recordTooLarge(record.topic, bytes, this.#settings.requestBytesMax);
  }

  #batchDone(batch: ProduceBatch, error: Error | undefined): void {
    this.#batchesFinished++;
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

  /** Resolves when every topic that is being asked for now is known, or will not be. */
  async #topicsKnown(): Promise<void> {
    await Promise.all([...this.#topicLines.values()].map((line) => line.passed));
  }

  /** Resolves when everybody who waits for room now has got it or has been turned away. */
  #lineEnd(): Promise<void> {
    if (this.#budget.waitingCount === 0) return Promise.resolve();
    return new Promise((resolve) => this.#budget.wait(resolve, resolve));
  }

  async #close(timeoutMs: number): Promise<void> {
    let timer: { cancel(): void } | undefined;
    const timedOut = new Promise<void>((resolve) => {
      timer = this.#clock.schedule(timeoutMs, resolve);
    });
    try {
      await Promise.race([this.flush(), timedOut]);
    } finally {
      timer?.cancel();
      this.#isClosed = true;
      this.#budget.close();
      this.#sender.close(producerClosed('deliver a record'));
      this.#settings.memory.close();
      for (const waiter of this.#readyWaiters.splice(0)) waiter();
      await this.#client.close();
    }
    // What the timeout cut off has failed only now.
    this.#losses.throwIfAny();
  }
}

/** A send that waits for its topic or for room. */
interface PendingRecord<K, V> {
  readonly record: ProducerRecord<K, V>;
  readonly resolve: Resolve | undefined;
  readonly reject: Reject;
}

function serialize<T>(
  serializer: Serializer<T> | undefined,
  content: T | null | undefined,
  topic: string,
  part: 'key' | 'value',
): Bytes | null {
  if (content === null || content === undefined) return null;
  if (serializer !== undefined) return serializer.serialize(content, topic, part);
  if (typeof content === 'string' || content instanceof Uint8Array) return content;
  throw new ProducerError(
    'PRODUCER_INVALID_RECORD',
    `cannot send a ${part} of type ${typeof content} to topic '${topic}': give a string, bytes or null, or set ${part}Serializer`,
  );
}
