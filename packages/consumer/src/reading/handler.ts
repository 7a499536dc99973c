import { Backoff, type BackoffSettings, type Logger } from '@millrace/client';
import { sleep } from '@millrace/client/internal';
import type { Clock, Random } from '@millrace/ports';
import { type ProcessEvent, processChannel } from '../diagnostics.ts';
import { ConsumerError, messageOf } from '../errors.ts';
import type { ConsumerRecord } from '../record.ts';
import { ConsumerBatch } from './consumer-batch.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { Lease } from './lease.ts';
import type { HandlerContext, HandlerRetry } from './run-options.ts';

const BACKOFF_MS = 200;
const BACKOFF_MS_MAX = 30_000;
const JITTER = 0.2;

/** What a handler is called for: a record, or a batch. */
export interface Subject<T> {
  readonly topic: string;
  readonly partition: number;
  /** Where it begins. */
  offset(): number;
  /** What goes to the dead letters when it fails for good, and cannot be divided. */
  records(): readonly ConsumerRecord<unknown, unknown>[];
  /** Two halves of what is left of it; undefined where that is one record. */
  halves(lease: Lease): readonly [T, T] | undefined;
  /** Notes that all of it is done with. */
  done(lease: Lease): void;
  event(): Pick<ProcessEvent, 'record' | 'batch'>;
}

/** What became of calls of handlers. */
export interface HandlingCounts {
  /** Calls that threw or were rejected. */
  handlerFailures: number;
  /** Calls for what had failed before. */
  handlerRetries: number;
  /** Records that were sent to the dead letters. */
  deadLetters: number;
}

/** What is to happen when a handler fails, and what that needs. */
export interface HandlerSettings {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly counts: HandlingCounts;
  readonly groupId: string | undefined;
  readonly retry: HandlerRetry | undefined;
  /** Whether the handler is called again whatever `retry` says. */
  readonly isNobodysFailure: (error: unknown) => boolean;
  readonly deadLetters: DeadLetters | undefined;
}

/** The partition was taken away before its record was handled: that is nobody's failure. */
export class HandlingCancelled extends Error {}

/**
 * Calls a user's handler. Where it returns no promise and does not throw, this does not either; everything else is off the fast
 * path: retries, dead letters, tracing.
 */
export class Handler<T> {
  readonly #handle: (subject: T, context: HandlerContext) => unknown;
  readonly #describe: (subject: T) => Subject<T>;
  readonly #settings: HandlerSettings;

  constructor(
    handle: (subject: T, context: HandlerContext) => unknown,
    describe: (subject: T) => Subject<T>,
    settings: HandlerSettings,
  ) {
    this.#handle = handle;
    this.#describe = describe;
    this.#settings = settings;
  }

  /**
   * @returns undefined when the subject is done with; else a promise that resolves when it is.
   * @throws ConsumerError `CONSUMER_HANDLER_FAILED` with the cause, or {@link HandlingCancelled}
   */
  call(subject: T, lease: Lease): Promise<void> | undefined {
    try {
      const done = processChannel.hasSubscribers ? this.#traced(subject, lease) : this.#handle(subject, lease);
      return isThenable(done) ? this.#settle(subject, lease, done) : undefined;
    } catch (error) {
      return this.#failed(subject, lease, error);
    }
  }

