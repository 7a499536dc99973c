import { backoffMs, KafkaError, type Logger } from '@millrace/client';
import { pauseMsMax } from '@millrace/client/internal';
import { type Clock, holdingClock, type Random, runInMicrotask, systemClock, type Timer } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import type { Accumulator } from './accumulator.ts';
import { asError, batchError, batchFailed, deliveryTimeout, ProducerError } from './errors.ts';
import type { ProducerIdentitySource } from './identity.ts';
import { LostLeaders, NEW_LEADER_PAUSE_MS } from './lost-leaders.ts';
import { isRetriable, needsEpochBump, needsMetadata } from './outcome.ts';
import type { PartitionQueue } from './partition-queue.ts';
import type { ProduceBatch } from './produce-batch.ts';
import type { BatchOutcome, OutgoingBatch, ProduceTransport } from './produce-transport.ts';

/** The sender's part of the producer's options, all filled in. */
export interface SenderSettings {
  readonly acknowledged: boolean;
  readonly idempotent: boolean;
  /** Records go in transactions, which the transaction manager begins and ends. */
  readonly isTransactional: boolean;
  readonly lingerMs: number;
  readonly requestBytesMax: number;
  readonly inFlightRequestsMax: number;
  readonly deliveryTimeoutMs: number;
  readonly retryBackoffMs: number;
  readonly retryBackoffMsMax: number;
}

/** Without sequences a retry could overtake the batch after it, so a partition has one batch in flight (as `max.in.flight=1`). */
const IN_FLIGHT_PER_PARTITION_UNORDERED = 1;

/** So many batches of a producer a leader knows again (Kafka's `NUM_BATCHES_TO_RETAIN`): one before them that comes again is refused though it is there. */
const BATCHES_REMEMBERED = 5;

/** What one drain has collected for one broker. */
interface OutgoingRequest {
  readonly queues: PartitionQueue[];
  readonly batches: ProduceBatch[];
  bytes: number;
}

/**
 * Moves batches from the accumulator to their leaders: decides when one is ready, groups what goes to one broker into one
 * request, keeps the order of a partition through errors, and settles every batch exactly once.
 */
export class Sender {
  readonly #accumulator: Accumulator;
  readonly #transport: ProduceTransport;
  readonly #identity: ProducerIdentitySource;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #settings: SenderSettings;
  readonly #batchDone: (batch: ProduceBatch, error?: Error) => void;
  readonly #retried: () => void;
  readonly #mayProduce: (topic: string, partition: number) => boolean;
  readonly #gaveUp: (error: Error) => void;
  readonly #told: (error: Error) => Error;
  /** Why nothing is tried again now: the transaction is being aborted. */
  #abandoned: Error | undefined;
  readonly #inFlightByBroker = new Map<number, number>();
  readonly #staleTopics = new Set<string>();
  readonly #lostLeaders: LostLeaders;
  #refreshing = false;
  #hurried = 0;
  #drainScheduled = false;
  #wakeTimer: Timer | undefined;
  #wakeTimerMs = Number.POSITIVE_INFINITY;
  #identityRetryAtMs = 0;
  #identityFailures = 0;
  #closed = false;

  constructor(parts: {
    accumulator: Accumulator;
    transport: ProduceTransport;
    identity: ProducerIdentitySource;
    clock: Clock;
    random: Random;
    logger: Logger;
    settings: SenderSettings;
    /** Called once for every batch that has been acknowledged, or has failed with an error. The halves of a split batch count for themselves. */
    batchDone: (batch: ProduceBatch, error?: Error) => void;
    /** Called for every batch that is put back to be sent again. */
    retried?: () => void;
    /** Whether a partition belongs to the transaction; whoever says no wakes the sender when it does. */
    mayProduce?: ((topic: string, partition: number) => boolean) | undefined;
    /** Called for every batch that has failed. */
    gaveUp?: ((error: Error) => void) | undefined;
    /** What a failure is told as: of some, the transaction knows more than the broker says. */
    told?: ((error: Error) => Error) | undefined;
  }) {
    this.#accumulator = parts.accumulator;
    this.#transport = parts.transport;
    this.#identity = parts.identity;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#logger = parts.logger;
    this.#settings = parts.settings;
    this.#batchDone = parts.batchDone;
    this.#retried = parts.retried ?? (() => {});
    this.#mayProduce = parts.mayProduce ?? (() => true);
    this.#gaveUp = parts.gaveUp ?? (() => {});
    this.#told = parts.told ?? ((error) => error);
    const leaderOf = (topic: string, partition: number): number | undefined =>
      this.#transport.leaderOf(topic, partition);
    this.#lostLeaders = new LostLeaders(leaderOf, this.#settings, this.#random);
  }

