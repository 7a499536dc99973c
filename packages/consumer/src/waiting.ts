import type { Clock } from '@millrace/ports';
import { KeepAlive } from './keep-alive.ts';

const keepAlive = new KeepAlive();

/** Keeps the process alive until the promise has settled: somebody waits for it, and no socket may be open meanwhile. */
export function heldAlive<T>(promise: Promise<T>): Promise<T> {
  keepAlive.hold();
  const over = (): void => keepAlive.release();
  promise.then(over, over);
  return promise;
}

/** Resolves when the promise has settled, whichever way, or the signal has fired. The promise goes on; who made it handles its error. */
export function settledOrAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => {
      signal.removeEventListener('abort', over);
      resolve();
    };
    if (signal.aborted) resolve();
    signal.addEventListener('abort', over, { once: true });
    promise.then(over, over);
  });
}

/** Fires after `ms` of the clock. */
export function timeoutSignal(clock: Clock, ms: number): AbortSignal {
  const controller = new AbortController();
  clock.schedule(ms, () => controller.abort());
  return controller.signal;
}
