import { KafkaClient } from '@millrace/client';
import { atMost, clientOptionsOf, takeNoMore } from '@millrace/client/internal';
import {
  checkAssignment,
  checkBatchesOptions,
  checkCloseOptions,
  checkIsWanted,
  checkOffsets,
  checkPlace,
  checkPlaces,
  checkSeekTarget,
  checkTimestamp,
  surplus,
} from './arguments.ts';
import type { AssignedPartition } from './assigned-partition.ts';
import { ClientCluster, ClientCoordinator } from './client-cluster.ts';
import { ConsumerEngine, type GroupJoined } from './engine.ts';
import { commitOfLost, noGroup } from './errors.ts';
import { type ConsumerMetrics, collectMetrics } from './metrics.ts';
import type { OffsetToCommit } from './offsets/offset-committer.ts';
import { fetchCommitted } from './offsets/offset-queries.ts';
import { type ConsumerOptions, consumerSettings, type TopicPartition } from './options.ts';
import { ConsumerBatch, decodeBatch } from './reading/consumer-batch.ts';
import { AwaitingIterator, BatchIterator, RecordIterator, ScanIterator } from './reading/iterators.ts';
import { startRun } from './reading/run.ts';
import type { RunOptions } from './reading/run-options.ts';
import type { ScannedBatch } from './reading/scanned-batch.ts';
import {
  type ConsumerGroupMetadata,
  inTransactions,
  isOfGoneGeneration,
  type TransactionalRunOptions,
} from './reading/transactional-run.ts';
import { ConsumerRecord, decodeRecord, type UnmadeRecord } from './record.ts';

/** Sockets that are closed need no longer than this, though the time of `close` be over, in milliseconds. */
const CONNECTIONS_CLOSE_MS = 100;

/** A partition to be read by hand, and where from. */
export interface ManualAssignment extends TopicPartition {
  /** The first offset to be read. By default what the group has committed, else by `autoOffsetReset`. */
  readonly offset?: number | undefined;
}

/** What a group has committed for a partition. */
export interface CommittedOffset extends TopicPartition {
  /** The offset of the next record to be processed; undefined where nothing is committed. */
  readonly offset: number | undefined;
  /** The note that was committed with it. */
  readonly metadata: string;
}

/** How far a consumer is behind. */
export interface PartitionLag extends TopicPartition {
  /** The offset of the next record to be handed out; undefined while it is looked up. */
  readonly position: number | undefined;
  /** Where the log ended for this consumer when it was last heard of; undefined before the first fetch. */
  readonly endOffset: number | undefined;
  /** Records between the two; undefined where one of them is not known. */
  readonly lag: number | undefined;
}

/** How batches are cut. */
export interface BatchesOptions {
  /** The most records of one batch. By default what has come of a partition, at most as much as one fetch may bring (`partitionBytesMax`). */
  readonly recordsMax?: number | undefined;
}

/**
 * Reads records from a Kafka cluster: as a member of a group that shares the partitions, or partitions assigned by hand.
 *
 * It connects when something is subscribed or assigned. Records come in order within their partition. With `autoCommit`, what was
 * processed is committed by and by: a record counts as processed when its handler is done, or when the loop asks for the next one.
 *
 * @example
 * const consumer = new Consumer({ bootstrapServers: 'localhost:9092', groupId: 'billing', valueDeserializer: stringSerde });
 * consumer.subscribe('orders');
 * for await (const record of consumer) console.log(record.offset, record.value);
 */
export class Consumer<K = Buffer, V = Buffer> implements AsyncIterable<ConsumerRecord<K, V>>, AsyncDisposable {
  readonly #client: KafkaClient;
  readonly #engine: ConsumerEngine;
  #closing: Promise<void> | undefined;