  /** Looks for something to send once the caller's turn is over, so that sends of one turn share a batch. */
  wake(): void {
    if (this.#drainScheduled || this.#closed) return;
    this.#drainScheduled = true;
    runInMicrotask(this.#runDrain);
  }

  /** Sends what comes without waiting for linger, until the returned function is called. */
  hurry(): () => void {
    this.#hurried += 1;
    this.wake();
    return () => {
      this.#hurried -= 1;
    };
  }

  /** Fails what is not under way, and tries nothing again until {@link Sender.resume}. */
  abandon(error: Error): void {
    this.#abandoned = error;
    for (const queue of this.#accumulator.active) {
      this.#accumulator.seal(queue);
      for (const batch of queue.waiting.splice(0)) this.#giveUp(queue, batch, error);
    }
    this.wake();
  }

  /** A new transaction has begun. */
  resume(): void {
    this.#abandoned = undefined;
  }

  /** Fails everything that is left and stops. */
  close(error: Error): void {
    this.#closed = true;
    this.#wakeTimer?.cancel();
    for (const queue of this.#accumulator.active) {
      for (const batch of queue.batches()) this.#fail(batch, error);
      queue.open = undefined;
      queue.waiting.length = 0;
      queue.inFlight.length = 0;
    }
    this.#accumulator.active.clear();
  }

  readonly #runDrain = (): void => {
    this.#drainScheduled = false;
    if (!this.#closed) this.#guarded(() => this.#drain());
  };

  /** Nobody awaits what is done here: what throws must neither end the process nor stop what comes later. */
  #guarded(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#logger.error({ err: error }, 'the producer hit an error of its own; it goes on with the next attempt');
      const nowMs = this.#clock.monotonic();
      this.#wakeAt(nowMs + this.#settings.retryBackoffMsMax, nowMs);
    }
  }

