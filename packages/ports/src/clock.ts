import { monotonicMs, realTimers } from './real-timers.ts';

/** A pending timer; `cancel` is idempotent and does nothing once the timer has fired. */
export interface Timer {
  cancel(): void;
}

/** Time as the core sees it. Nothing in `log`, `metadata` or `broker` reads time by another way. */
export interface Clock {
  /** Wall-clock time in milliseconds since the Unix epoch; what record timestamps and retention use. */
  now(): number;
  /** Milliseconds that never go backwards; what timeouts and measurements use. Fractions are kept. */
  monotonic(): number;
  /** Calls `run` once, `delayMs` from now. A pending timer does not keep the process alive. */
  schedule(delayMs: number, run: () => void): Timer;
}

/** The longest delay that a Node timer takes; longer ones are cut to it. About 24.8 days. */
const NODE_TIMER_DELAY_MS_MAX = 2 ** 31 - 1;

function timeout(delayMs: number, run: () => void): NodeJS.Timeout {
  return realTimers.setTimeout(run, Math.min(Math.max(delayMs, 0), NODE_TIMER_DELAY_MS_MAX));
}

/** The machine's own clock. Its timers are real ones even where a test has replaced the global ones. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: monotonicMs,
  schedule(delayMs, run) {
    const handle = timeout(delayMs, run).unref();
    return { cancel: () => realTimers.clearTimeout(handle) };
  },
};

/**
 * The machine's clock with timers that do keep the process alive: for who waits to try again while somebody awaits the outcome.
 * Without a socket open, nothing else would keep the process from ending in the middle of that `await`.
 */
export const holdingClock: Clock = {
  ...systemClock,
  schedule(delayMs, run) {
    const handle = timeout(delayMs, run);
    return { cancel: () => realTimers.clearTimeout(handle) };
  },
};