  static {
    const promising = { unsubscribe: 0, run: 1, commit: 1, committed: 1, close: 1 } as const;
    takeNoMore(Consumer.prototype, promising, (fault) => Promise.reject(surplus(fault)));
    const others = {
      subscribe: 1,
      assign: 1,
      batches: 1,
      scan: 1,
      seek: 1,
      seekToBeginning: 1,
      seekToEnd: 1,
      seekToTimestamp: 2,
      pause: 1,
      resume: 1,
      position: 1,
      lag: 0,
      metrics: 0,
    } as const;
    takeNoMore(Consumer.prototype, others, (fault) => {
      throw surplus(fault);
    });
  }

  /** @throws ConsumerError `CONSUMER_INVALID_OPTION`; InvalidOptionError for options of the connection. */
  constructor(options: ConsumerOptions<K, V>) {
    const settings = consumerSettings(options as ConsumerOptions<never, never>);
    // Which topics may be created is decided by who asks for them.
    this.#client = new KafkaClient({ ...clientOptionsOf(options), allowAutoTopicCreation: false });
    const { clock, random, logger, hasLogger } = this.#client.settings;
    const { groupId } = settings;
    this.#engine = new ConsumerEngine(
      settings,
      {
        decoders: { key: options.keyDeserializer, value: options.valueDeserializer },
        listeners: {
          onPartitionsAssigned: options.onPartitionsAssigned,
          onPartitionsRevoked: options.onPartitionsRevoked,
          onPartitionsLost: options.onPartitionsLost,
        },
      },
      {
        cluster: new ClientCluster(this.#client, options.allowAutoTopicCreation ?? true),
        coordinator: groupId === undefined ? undefined : new ClientCoordinator(this.#client, groupId),
        clock,
        random,
        logger,
        hasLogger,
      },
    );
  }

  /**
   * Resolves when the group has given this member its partitions for the first time, which may be none. Rejects when the group
   * refuses it for good, or the consumer is closed before; at once without a `groupId`, and where partitions were assigned by hand.
   */
  get joined(): Promise<GroupJoined> {
    return this.#engine.joined;
  }

  /** The partitions that are read now, by assignment of the group or by hand. */
  get assignment(): readonly TopicPartition[] {
    return [...this.#engine.partitions].map(placeOf);
  }

  /** The topics that are subscribed: names, and what regular expressions match at present. */
  get subscription(): readonly string[] {
    return this.#engine.subscribedTopics;
  }

  /** The member's id in its group; empty before it has joined. */
  get memberId(): string {
    return this.#engine.membership?.memberId ?? '';
  }

  /**
   * As whom offsets are committed, for a producer that commits them in a transaction. When partitions are lost while a loop or a handler has
   * something of them in hand, it stays what it was until that asks for more, so that brokers refuse offsets that may be others' by then.
   * @throws ConsumerError `CONSUMER_NO_GROUP` without a groupId
   */
  get groupMetadata(): ConsumerGroupMetadata {
    const { groupId, groupInstanceId } = this.#engine.settings;
    if (groupId === undefined) throw noGroup('tell of its group');
    const { memberId, generationId } = this.#engine.readAs;
    return { groupId, memberId, generationId, groupInstanceId };
  }

  /**
   * Reads topics as a member of the group, which starts joining it. Regular expressions are matched against all topics, new ones
   * included. Called again, it replaces what was subscribed.
   * A topic that is named and does not exist may be created by that, once, where `allowAutoTopicCreation` and the brokers allow it.
   * @throws ConsumerError `CONSUMER_INVALID_ARGUMENT`; `CONSUMER_NO_GROUP` without a groupId; `CONSUMER_INVALID_STATE` where partitions were assigned by hand
   */
  subscribe(topics: string | RegExp | Iterable<string | RegExp>): void {
    this.#engine.subscribe(topics);
  }

  /**
   * Reads these partitions and no others; nobody else is kept from reading them. Called again, it replaces them: those that stay
   * without a new offset are read on where they are.
   * @throws ConsumerError `CONSUMER_INVALID_STATE` where topics are subscribed; `CONSUMER_INVALID_ARGUMENT`
   */
  assign(partitions: readonly ManualAssignment[]): void {
    checkAssignment(partitions);
    this.#engine.assign(partitions);
  }

  /**
   * Stops reading: handlers of `run` finish what they have in hand, what is processed is committed, the member leaves its group.
   * Loops and a `run` that are under way wait for what is subscribed or assigned next.
   */
  unsubscribe(): Promise<void> {
    return this.#engine.unsubscribe();
  }

  /**
   * Record by record. Leaving the loop leaves the record in hand unprocessed: `commit` it before, if it is done.
   * A loop that begins when nothing is subscribed or assigned throws ConsumerError `CONSUMER_INVALID_STATE`; after `close`, `CONSUMER_CLOSED`.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<ConsumerRecord<K, V>, undefined> {
    const records = new RecordIterator<K, V>(this.#engine);
    return this.#engine.decodesFirst ? new AwaitingIterator(records, decodeRecord, this.#engine.over) : records;
  }

  /** Batch by batch: what has come of one partition, at most as much as one fetch may bring. Refused as a loop over records is. */
  batches(options: BatchesOptions = {}): AsyncIterableIterator<ConsumerBatch<K, V>, undefined> {
    checkBatchesOptions(options);
    const batches = new BatchIterator<K, V>(this.#engine, options.recordsMax ?? Number.POSITIVE_INFINITY);
    return this.#engine.decodesFirst ? new AwaitingIterator(batches, decodeBatch, this.#engine.over) : batches;
  }

  /**
   * Goes through what has come, fetch by fetch, and makes of the records those alone that are wanted: the quickest way to look for few among
   * many. What says which is asked for each record in turn and looks at the bytes where they lie. Refused as a loop over records is.
   * @param isWanted what it throws ends the loop, and what it was looking at comes again
   * @throws ConsumerError `CONSUMER_INVALID_ARGUMENT` for what is no function
   * @example
   * const wanted = consumer.scan(({ data, valueStart, valueBytes }) => valueBytes > 0 && data[valueStart] === 0x7b);
   * for await (const { records, nextOffset } of wanted) console.log(`${records.length} objects before offset ${nextOffset}`);
   */
  scan(
    isWanted: (record: UnmadeRecord, place: TopicPartition) => boolean,
  ): AsyncIterableIterator<ScannedBatch<K, V>, undefined> {
    checkIsWanted(isWanted);
    const batches = new ScanIterator<K, V>(this.#engine, isWanted);
    return this.#engine.decodesFirst ? new AwaitingIterator(batches, decodeBatch, this.#engine.over) : batches;
  }

  /**
   * Has a handler called for each batch in a transaction of a producer, which commits what the handler sent and how far the batch goes
   * together: consume, transform and produce, each record once, over crashes and rebalances. For a consumer with a `groupId`,
   * `autoCommit: false` and `isolationLevel: 'read_committed'`.
   */
  run(options: TransactionalRunOptions<K, V>): Promise<void>;
  /**
   * Has handlers called for records or batches, several partitions at once, each in its order. Resolves when the consumer is
   * closed: when the handlers have ended, or when `close` has waited for them in vain (one that never ends, though its `signal` has
   * fired, is left, which is logged). Use `joined` to learn when it has partitions.
   * @throws what a handler threw, after the others have finished: ConsumerError `CONSUMER_HANDLER_FAILED` with the cause. What was
   *   processed stays processed; `run` again reads on from there. With `retry` and `deadLetter` it need not come to that. At once:
   *   `CONSUMER_INVALID_STATE` where nothing is subscribed or assigned, and while another `run` is under way; `CONSUMER_CLOSED`;
   *   `CONSUMER_INVALID_OPTION`
   */
  run(options: RunOptions<K, V>): Promise<void>;
  async run(options: RunOptions<K, V> | TransactionalRunOptions<K, V>): Promise<void> {
    const { random } = this.#client.settings;
    if (!isTransactional(options)) return startRun(this.#engine, random, options);
    const { settings } = this.#engine;
    const inOrder = inTransactions(options, settings, {
      metadata: () => this.groupMetadata,
      refused: (errorCode, identity) => void this.#engine.membership?.refused(errorCode, identity),
    });
    return startRun(this.#engine, random, inOrder, isOfGoneGeneration);
  }

  /**
   * Commits: without an argument, what is processed; with a record or batch, that and all before it in its partition, which then
   * count as processed; with a list, those offsets, each that of the next record to be processed.
   * @throws ConsumerError `CONSUMER_COMMIT_FAILED` when the partitions are others' already; `CONSUMER_REBALANCE_IN_PROGRESS`, which
   *   passes; `CONSUMER_NO_GROUP`; `CONSUMER_INVALID_ARGUMENT`; BrokerError, also for a topic that is gone; ApiTimedOutError
   */
  async commit(what?: ConsumerRecord<K, V> | ConsumerBatch<K, V> | readonly OffsetToCommit[]): Promise<void> {
    if (what === undefined) {
      await this.#engine.commit(this.#engine.keeper.processed(this.#engine.partitions));
    } else if (what instanceof ConsumerRecord) {
      await this.#commitUpTo(what.topic, what.partition, what.offset + 1, what.leaderEpoch);
    } else if (what instanceof ConsumerBatch) {
      const last = what.records[what.records.length - 1] as ConsumerRecord<K, V>;
      await this.#commitUpTo(what.topic, what.partition, what.nextOffset, last.leaderEpoch);
    } else {
      checkOffsets(what);
      await this.#engine.commit(what);
    }
  }

  /**
   * Reads on at an offset; what was handed out before no longer counts as processed or not.
   * @throws ConsumerError `CONSUMER_NOT_ASSIGNED`; `CONSUMER_INVALID_ARGUMENT` for an offset that is not a whole number of at least 0
   */
  seek(to: TopicPartition & { readonly offset: number }): void {
    checkSeekTarget(to);
    this.#engine.seek(to.topic, to.partition, to.offset);
  }

  /**
   * Reads partitions from their beginning; all of them by default.
   * @throws ConsumerError `CONSUMER_NOT_ASSIGNED`, also where no partition is assigned yet: await `joined` before
   */
  seekToBeginning(partitions?: readonly TopicPartition[]): void {
    this.#engine.seekBy(this.#states(partitions, 'seek'), { from: 'beginning' });
  }

  /**
   * Reads partitions from their end: only what is written from now on. All of them by default.
   * @throws as {@link seekToBeginning}
   */
  seekToEnd(partitions?: readonly TopicPartition[]): void {
    this.#engine.seekBy(this.#states(partitions, 'seek'), { from: 'end' });
  }

  /**
   * Reads partitions from the first record that is not older; from their end where there is none. All of them by default.
   * @param timestamp milliseconds since the Unix epoch, or a Date
   * @throws ConsumerError `CONSUMER_NOT_ASSIGNED`; `CONSUMER_INVALID_ARGUMENT`
   */
  seekToTimestamp(timestamp: number | Date, partitions?: readonly TopicPartition[]): void {
    const lookup = { from: 'timestamp', timestamp: checkTimestamp(timestamp) } as const;
    this.#engine.seekBy(this.#states(partitions, 'seek'), lookup);
  }

  /**
   * Hands out nothing more of these partitions until they are resumed; all of them by default. They stay this member's.
   * @throws as {@link seekToBeginning}
   */
  pause(partitions?: readonly TopicPartition[]): void {
    this.#engine.pause(this.#states(partitions, 'pause'));
  }

  /**
   * Ends a pause; of all partitions by default.
   * @throws as {@link seekToBeginning}
   */
  resume(partitions?: readonly TopicPartition[]): void {
    this.#engine.resume(this.#states(partitions, 'resume'));
  }

  /** The partitions that are paused. */
  get paused(): readonly TopicPartition[] {
    return [...this.#engine.partitions].filter(({ paused }) => paused).map(placeOf);
  }

  /**
   * The offset of the next record to be handed out; undefined while it is looked up.
   * @throws ConsumerError `CONSUMER_NOT_ASSIGNED`
   */
  position(place: TopicPartition): number | undefined {
    checkPlace(place, 'tell the position');
    const { topic, partition } = place;
    const { position } = this.#engine.state(topic, partition, 'tell the position');
    return position < 0 ? undefined : position;
  }

  /**
   * What the group has committed, asked for now; for the partitions that are read by default.
   * @throws ConsumerError `CONSUMER_NO_GROUP`; BrokerError; ApiTimedOutError
   */
  async committed(partitions: readonly TopicPartition[] = this.assignment): Promise<CommittedOffset[]> {
    checkPlaces(partitions, 'tell committed offsets');
    const { coordinator, settings } = this.#engine;
    const { groupId } = settings;
    if (coordinator === undefined || groupId === undefined) throw noGroup('tell committed offsets');
    const answers = await this.#engine.retrying(`ask for the offsets of group "${groupId}"`, async () => {
      try {
        return await fetchCommitted(coordinator, groupId, partitions, false);
      } catch (error) {
        coordinator.forget();
        throw error;
      }
    });
    return answers.map(({ topic, partition, offset, metadata }) => ({
      topic,
      partition,
      offset: offset < 0 ? undefined : offset,
      metadata,
    }));
  }

  /** How far each partition that is read is behind, as far as is known without asking. */
  lag(): PartitionLag[] {
    const { readCommitted } = this.#engine.settings;
    return [...this.#engine.partitions].map((state) => {
      const position = state.position < 0 ? undefined : state.position;
      const end = state.endOffset(readCommitted);
      const endOffset = end < 0 ? undefined : end;
      const lag = position === undefined || endOffset === undefined ? undefined : Math.max(endOffset - position, 0);
      return { ...placeOf(state), position, endOffset, lag };
    });
  }

  /** Counters and what is held at this moment. */
  metrics(): ConsumerMetrics {
    return collectMetrics(this.#engine);
  }

  /**
   * Ends reading: handlers of `run` finish what they have in hand, what is processed is committed, the member leaves its group (a
   * static one stays), connections are closed. Loops end; a record in a loop's hands is not processed. Safe to call twice. A handler
   * must not wait for it.
   * @param options.timeoutMs it is done by then, whatever happens, and `run` has ended: handlers that still run are left, and what is
   *   not committed is read again. `closeTimeoutMs` by default
   */
  async close(options: { readonly timeoutMs?: number | undefined } = {}): Promise<void> {
    checkCloseOptions(options);
    this.#closing ??= this.#close(options.timeoutMs ?? this.#engine.settings.closeTimeoutMs);
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(timeoutMs: number): Promise<void> {
    const { clock } = this.#client.settings;
    const endMs = clock.monotonic() + timeoutMs;
    try {
      await atMost(clock, timeoutMs, this.#engine.close(timeoutMs));
    } finally {
      // Ends whatever is still under way.
      await atMost(clock, Math.max(endMs - clock.monotonic(), CONNECTIONS_CLOSE_MS), this.#client.close());
    }
  }

  async #commitUpTo(topic: string, partition: number, offset: number, leaderEpoch: number): Promise<void> {
    const { partitions, settings, isSubscribed } = this.#engine;
    if (isSubscribed && partitions.get(topic, partition) === undefined) {
      throw commitOfLost(settings.groupId ?? '', topic, partition);
    }
    const state = this.#engine.state(topic, partition, 'commit');
    this.#engine.delivery.leaseOf(state)?.finishUpTo(offset, leaderEpoch);
    await this.#engine.commit([{ topic, partition, offset, leaderEpoch }]);
  }

  #states(partitions: readonly TopicPartition[] | undefined, attempt: string): AssignedPartition[] {
    if (partitions === undefined) return this.#engine.allStates(attempt);
    checkPlaces(partitions, attempt);
    return partitions.map(({ topic, partition }) => this.#engine.state(topic, partition, attempt));
  }
}

function placeOf({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition };
}

function isTransactional<K, V>(
  options: RunOptions<K, V> | TransactionalRunOptions<K, V>,
): options is TransactionalRunOptions<K, V> {
  return (
    typeof options === 'object' &&
    options !== null &&
    'transactionalProducer' in options &&
    options.transactionalProducer !== undefined
  );
}