  #drain(): void {
    const nowMs = this.#clock.monotonic();
    // One pass takes one batch of a partition, so that all partitions share a request; passes go on while requests may.
    while (this.#sendRound(nowMs));
    this.#maintainIdentity(nowMs);
    for (const topic of this.#lostLeaders.due(this.#accumulator.active, nowMs)) this.#staleTopics.add(topic);
    this.#refreshStaleTopics();
    this.#wakeAt(this.#lostLeaders.lookAtMs, nowMs);
    if (this.#identityRetryAtMs > nowMs) this.#wakeAt(this.#identityRetryAtMs, nowMs);
  }

  /** Sends at most one batch of every partition; returns whether it sent any. */
  #sendRound(nowMs: number): boolean {
    let nextWakeMs = Number.POSITIVE_INFINITY;
    const requests = new Map<number, OutgoingRequest>();
    for (const queue of this.#accumulator.active) {
      this.#expire(queue, nowMs);
      if (queue.isIdle) {
        this.#accumulator.active.delete(queue);
        continue;
      }
      nextWakeMs = Math.min(nextWakeMs, this.#inFlightDeadlineMs(queue));
      const batch = queue.head;
      if (batch === undefined) continue;
      nextWakeMs = Math.min(nextWakeMs, batch.createdMs + this.#settings.deliveryTimeoutMs);
      const readyMs = this.#readyAt(queue, batch, nowMs);
      if (readyMs > nowMs) {
        nextWakeMs = Math.min(nextWakeMs, readyMs);
        continue;
      }
      this.#collect(queue, batch, requests, nowMs);
    }
    for (const [brokerId, request] of requests) this.#send(brokerId, request);
    this.#wakeAt(nextWakeMs, nowMs);
    return requests.size > 0;
  }

  /** When the head of a queue may go; Infinity where something else than time has to happen first. */
  #readyAt(queue: PartitionQueue, batch: ProduceBatch, nowMs: number): number {
    const retried = batch.attempts > 0;
    if (queue.inFlight.length >= this.#inFlightPerPartitionMax) return Number.POSITIVE_INFINITY;
    // Where a leader was replaced, answers of the new one may come before one that the old one owes.
    if (this.#settings.idempotent && queue.sentSinceOldest >= BATCHES_REMEMBERED) return Number.POSITIVE_INFINITY;
    // A batch that is sent again goes alone: whether those after it are wanted shows in its answer.
    if (queue.inFlight.length > 0 && (retried || queue.inFlight[0]!.attempts > 1)) return Number.POSITIVE_INFINITY;
    if (queue.inFlight.length > 0 && this.#settings.idempotent && !queue.isKnownToLeader) {
      return Number.POSITIVE_INFINITY;
    }
    if (queue.retryAtMs > nowMs) return queue.retryAtMs;
    if (this.#settings.idempotent && batch.baseSequence < 0 && this.#identity.current === undefined) {
      return Number.POSITIVE_INFINITY;
    }
    if (this.#settings.isTransactional && !this.#mayProduce(queue.topic, queue.partition)) {
      return Number.POSITIVE_INFINITY;
    }
    if (retried || queue.waiting.length > 0 || this.#hurried > 0) return nowMs;
    return batch.createdMs + this.#settings.lingerMs;
  }

  get #inFlightPerPartitionMax(): number {
    const { idempotent, acknowledged, inFlightRequestsMax } = this.#settings;
    return idempotent || !acknowledged ? inFlightRequestsMax : IN_FLIGHT_PER_PARTITION_UNORDERED;
  }

  #collect(queue: PartitionQueue, batch: ProduceBatch, requests: Map<number, OutgoingRequest>, nowMs: number): void {
    const leader = this.#transport.leaderOf(queue.topic, queue.partition);
    if (leader === undefined) {
      // For one that was lost it is looked anyway.
      if (queue.lostLeader === undefined) this.#staleTopics.add(queue.topic);
      const why = `partition ${queue.partition} of topic '${queue.topic}' has no leader that can be reached`;
      this.#holdBack(queue, nowMs, new Error(why));
      queue.lostLeader ??= -1;
      if (queue.failures === 1) this.#logger.warn({ topic: queue.topic, partition: queue.partition }, why);
      this.#wakeAt(queue.retryAtMs, nowMs);
      return;
    }
    if ((this.#inFlightByBroker.get(leader) ?? 0) >= this.#settings.inFlightRequestsMax) return;
    let request = requests.get(leader);
    if (request === undefined) {
      request = { queues: [], batches: [], bytes: 0 };
      requests.set(leader, request);
    }
    // A request of one batch is sent whatever its size: the broker is who tells that it is too large.
    if (request.batches.length > 0 && request.bytes + batch.sizeBytes > this.#settings.requestBytesMax) return;
    if (batch === queue.open) this.#accumulator.seal(queue);
    queue.waiting.shift();
    if (this.#settings.idempotent) queue.assignSequence(batch, this.#identity.current ?? batch.identity!);
    request.queues.push(queue);
    request.batches.push(batch);
    request.bytes += batch.sizeBytes;
    queue.sent(batch);
  }

  #send(brokerId: number, collected: OutgoingRequest): void {
    const request: OutgoingRequest = { queues: [], batches: [], bytes: 0 };
    const outgoing: OutgoingBatch[] = [];
    for (let index = 0; index < collected.batches.length; index += 1) {
      const queue = collected.queues[index]!;
      const batch = collected.batches[index]!;
      const records = this.#build(queue, batch);
      if (records === undefined) continue;
      batch.attempts += 1;
      request.queues.push(queue);
      request.batches.push(batch);
      outgoing.push({ topic: batch.topic, partition: batch.partition, records });
    }
    if (outgoing.length === 0) return;
    this.#inFlightByBroker.set(brokerId, (this.#inFlightByBroker.get(brokerId) ?? 0) + 1);
    this.#transport.produce(brokerId, outgoing).then(
      (outcomes) => this.#guarded(() => this.#answered(brokerId, request, outcomes)),
      (error: unknown) => this.#guarded(() => this.#unanswered(brokerId, request, error)),
    );
  }

  /** The bytes of a batch; undefined for one that cannot be built or compressed, whose records have been told. */
  #build(queue: PartitionQueue, batch: ProduceBatch): Buffer | undefined {
    try {
      return batch.bytes();
    } catch (error) {
      queue.removeInFlight(batch);
      this.#giveUp(queue, batch, batchFailed(batch, error));
      return undefined;
    }
  }

  #answered(brokerId: number, request: OutgoingRequest, outcomes: readonly BatchOutcome[] | undefined): void {
    this.#requestOver(brokerId);
    if (this.#closed) return;
    for (let index = 0; index < request.batches.length; index += 1) {
      const queue = request.queues[index]!;
      const batch = request.batches[index]!;
      queue.removeInFlight(batch);
      const outcome = outcomes?.[index];
      if (outcome === undefined) this.#acknowledge(queue, batch, -1, -1);
      else this.#settle(queue, batch, outcome);
      if (outcome !== undefined && needsMetadata(outcome.errorCode)) this.#lostLeaders.lost(queue, brokerId);
    }
    this.wake();
  }

  #unanswered(brokerId: number, request: OutgoingRequest, error: unknown): void {
    this.#requestOver(brokerId);
    if (this.#closed) return;
    const reason = asError(error);
    const retriable = error instanceof KafkaError ? error.retriable : false;
    for (let index = 0; index < request.batches.length; index += 1) {
      const queue = request.queues[index]!;
      const batch = request.batches[index]!;
      queue.removeInFlight(batch);
      if (queue.isBeyondGap(batch)) batch.clearSequence();
      else batch.outcomeUnknown = true;
      this.#staleTopics.add(queue.topic);
      // With acks 0 too, as in Java: what never got a connection is not lost for that.
      if (retriable && !batch.isDone) this.#retry(queue, batch, reason);
      else this.#giveUp(queue, batch, reason);
      this.#lostLeaders.lost(queue, brokerId);
    }
    this.#logger.debug({ brokerId, err: reason }, 'a produce request was not answered');
    this.wake();
  }

  #requestOver(brokerId: number): void {
    this.#inFlightByBroker.set(brokerId, (this.#inFlightByBroker.get(brokerId) ?? 1) - 1);
  }

  #settle(queue: PartitionQueue, batch: ProduceBatch, outcome: BatchOutcome): void {
    const { errorCode } = outcome;
    if (errorCode === ErrorCode.NONE || errorCode === ErrorCode.DUPLICATE_SEQUENCE_NUMBER) {
      this.#acknowledge(queue, batch, outcome.baseOffset, outcome.logAppendTimeMs);
      return;
    }
    const wasUnknown = batch.outcomeUnknown;
    const error = batchError(batch, outcome);
    if (needsMetadata(errorCode)) this.#staleTopics.add(queue.topic);
    if (batch.isDone) {
      // Its records were told that their time is over, so nothing is sent for them any more.
      this.#giveUp(queue, batch, error);
    } else if (errorCode === ErrorCode.MESSAGE_TOO_LARGE && batch.recordCount > 1) {
      this.#split(queue, batch);
    } else if (
      errorCode === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER &&
      batch.baseSequence !== queue.acknowledgedSequence &&
      !queue.isOvertaken(batch) &&
      queue.identity === batch.identity &&
      !this.#identity.bumpWanted
    ) {
      // A batch before this one has failed and goes again first.
      this.#retry(queue, batch, error);
    } else if (errorCode === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER && queue.isOvertaken(batch)) {
      // The leader had forgotten the producer and took a later batch for its first: this one's place in the order is gone.
      this.#giveUp(queue, batch, error);
    } else if (this.#settings.isTransactional && needsEpochBump(errorCode)) {
      // A new epoch begins with a new transaction.
      this.#giveUp(queue, batch, error);
    } else if (this.#settings.idempotent && needsEpochBump(errorCode)) {
      this.#identity.requestBump();
      // The answer says that the batch is not in the log as far as the broker knows. Where an earlier attempt is in
      // doubt, sending it under a new epoch could write it twice.
      if (wasUnknown && errorCode !== ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER) this.#giveUp(queue, batch, error);
      else this.#retryUnderNewEpoch(queue, batch, error);
    } else if (isRetriable(errorCode)) {
      this.#retry(queue, batch, error);
    } else {
      this.#giveUp(queue, batch, error);
    }
  }

  #acknowledge(queue: PartitionQueue, batch: ProduceBatch, baseOffset: number, logAppendTimeMs: number): void {
    queue.failures = 0;
    queue.retryAtMs = 0;
    queue.lostLeader = undefined;
    queue.hasNewLeader = false;
    queue.lastError = undefined;
    queue.acknowledged(batch);
    // Its time may have ended while it was in flight: its records are there, but were told otherwise.
    if (batch.isDone) return;
    batch.succeed(baseOffset, logAppendTimeMs);
    this.#batchDone(batch);
  }

  #retry(queue: PartitionQueue, batch: ProduceBatch, reason: Error): void {
    if (this.#abandoned !== undefined) {
      this.#giveUp(queue, batch, this.#abandoned);
      return;
    }
    const { topic, partition, attempts } = batch;
    queue.putBack(batch);
    // The first failure in a row is news; those after it say the same, and so do those that were under way when a new leader was named.
    const isNews = queue.failures === 0 && !queue.hasNewLeader && pauseMsMax(reason) === Number.POSITIVE_INFINITY;
    const pauseMs = this.#holdBack(queue, this.#clock.monotonic(), reason);
    this.#retried();
    const level = isNews ? 'warn' : 'debug';
    this.#logger[level](
      { topic, partition, attempts, pauseMs, err: reason },
      `records for partition ${partition} of topic '${topic}' are sent again: ${reason.message}`,
    );
  }

  #retryUnderNewEpoch(queue: PartitionQueue, batch: ProduceBatch, reason: Error): void {
    queue.openGap(batch);
    this.#retry(queue, batch, reason);
  }

  /** Nothing is sent to a partition for a while, longer with each failure in a row; returns for how many milliseconds. */
  #holdBack(queue: PartitionQueue, nowMs: number, reason: Error): number {
    queue.lastError = reason;
    // What fails in the pause was sent before it: all that a lost connection fails counts once.
    if (queue.retryAtMs > nowMs) return queue.retryAtMs - nowMs;
    const { retryBackoffMs } = this.#settings;
    const firstMs = queue.hasNewLeader ? Math.min(NEW_LEADER_PAUSE_MS, retryBackoffMs) : retryBackoffMs;
    const pauseMs = Math.min(this.#backoffMs(queue.failures, firstMs), pauseMsMax(reason));
    queue.failures += 1;
    queue.retryAtMs = nowMs + pauseMs;
    return pauseMs;
  }

  /** The halves take sequences of their own, which leaves the ones after them wrong: a new epoch puts that right. */
  #split(queue: PartitionQueue, batch: ProduceBatch): void {
    const [first, second] = batch.split();
    if (this.#settings.idempotent) {
      // The halves together have the sequences of the whole.
      first.assignSequence(batch.identity!, batch.baseSequence);
      second.assignSequence(batch.identity!, first.nextSequence);
    }
    first.attempts = batch.attempts;
    second.attempts = batch.attempts;
    queue.putBack(first);
    queue.putBack(second);
    this.#logger.warn(
      { topic: batch.topic, partition: batch.partition, records: batch.recordCount, bytes: batch.sizeBytes },
      'batch is too large for the broker and is sent in halves; lower batchBytes',
    );
  }

  /** Fails a batch for good. A sequence that the broker may never see leaves a hole, which only a new epoch closes. */
  #giveUp(queue: PartitionQueue, batch: ProduceBatch, error: Error): void {
    if (batch.baseSequence >= 0) this.#identity.requestBump();
    queue.failures = 0;
    this.#fail(batch, error);
  }

  #fail(batch: ProduceBatch, reason: Error): void {
    if (batch.isDone) return;
    const error = this.#told(reason);
    const { topic, partition, recordCount: records, attempts } = batch;
    if (!this.#closed) {
      this.#logger.error(
        { topic, partition, records, attempts, err: error },
        `${records} records for partition ${partition} of topic '${topic}' failed: ${error.message}`,
      );
    }
    batch.fail(error);
    this.#batchDone(batch, error);
    this.#gaveUp(error);
  }

  /**
   * Fails what has waited longer than a record may. A batch in flight stays in its place until its answer tells how the sequence
   * goes on, but its records are told now.
   */
  #expire(queue: PartitionQueue, nowMs: number): void {
    const { deliveryTimeoutMs } = this.#settings;
    for (const batch of queue.inFlight) {
      if (nowMs - batch.createdMs < deliveryTimeoutMs) continue;
      this.#fail(batch, deliveryTimeout(batch, deliveryTimeoutMs, queue.lastError));
    }
    for (let batch = queue.head; batch !== undefined; batch = queue.head) {
      if (nowMs - batch.createdMs < deliveryTimeoutMs) return;
      if (batch === queue.open) this.#accumulator.seal(queue);
      queue.waiting.shift();
      this.#giveUp(queue, batch, deliveryTimeout(batch, deliveryTimeoutMs, queue.lastError));
    }
  }

  /** When the first of the batches in flight has waited as long as a record may. */
  #inFlightDeadlineMs(queue: PartitionQueue): number {
    let deadlineMs = Number.POSITIVE_INFINITY;
    for (const batch of queue.inFlight) {
      if (!batch.isDone) deadlineMs = Math.min(deadlineMs, batch.createdMs + this.#settings.deliveryTimeoutMs);
    }
    return deadlineMs;
  }

  /** Loads the first identity, and the next one as soon as nothing under the old epoch is in doubt any more. */
  #maintainIdentity(nowMs: number): void {
    if (this.#settings.isTransactional) return;
    if (!this.#settings.idempotent || this.#identity.isLoading || this.#identity.current !== undefined) return;
    if (this.#identityRetryAtMs > nowMs || this.#accumulator.active.size === 0) return;
    if (this.#identity.bumpWanted) {
      for (const queue of this.#accumulator.active) {
        if (queue.inFlight.length > 0 || queue.waiting.some((batch) => batch.outcomeUnknown)) return;
      }
      for (const queue of this.#accumulator.active) for (const batch of queue.waiting) batch.clearSequence();
    }
    this.#identity.load().then(
      () => {
        this.#identityFailures = 0;
        this.wake();
      },
      (error: unknown) => this.#identityFailed(error),
    );
  }

  #identityFailed(error: unknown): void {
    if (this.#closed) return;
    const cause = asError(error);
    if (!(cause instanceof KafkaError) || !cause.retriable) {
      // Nothing can be sent without an identity, so what waits fails with the reason instead of with a timeout.
      const failure = new ProducerError('PRODUCER_NO_IDENTITY', `Cannot get a producer id: ${cause.message}`, {
        cause,
      });
      for (const queue of this.#accumulator.active) {
        this.#accumulator.seal(queue);
        for (const batch of queue.waiting.splice(0)) this.#fail(batch, failure);
      }
    }
    if (this.#identityFailures === 0) {
      this.#logger.warn({ err: cause }, `no producer id could be got, it is asked for again: ${cause.message}`);
    }
    this.#identityRetryAtMs = this.#clock.monotonic() + this.#backoffMs(this.#identityFailures);
    this.#identityFailures += 1;
    this.wake();
  }

  #refreshStaleTopics(): void {
    if (this.#staleTopics.size === 0 || this.#refreshing) return;
    const topics = [...this.#staleTopics];
    this.#staleTopics.clear();
    this.#refreshing = true;
    const over = (): void => {
      this.#refreshing = false;
      this.#lostLeaders.follow(this.#accumulator.active, this.#clock.monotonic());
      this.wake();
    };
    this.#transport.refreshTopics(topics).then(over, (error: unknown) => {
      this.#logger.debug({ topics, err: error }, 'a refresh of metadata failed');
      over();
    });
  }

  /** A timer that is due earlier serves as well: it drains, and the drain sets the next one. */
  #wakeAt(wakeMs: number, nowMs: number): void {
    if (wakeMs >= this.#wakeTimerMs) return;
    this.#wakeTimer?.cancel();
    this.#wakeTimerMs = wakeMs;
    // It is set only while something is to be sent, so it must keep the process alive: there may be no socket open that does.
    const clock = this.#clock === systemClock ? holdingClock : this.#clock;
    this.#wakeTimer = clock.schedule(Math.max(wakeMs - nowMs, 1), () => {
      this.#wakeTimerMs = Number.POSITIVE_INFINITY;
      this.wake();
    });
  }

  #backoffMs(failures: number, firstMs = this.#settings.retryBackoffMs): number {
    const backoffMsMax = this.#settings.retryBackoffMsMax;
    return backoffMs({ backoffMs: firstMs, backoffMsMax }, failures, this.#random);
  }
}
