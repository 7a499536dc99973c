import { BrokerFault } from '../shared/errors.ts';

/** How many events may wait for the controller. Watches coalesce, so only requests of clients can come near it. */
export const CONTROLLER_EVENTS_MAX = 10_000;

/**
 * Runs events one after the other, each to its end before the next begins, so that the controller's state has one writer at
 * a time though everything that it does is asynchronous.
 */
export class EventQueue {
  #tail: Promise<unknown> = Promise.resolve();
  readonly #pendingKeys = new Set<string>();
  #length = 0;

  /** How many events wait or run. */
  get length(): number {
    return this.#length;
  }

  /** Runs `event` after all that were put in before, and resolves or rejects with its outcome. */
  put<T>(event: () => Promise<T>): Promise<T> {
    if (this.#length >= CONTROLLER_EVENTS_MAX) {
      const message = `The controller has ${this.#length} events to work off and takes no more: try again later`;
      return Promise.reject(new BrokerFault('BROKER_CONTROLLER_BUSY', message, { retriable: true }));
    }
    this.#length += 1;
    const run = this.#tail.then(event).finally(() => {
      this.#length -= 1;
    });
    this.#tail = run.catch(() => undefined);
    return run;
  }

  /** As {@link put}, but does nothing while an event of the same key still waits: that one will see the newer state. */
  putOnce(key: string, event: () => Promise<void>): Promise<void> {
    if (this.#pendingKeys.has(key)) return Promise.resolve();
    this.#pendingKeys.add(key);
    return this.put(() => {
      this.#pendingKeys.delete(key);
      return event();
    });
  }

  /** Resolves when all events that are in it now have run. */
  drained(): Promise<void> {
    return this.#tail.then(() => undefined);
  }
}
