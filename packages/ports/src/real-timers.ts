/**
 * The machine's timers as they were when this was loaded. Tests replace the global ones (vitest, jest, node:test), and then a broker
 * or client in the same process would stand still. The wall clock is not kept: who sets it in a test means records' timestamps too.
 */
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import timers from 'node:timers';
import { assertNodeVersion } from './node-version.ts';

// Here, since nothing of ours that does something goes without timers: a bundle keeps it.
assertNodeVersion(process.versions);

/** Kept in constants: `node:timers` itself is what node:test replaces. */
const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate } = timers;
const queueMicrotask = globalThis.queueMicrotask;
const now = performance.now.bind(performance);
const nextTick = process.nextTick.bind(process);

/** Timers that no test replaces. */
export const realTimers: {
  readonly setTimeout: (run: () => void, delayMs: number) => NodeJS.Timeout;
  readonly clearTimeout: (timeout: NodeJS.Timeout | undefined) => void;
  readonly setInterval: (run: () => void, delayMs: number) => NodeJS.Timeout;
  readonly clearInterval: (timeout: NodeJS.Timeout | undefined) => void;
} = { setTimeout, clearTimeout, setInterval, clearInterval };

/** Milliseconds that never go backwards, with fractions. */
export const monotonicMs: () => number = now;

/** Runs something after what runs now, before anything else of the event loop. */
export const runInMicrotask: (run: () => void) => void = queueMicrotask;

/** Runs something after what runs now, before promises that are settled by it. */
export const runNextTick: (run: () => void) => void = nextTick;

/** Runs something in the event loop's next turn: others have theirs meanwhile. */
export function runNextTurn(run: () => void): void {
  setImmediate(run);
}

/** Resolves in the event loop's next turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
