import type { MetadataStore } from '@millrace/metadata';
import type { RequestHandler } from '@millrace/network';
import { type Clock, systemClock, type Timer } from '@millrace/ports';

const RUNNING: Promise<void> = Promise.resolve();

/** What makes a broker within a test's process mortal: no timer goes off in one that has ended, nor in one that is paused. */
export class Process implements Clock {
  #isAlive = true;
  #paused: PromiseWithResolvers<void> | undefined;

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Resolves while the process runs; when it is resumed, while it is paused; never after its end. */
  get running(): Promise<void> {
    return this.#isAlive ? (this.#paused?.promise ?? RUNNING) : new Promise(() => {});
  }

  pause(): void {
    this.#paused ??= Promise.withResolvers();
  }

  resume(): void {
    this.#paused?.resolve();
    this.#paused = undefined;
  }

  /** Nothing of it does anything any more. */
  end(): void {
    this.#isAlive = false;
  }

  now(): number {
    return systemClock.now();
  }

  monotonic(): number {
    return systemClock.monotonic();
  }

  schedule(delayMs: number, run: () => void): Timer {
    let isCancelled = false;
    const whenRunning = (): void => {
      if (isCancelled || !this.#isAlive) return;
      if (this.#paused === undefined) run();
      else void this.#paused.promise.then(whenRunning);
    };
    const timer = systemClock.schedule(delayMs, whenRunning);
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }
}

/** Requests that reach a paused process are handled when it goes on. */
export function pausable(handler: RequestHandler, process: Process): RequestHandler {
  return {
    handle(frame, connection, admission) {
      const { running } = process;
      if (running === RUNNING) return handler.handle(frame, connection, admission);
      // The frame's memory may be used for the next one meanwhile.
      const kept = Buffer.from(frame);
      return running.then(() => handler.handle(kept, connection, admission));
    },
    connectionClosed: (connection) => {
      if (process.isAlive) handler.connectionClosed?.(connection);
    },
  };
}

/** The metadata store as one process has it: one that has ended hears nothing from it, the end of its session least of all. */
export function storeOf(session: MetadataStore, process: Process): MetadataStore {
  return new Proxy(session, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      return (...given: unknown[]): unknown => {
        if (!process.isAlive) return new Promise(() => {});
        const [listener] = given;
        if (name !== 'onSession' || typeof listener !== 'function') return member.apply(target, given);
        return member.call(target, (state: unknown) => {
          if (process.isAlive) listener(state);
        });
      };
    },
  });
}