  async #settle(subject: T, lease: Lease, done: PromiseLike<unknown>): Promise<void> {
    try {
      await done;
    } catch (error) {
      await this.#failed(subject, lease, error);
    }
  }

  #traced(subject: T, lease: Lease): unknown {
    const event: ProcessEvent = { groupId: this.#settings.groupId, ...this.#describe(subject).event() };
    return processChannel.tracePromise(async () => await this.#handle(subject, lease), event);
  }

  /** Tries again, sends to the dead letters, or gives up: as it was configured. */
  async #failed(subject: T, lease: Lease, firstError: unknown): Promise<void> {
    const { clock, random, retry, deadLetters, counts, isNobodysFailure } = this.#settings;
    let error = firstError;
    let attempts = 1;
    const backoff = new Backoff(backoffOf(retry), random);
    counts.handlerFailures += 1;
    for (;;) {
      const isCounted = !isNobodysFailure(error);
      if (isCounted && !isWorthAnother(retry, attempts, error)) break;
      if (lease.cancelled) throw new HandlingCancelled();
      const waitMs = backoff.next();
      this.#warnOfRetry(this.#describe(subject), error, attempts, waitMs);
      await sleep(clock, waitMs, lease.signal).catch(() => {});
      if (lease.cancelled) throw new HandlingCancelled();
      if (isCounted) attempts += 1;
      counts.handlerRetries += 1;
      const again = await this.#callAgain(subject, lease);
      if (again === undefined) return;
      error = again.error;
    }
    if (lease.cancelled) throw new HandlingCancelled();
    if (deadLetters === undefined) throw handlerFailed(this.#describe(subject), error, attempts);
    await this.#bury(subject, lease, deadLetters, error, attempts);
  }

  /** What the call failed with; undefined where it did not. */
  async #callAgain(subject: T, lease: Lease): Promise<{ error: unknown } | undefined> {
    lease.progress += 1;
    try {
      await (processChannel.hasSubscribers ? this.#traced(subject, lease) : this.#handle(subject, lease));
      return undefined;
    } catch (error) {
      this.#settings.counts.handlerFailures += 1;
      return { error };
    }
  }

  /**
   * Sends to the dead letters what cannot be handled, and nothing else: a batch is divided until the records are found that fail by
   * themselves. The handler is called once for each half, in order.
   */
  async #bury(subject: T, lease: Lease, letters: DeadLetters, error: unknown, attempts: number): Promise<void> {
    const described = this.#describe(subject);
    const halves = described.halves(lease);
    if (halves === undefined) {
      for (const record of described.records()) await this.#sendLetter(record, lease, letters, error, attempts);
      return;
    }
    for (const half of halves) {
      if (lease.cancelled) throw new HandlingCancelled();
      this.#settings.counts.handlerRetries += 1;
      const failed = await this.#callAgain(half, lease);
      if (lease.cancelled) throw new HandlingCancelled();
      if (failed !== undefined) await this.#bury(half, lease, letters, failed.error, attempts + 1);
      this.#describe(half).done(lease);
    }
  }

  async #sendLetter(
    record: ConsumerRecord<unknown, unknown>,
    lease: Lease,
    letters: DeadLetters,
    error: unknown,
    attempts: number,
  ): Promise<void> {
    const { logger, counts } = this.#settings;
    await letters.send(record, error, attempts);
    counts.deadLetters += 1;
    lease.progress += 1;
    const { topic, partition, offset } = record;
    logger.error(
      { topic, partition, offset, attempts, deadLetterTopic: letters.topic, err: error },
      `The record at offset ${offset} of partition ${partition} of "${topic}" was sent to "${letters.topic}", for it cannot be handled: ${messageOf(error)}`,
    );
  }

  #warnOfRetry({ topic, partition, offset }: Subject<T>, error: unknown, attempt: number, waitMs: number): void {
    const at = offset();
    this.#settings.logger.warn(
      { topic, partition, offset: at, attempt, waitMs: Math.round(waitMs), err: error },
      `The handler failed at offset ${at} of partition ${partition} of "${topic}": ${messageOf(error)}; trying again in ${Math.round(waitMs)} ms`,
    );
  }
}

export function recordSubject<K, V>(record: ConsumerRecord<K, V>): Subject<ConsumerRecord<K, V>> {
  return {
    topic: record.topic,
    partition: record.partition,
    offset: () => record.offset,
    records: () => [record],
    halves: () => undefined,
    done: () => {},
    event: () => ({ record }),
  };
}

export function batchSubject<K, V>(batch: ConsumerBatch<K, V>): Subject<ConsumerBatch<K, V>> {
  return {
    topic: batch.topic,
    partition: batch.partition,
    offset: () => batch.firstOffset,
    records: () => batch.unprocessed(),
    halves: (lease) => halvesOf(batch, lease),
    done: (lease) => lease.finishUpTo(batch.nextOffset, batch.records.at(-1)?.leaderEpoch ?? -1),
    event: () => ({ batch }),
  };
}

/** What of a batch is not marked as processed, in two halves. */
function halvesOf<K, V>(
  batch: ConsumerBatch<K, V>,
  lease: Lease,
): readonly [ConsumerBatch<K, V>, ConsumerBatch<K, V>] | undefined {
  const records = batch.unprocessed();
  const middle = Math.ceil(records.length / 2);
  const next = records[middle];
  if (next === undefined) return undefined;
  return [
    new ConsumerBatch<K, V>(lease, { records: records.slice(0, middle), nextOffset: next.offset }),
    new ConsumerBatch<K, V>(lease, { records: records.slice(middle), nextOffset: batch.nextOffset }),
  ];
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

function isWorthAnother(retry: HandlerRetry | undefined, attempts: number, error: unknown): boolean {
  return retry !== undefined && attempts <= retry.retries && (retry.isRetriable ?? isRetriable)(error);
}

/**
 * Whether another call may help, where nobody else says: the same bytes decode no better the second time, unless somebody has to be asked
 * for how.
 */
export function isRetriable(error: unknown): boolean {
  return !(error instanceof ConsumerError && error.code === 'CONSUMER_DESERIALIZER_FAILED' && !error.retriable);
}

function backoffOf(retry: HandlerRetry | undefined): BackoffSettings {
  const { backoffMs = BACKOFF_MS, backoffMsMax = BACKOFF_MS_MAX } = retry ?? {};
  return { backoffMs, backoffMsMax, jitter: JITTER };
}

function handlerFailed(subject: Subject<unknown>, cause: unknown, attempts: number): ConsumerError {
  const { topic, partition } = subject;
  const offset = subject.offset();
  const times = attempts === 1 ? '' : ` ${attempts} times`;
  return new ConsumerError(
    'CONSUMER_HANDLER_FAILED',
    `The handler failed${times} at offset ${offset} of partition ${partition} of "${topic}": ${messageOf(cause)}`,
    { topic, partition, offset, cause },
  );
}
