import { type Clock, holdingClock, systemClock } from '@millrace/ports';

/** Resolves after `ms`, or rejects with the signal's reason when it fires first. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    // A client that waits to try again has no socket open, and must not let the process end in the middle of an `await`.
    const timer = (clock === systemClock ? holdingClock : clock).schedule(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Resolves when the promise has, but after `ms` at the latest; rejects when it does so before. */
export async function atMost(clock: Clock, ms: number, promise: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = clock.schedule(ms, late.resolve);
  try {
    await Promise.race([promise, late.promise]);
  } finally {
    timer.cancel();
  }
}

/** The promise's outcome, or a rejection with the signal's reason when it fires first. The promise itself goes on. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
