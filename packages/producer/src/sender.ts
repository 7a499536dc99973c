import { KafkaError, type Logger } from '@millrace/client';
import { type Clock, holdingClock, type Random, systemClock, type Timer } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import type { Accumulator } from './accumulator.ts';
import { batchError, deliveryTimeout, ProducerError } from './errors.ts';
import type { ProducerIdentitySource } from './identity.ts';
import { isRetriable, needsEpochBump, needsMetadata } from './outcome.ts';
import type { PartitionQueue } from './partition-queue.ts';
import type { ProduceBatch } from './produce-batch.ts';
import type { BatchOutcome, ProduceTransport } from './produce-transport.ts';

/** The sender's part of the producer's options, all filled in. */
export interface SenderSettings {
  readonly acknowledged: boolean;
  readonly idempotent: boolean;
  readonly lingerMs: number;
  readonly requestBytesMax: number;
  readonly inFlightRequestsMax: number;
  readonly deliveryTimeoutMs: number;
  readonly retryBackoffMs: number;
  readonly retryBackoffMsMax: number;
}

/** Without sequences a retry could overtake the batch after it, so a partition has one batch in flight (as `max.in.flight=1`). */
const IN_FLIGHT_PER_PARTITION_UNORDERED = 1;

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
  readonly #inFlightByBroker = new Map<number, number>();
  readonly #staleTopics = new Set<string>();
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
  }) {
    this.#accumulator = parts.accumulator;
    this.#transport = parts.transport;
    this.#identity = parts.identity;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#logger = parts.logger;
    this.#settings = parts.settings;
    this.#batchDone = parts.batchDone;
  }

  /** Looks for something to send once the caller's turn is over, so that sends of one turn share a batch. */
  wake(): void {
    if (this.#drainScheduled || this.#closed) return;
    this.#drainScheduled = true;
    queueMicrotask(this.#runDrain);
  }

  /** Sends what comes without waiting for linger, until the returned function is called. */
  hurry(): () => void {
    this.#hurried++;
    this.wake();
    return () => {
      this.#hurried--;
    };
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
    if (!this.#closed) this.#drain();
  };

  #drain(): void {
    const nowMs = this.#clock.monotonic();
    // One pass takes one batch of a partition, so that all partitions share a request; passes go on while requests may.
    while (this.#sendRound(nowMs));
    this.#maintainIdentity(nowMs);
    this.#refreshStaleTopics();
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
      const batch = queue.head;
      // The first record of a new batch may have been refused by its encoding, which leaves the batch empty until the next.
      if (batch === undefined || batch.recordCount === 0) continue;
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
    // A batch that is sent again goes alone: whether those after it are wanted shows in its answer.
    if (queue.inFlight.length > 0 && (retried || queue.inFlight[0]!.attempts > 1)) return Number.POSITIVE_INFINITY;
    if (queue.inFlight.length > 0 && this.#settings.idempotent && !queue.isKnownToLeader)
      return Number.POSITIVE_INFINITY;
    if (queue.retryAtMs > nowMs) return queue.retryAtMs;
    if (this.#settings.idempotent && batch.baseSequence < 0 && this.#identity.current === undefined)
      return Number.POSITIVE_INFINITY;
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
      this.#staleTopics.add(queue.topic);
      queue.retryAtMs = nowMs + this.#backoffMs(queue.failures++);
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
    queue.inFlight.push(batch);
  }

  #send(brokerId: number, request: OutgoingRequest): void {
    const outgoing = request.batches.map((batch) => {
      batch.attempts++;
      return { topic: batch.topic, partition: batch.partition, records: batch.bytes() };
    });
    this.#inFlightByBroker.set(brokerId, (this.#inFlightByBroker.get(brokerId) ?? 0) + 1);
    this.#transport.produce(brokerId, outgoing).then(
      (outcomes) => this.#answered(brokerId, request, outcomes),
      (error: unknown) => this.#unanswered(brokerId, request, error),
    );
  }

  #answered(brokerId: number, request: OutgoingRequest, outcomes: readonly BatchOutcome[] | undefined): void {
    this.#requestOver(brokerId);
    if (this.#closed) return;
    for (let index = 0; index < request.batches.length; index++) {
      const queue = request.queues[index]!;
      const batch = request.batches[index]!;
      queue.removeInFlight(batch);
      const outcome = outcomes?.[index];
      if (outcome === undefined) this.#acknowledge(queue, batch, -1, -1);
      else this.#settle(queue, batch, outcome);
    }
    this.wake();
  }

  #unanswered(brokerId: number, request: OutgoingRequest, error: unknown): void {
    this.#requestOver(brokerId);
    if (this.#closed) return;
    const retriable = error instanceof KafkaError ? error.retriable : false;
    for (let index = 0; index < request.batches.length; index++) {
      const queue = request.queues[index]!;
      const batch = request.batches[index]!;
      queue.removeInFlight(batch);
      if (queue.isBeyondGap(batch)) batch.clearSequence();
      else batch.outcomeUnknown = true;
      this.#staleTopics.add(queue.topic);
      if (retriable && this.#settings.acknowledged) this.#retry(queue, batch);
      else this.#giveUp(queue, batch, error instanceof Error ? error : new Error(String(error)));
    }
    this.#logger.debug({ brokerId, error }, 'produce request was not answered');
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
    if (needsMetadata(errorCode)) this.#staleTopics.add(queue.topic);
    if (errorCode === ErrorCode.MESSAGE_TOO_LARGE && batch.recordCount > 1) {
      this.#split(queue, batch);
    } else if (
      errorCode === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER &&
      batch.baseSequence !== queue.acknowledgedSequence &&
      !queue.isOvertaken(batch) &&
      queue.identity === batch.identity &&
      !this.#identity.bumpWanted
    ) {
      // A batch before this one has failed and goes again first.
      this.#retry(queue, batch);
    } else if (errorCode === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER && queue.isOvertaken(batch)) {
      // The leader had forgotten the producer and took a later batch for its first: this one's place in the order is gone.
      this.#giveUp(queue, batch, batchError(batch, outcome));
    } else if (this.#settings.idempotent && needsEpochBump(errorCode)) {
      this.#identity.requestBump();
      // The answer says that the batch is not in the log as far as the broker knows. Where an earlier attempt is in
      // doubt, sending it under a new epoch could write it twice.
      if (wasUnknown && errorCode !== ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
        this.#giveUp(queue, batch, batchError(batch, outcome));
      else this.#retryUnderNewEpoch(queue, batch);
    } else if (isRetriable(errorCode)) {
      this.#retry(queue, batch);
    } else {
      this.#giveUp(queue, batch, batchError(batch, outcome));
    }
  }

  #acknowledge(queue: PartitionQueue, batch: ProduceBatch, baseOffset: number, logAppendTimeMs: number): void {
    queue.failures = 0;
    queue.retryAtMs = 0;
    queue.acknowledged(batch);
    batch.succeed(baseOffset, logAppendTimeMs);
    this.#batchDone(batch);
  }

  #retry(queue: PartitionQueue, batch: ProduceBatch): void {
    const nowMs = this.#clock.monotonic();
    queue.putBack(batch);
    queue.retryAtMs = nowMs + this.#backoffMs(queue.failures++);
  }

  #retryUnderNewEpoch(queue: PartitionQueue, batch: ProduceBatch): void {
    queue.openGap(batch);
    this.#retry(queue, batch);
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

  #fail(batch: ProduceBatch, error: Error): void {
    batch.fail(error);
    this.#batchDone(batch, error);
  }

  /** Fails what has waited longer than a record may; what is in flight is left to its answer or its request's timeout. */
  #expire(queue: PartitionQueue, nowMs: number): void {
    for (let batch = queue.head; batch !== undefined; batch = queue.head) {
      if (batch.recordCount === 0 || nowMs - batch.createdMs < this.#settings.deliveryTimeoutMs) return;
      if (batch === queue.open) this.#accumulator.seal(queue);
      queue.waiting.shift();
      this.#giveUp(queue, batch, deliveryTimeout(batch, this.#settings.deliveryTimeoutMs));
    }
  }

  /** Loads the first identity, and the next one as soon as nothing under the old epoch is in doubt any more. */
  #maintainIdentity(nowMs: number): void {
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
    const cause = error instanceof Error ? error : new Error(String(error));
    if (!(cause instanceof KafkaError) || !cause.retriable) {
      // Nothing can be sent without an identity, so what waits fails with the reason instead of with a timeout.
      const failure = new ProducerError('PRODUCER_NO_IDENTITY', `cannot get a producer id: ${cause.message}`, {
        cause,
      });
      for (const queue of this.#accumulator.active) {
        this.#accumulator.seal(queue);
        for (const batch of queue.waiting.splice(0)) this.#fail(batch, failure);
      }
    }
    this.#identityRetryAtMs = this.#clock.monotonic() + this.#backoffMs(this.#identityFailures++);
    this.wake();
  }

  #refreshStaleTopics(): void {
    if (this.#staleTopics.size === 0 || this.#refreshing) return;
    const topics = [...this.#staleTopics];
    this.#staleTopics.clear();
    this.#refreshing = true;
    const over = (): void => {
      this.#refreshing = false;
      this.wake();
    };
    this.#transport.refreshTopics(topics).then(over, (error: unknown) => {
      this.#logger.debug({ topics, error }, 'metadata refresh failed');
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

  /** Exponential with a fifth of jitter, so that many producers do not come back at once (KIP-580). */
  #backoffMs(failures: number): number {
    const { retryBackoffMs, retryBackoffMsMax } = this.#settings;
    const baseMs = Math.min(retryBackoffMs * 2 ** Math.min(failures, 30), retryBackoffMsMax);
    return baseMs * (0.8 + this.#random.nextInt(400) / 1000);
  }
}
