import { Backoff, type BackoffSettings } from '@millrace/client';
import { sleep } from '@millrace/client/internal';
import type { Clock, Random } from '@millrace/ports';
import { type ProcessEvent, processChannel } from '../diagnostics.ts';
import { ConsumerError, messageOf } from '../errors.ts';
import type { ConsumerRecord } from '../record.ts';
import type { ConsumerBatch } from './consumer-batch.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { Lease } from './lease.ts';
import type { HandlerContext, HandlerRetry } from './run-options.ts';

const BACKOFF_MS = 200;
const BACKOFF_MS_MAX = 30_000;
const JITTER = 0.2;

/** What a handler is called for: a record, or a batch. */
export interface Subject {
  readonly topic: string;
  readonly partition: number;
  /** Where it begins. */
  offset(): number;
  /** What goes to the dead letters when it fails for good. */
  records(): readonly ConsumerRecord<unknown, unknown>[];
  event(): Pick<ProcessEvent, 'record' | 'batch'>;
}

/** What is to happen when a handler fails, and what that needs. */
export interface HandlerSettings {
  readonly clock: Clock;
  readonly random: Random;
  readonly groupId: string | undefined;
  readonly retry: HandlerRetry | undefined;
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
  readonly #describe: (subject: T) => Subject;
  readonly #settings: HandlerSettings;

  constructor(
    handle: (subject: T, context: HandlerContext) => unknown,
    describe: (subject: T) => Subject,
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
    const { clock, random, retry, deadLetters } = this.#settings;
    let error = firstError;
    let attempts = 1;
    const backoff = new Backoff(backoffOf(retry), random);
    while (retry !== undefined && attempts <= retry.retries && (retry.isRetriable ?? isRetriable)(error)) {
      if (lease.cancelled) throw new HandlingCancelled();
      await sleep(clock, backoff.next(), lease.signal).catch(() => {});
      if (lease.cancelled) throw new HandlingCancelled();
      lease.progress += 1;
      attempts += 1;
      try {
        await (processChannel.hasSubscribers ? this.#traced(subject, lease) : this.#handle(subject, lease));
        return;
      } catch (again) {
        error = again;
      }
    }
    if (lease.cancelled) throw new HandlingCancelled();
    const described = this.#describe(subject);
    if (deadLetters === undefined) throw handlerFailed(described, error, attempts);
    for (const record of described.records()) {
      await deadLetters.send(record, error, attempts);
      lease.progress += 1;
    }
  }
}

export function recordSubject(record: ConsumerRecord<unknown, unknown>): Subject {
  return {
    topic: record.topic,
    partition: record.partition,
    offset: () => record.offset,
    records: () => [record],
    event: () => ({ record }),
  };
}

export function batchSubject(batch: ConsumerBatch<unknown, unknown>): Subject {
  return {
    topic: batch.topic,
    partition: batch.partition,
    offset: () => batch.firstOffset,
    records: () => batch.unprocessed(),
    event: () => ({ batch }),
  };
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

/** The same bytes decode no better the second time. */
function isRetriable(error: unknown): boolean {
  return !(error instanceof ConsumerError && error.code === 'CONSUMER_DESERIALIZER_FAILED');
}

function backoffOf(retry: HandlerRetry | undefined): BackoffSettings {
  const { backoffMs = BACKOFF_MS, backoffMsMax = BACKOFF_MS_MAX } = retry ?? {};
  return { backoffMs, backoffMsMax, jitter: JITTER };
}

function handlerFailed(subject: Subject, cause: unknown, attempts: number): ConsumerError {
  const { topic, partition } = subject;
  const offset = subject.offset();
  const times = attempts === 1 ? '' : ` ${attempts} times`;
  return new ConsumerError(
    'CONSUMER_HANDLER_FAILED',
    `The handler failed${times} at offset ${offset} of partition ${partition} of "${topic}": ${messageOf(cause)}`,
    { topic, partition, offset, cause },
  );
}
