import type { LogDirectory } from './log-directory.ts';

/** Wishes that are kept; the oldest are forgotten beyond. */
const PREFERRED_MAX = 10_000;

/** Where logs are to be made that are not there yet. */
export class PreferredDirectories {
  readonly #byKey = new Map<string, LogDirectory>();

  prefer(key: string, directory: LogDirectory): void {
    this.#byKey.delete(key);
    this.#byKey.set(key, directory);
    const [oldest] = this.#byKey.keys();
    if (this.#byKey.size > PREFERRED_MAX && oldest !== undefined) this.#byKey.delete(oldest);
  }

  /** The directory that was wished for, if it can be had; the wish is over with that. */
  take(key: string): LogDirectory | undefined {
    const preferred = this.#byKey.get(key);
    this.#byKey.delete(key);
    return preferred?.isOnline === true ? preferred : undefined;
  }
}
