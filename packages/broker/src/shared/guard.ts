import type { Logger } from './logger.ts';

/**
 * Where everything ends that nobody awaits: timers, outcomes of writes, promises. What throws there would end the process, for all
 * clients, because of one of them. It is a defect all the same, so it is logged with all that is known of it.
 */
export class Guard {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Runs what must not throw; false if it did. */
  run(what: string, run: () => void): boolean {
    try {
      run();
      return true;
    } catch (error) {
      this.report(what, error);
      return false;
    }
  }

  /** Looks after a promise that nobody awaits. */
  settle(what: string, promise: Promise<unknown>): void {
    promise.catch((error: unknown) => this.report(what, error));
  }

  report(what: string, error: unknown): void {
    try {
      this.#logger.error({ err: error }, `${what} failed: this is a defect of the broker`);
    } catch {
      // A logger that throws must not end the process either, and there is nobody left to tell.
    }
  }
}
