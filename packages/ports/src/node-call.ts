/** How a callback call of node:fs ends. */
export type Done<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

/**
 * A promise of a callback call. The log makes many small calls, and node:fs/promises costs about twice as much per call
 * because every handle and every result goes through more objects.
 */
export function call<T>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error === null || error === undefined ? resolve(value) : reject(error)));
  });
}

/** The same for calls that give nothing back, which have a callback of their own shape. */
export function callVoid(start: (done: (error?: NodeJS.ErrnoException | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error === null || error === undefined ? resolve() : reject(error)));
  });
}
