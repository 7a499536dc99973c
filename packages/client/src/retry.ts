import { KafkaError } from '@millrace/network';
import type { Clock, Random } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import { Backoff, type BackoffSettings } from './backoff.ts';
import { AbortedError, ApiTimedOutError, ClientClosedError } from './errors.ts';
import { TimedPauses } from './timed-pauses.ts';

/** When to try again, and when to stop. */
export interface RetryPolicy extends BackoffSettings {
  /** Attempts after the first. */
  readonly retries: number;
  /** For all attempts and the waits between them, in milliseconds. */
  readonly timeoutMs: number;
}

/** One attempt of many. */
export interface Attempt {
  /** 1 for the first. */
  readonly number: number;
  /** Fires when the time is over or the caller aborts. */
  readonly signal: AbortSignal;
  /** Milliseconds until the time is over. */
  readonly remainingMs: number;
}

/** What {@link withRetries} needs beside the policy. */
export interface RetryContext {
  /** What is attempted, for messages. */
  readonly what: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs `attempt` until it succeeds, fails for good, or may not be tried again.
 *
 * An error is final when it is not a `KafkaError` or is not retriable. When the retries are used up the last error is thrown
 * as it is; when the time is over, an `ApiTimedOutError` with it as the cause.
 */
export async function withRetries<T>(
  policy: RetryPolicy,
  context: RetryContext,
  attempt: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  const { clock, what, signal } = context;
  const deadlineMs = clock.monotonic() + policy.timeoutMs;
  const backoff = new Backoff(policy, context.random);
  const pauses = new TimedPauses(backoff, clock, deadlineMs);
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(abortReason(what, signal?.reason));
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  let lastError: unknown;
  const timer = clock.schedule(policy.timeoutMs, () => stop.abort(timedOut(policy, what, backoff.failures, lastError)));
  try {
    for (;;) {
      stop.signal.throwIfAborted();
      try {
        const remainingMs = Math.max(deadlineMs - clock.monotonic(), 1);
        return await attempt({ number: backoff.failures + 1, signal: stop.signal, remainingMs });
      } catch (error) {
        stop.signal.throwIfAborted();
        if (!(error instanceof KafkaError) || !error.retriable || backoff.failures >= policy.retries) throw error;
        lastError = error;
      }
      const isInTime = await pauses.pause(pauseMsMax(lastError), stop.signal);
      if (!isInTime) throw timedOut(policy, what, backoff.failures, lastError);
    }
  } finally {
    timer.cancel();
    signal?.removeEventListener('abort', onAbort);
  }
}

/** The end of a transaction takes a few milliseconds: who begins the next is not to wait for more. */
const CONCURRENT_PAUSE_MS = 20;

/** How long to wait at most after an error that is over soon. */
export function pauseMsMax(error: unknown): number {
  const isConcurrent = error instanceof KafkaError && error.errorCode === ErrorCode.CONCURRENT_TRANSACTIONS;
  return isConcurrent ? CONCURRENT_PAUSE_MS : Number.POSITIVE_INFINITY;
}

/** A client that closes aborts with an error of its own; any other reason is the caller's. */
function abortReason(what: string, reason: unknown): KafkaError {
  return reason instanceof ClientClosedError ? reason : new AbortedError(`${what} was aborted`, reason);
}

function timedOut(policy: RetryPolicy, what: string, failures: number, lastError: unknown): ApiTimedOutError {
  const last = lastError instanceof Error ? `; the last of ${failures} failures: ${lastError.message}` : '';
  return new ApiTimedOutError(`${what} did not succeed within ${policy.timeoutMs} ms${last}`, lastError);
}
