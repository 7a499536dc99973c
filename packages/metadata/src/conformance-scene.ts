import { isDeepStrictEqual } from 'node:util';
import { MetadataError, type MetadataErrorCode } from './errors.ts';
import type { MetadataStore, WatchEvent, Watcher } from './store.ts';

/** What may happen to the connections of an engine that has some. */
export interface ConnectionFaults {
  /** Cuts a session's connection; it does not come back by itself. */
  cut(store: MetadataStore): void;
  /** Cuts it at the next write: `before` that has reached the store, or `after` it was applied, so that its answer is lost. */
  cutAtNextWrite(store: MetadataStore, when: 'before' | 'after'): void;
  /** Lets the connection come back; resolves when the session is connected again, or is known to be over. */
  mend(store: MetadataStore): Promise<void>;
  /** Ends a session as silence would while it is cut off: nobody tells it. */
  expireUnheard(store: MetadataStore): Promise<void>;
}

/** One tree of an engine under test. */
export interface ConformanceSubject {
  /** Opens a session of its own on the tree. */
  session(): Promise<MetadataStore>;
  /** Lets a session expire, as silence would; the ephemeral nodes are gone when it resolves. */
  expire(store: MetadataStore): Promise<void>;
  /** Undefined for an engine that has no connection to lose. */
  readonly faults?: ConnectionFaults;
  /** Ends everything and removes what was made for the test. */
  dispose(): Promise<void>;
}

/** One behaviour that every engine must show. `run` rejects where the engine does not. */
export interface ConformanceCase {
  readonly name: string;
  run(open: () => Promise<ConformanceSubject>): Promise<void>;
}

/** How many turns of the event loop a watch may take to fire; enough for an engine that asks over the network. */
const EVENT_WAIT_TURNS_MAX = 1_000_000;

/** Two sessions on a tree that has `/test`. */
export interface Scene {
  readonly a: MetadataStore;
  readonly b: MetadataStore;
  expire(store: MetadataStore): Promise<void>;
  readonly faults: ConnectionFaults;
}

const noFaults = (): never => {
  throw new Error('this engine has no connection to lose');
};
const withoutConnection: ConnectionFaults = {
  cut: noFaults,
  cutAtNextWrite: noFaults,
  mend: noFaults,
  expireUnheard: noFaults,
};

export function behaviour(name: string, play: (scene: Scene) => Promise<void>): ConformanceCase {
  return {
    name,
    async run(open) {
      const subject = await open();
      try {
        const a = await subject.session();
        const b = await subject.session();
        await a.create('/test', bytes(''));
        const { faults = withoutConnection } = subject;
        await play({ a, b, expire: (store) => subject.expire(store), faults });
      } finally {
        await subject.dispose();
      }
    },
  };
}

export function equal(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) {
    throw new Error(`expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
  }
}

export async function fails(code: MetadataErrorCode, operation: Promise<unknown>): Promise<MetadataError> {
  const outcome = await operation.then(
    (value) => `it succeeded with ${JSON.stringify(value)}`,
    (error: unknown) => error,
  );
  if (outcome instanceof MetadataError && outcome.code === code) return outcome;
  throw new Error(`expected the error ${code}, but ${outcome instanceof Error ? `got ${outcome}` : outcome}`);
}

export function recorder(): { events: WatchEvent[]; watch: Watcher; count(expected: number): Promise<void> } {
  const events: WatchEvent[] = [];
  return {
    events,
    watch: (event) => void events.push(event),
    count: (expected) => until(() => events.length >= expected),
  };
}

export async function until(isDone: () => boolean): Promise<void> {
  for (let turn = 0; !isDone(); turn += 1) {
    if (turn === EVENT_WAIT_TURNS_MAX) throw new Error(`waited ${turn} turns for a watch that did not fire`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export const bytes = (text: string): Buffer => Buffer.from(text);
export const exactly = (version: number): { readonly exactly: number } => ({ exactly: version });
