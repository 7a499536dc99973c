import type { Clock } from '@millrace/ports';
import { DeliveryQueue } from './delivery.ts';
import { MetadataError } from './errors.ts';
import type { Operation, OperationResult, WatchEvent, Watcher } from './store.ts';
import { type AppliedTransaction, MetadataTree } from './tree.ts';
import { WatchTable } from './watches.ts';

/** Where an engine keeps its tree. */
export interface TreePersistence {
  /**
   * Makes a transaction durable; undefined when there is nothing to wait for. What is written must be taken from `tree`
   * before the call returns. Commits are durable in the order of the calls.
   */
  commit(tree: MetadataTree, transaction: AppliedTransaction): Promise<void> | undefined;
  close(): Promise<void>;
}

/** A session as the engine sees it. */
export interface EngineSession {
  readonly id: string;
  readonly watches: WatchTable;
}

/** Keeps nothing: the tree lives as long as the engine. */
export const memoryPersistence: TreePersistence = {
  commit: () => undefined,
  close: () => Promise.resolve(),
};

/** One tree, the sessions on it, and the order in which they learn of each other's writes. */
export class TreeEngine {
  readonly tree: MetadataTree;
  readonly #persistence: TreePersistence;
  readonly #clock: Clock;
  readonly #onFailed: ((error: MetadataError) => void) | undefined;
  readonly #sessions = new Map<string, EngineSession>();
  readonly #deliveries = new DeliveryQueue();
  #sessionsOpened = 0;
  #failure: MetadataError | undefined;
  #closed = false;

  constructor(
    clock: Clock,
    persistence: TreePersistence = memoryPersistence,
    tree: MetadataTree = new MetadataTree(),
    onFailed?: (error: MetadataError) => void,
  ) {
    this.#clock = clock;
    this.#persistence = persistence;
    this.tree = tree;
    this.#onFailed = onFailed;
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** Opens a session. Its id never comes twice in the life of the store, because the transaction number is part of it. */
  openSession(): EngineSession {
    this.#sessionsOpened += 1;
    const id = `${this.tree.zxid.toString(16)}-${this.#sessionsOpened.toString(16)}`;
    const session: EngineSession = { id, watches: new WatchTable() };
    this.#sessions.set(id, session);
    return session;
  }

  /** Ends a session: its watches are dropped, its ephemeral nodes go in one transaction. */
  async endSession(session: EngineSession): Promise<void> {
    if (!this.#sessions.delete(session.id)) return;
    session.watches.clear();
    const removals = this.tree
      .ephemeralsOf(session.id)
      .map((path): Operation => ({ type: 'delete', path, expected: 'any' }));
    if (removals.length > 0) await this.write(session, removals);
  }

  /** Reads at this point of the order of operations; the outcome is delivered once all writes before it are durable. */
  read<T>(take: (tree: MetadataTree) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let deliver: () => void;
      try {
        const value = take(this.tree);
        deliver = () => (this.#failure === undefined ? resolve(value) : reject(this.#failure));
      } catch (error) {
        deliver = () => reject(error);
      }
      this.#deliveries.push(deliver);
    });
  }

  /** Applies the operations as one transaction and resolves once it is durable. */
  write(session: EngineSession, operations: readonly Operation[]): Promise<readonly OperationResult[]> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      let transaction: AppliedTransaction;
      try {
        transaction = this.tree.apply(operations, session.id, this.#clock.now());
      } catch (error) {
        return this.#deliveries.push(() => reject(error));
      }
      const release = this.#deliveries.pushWrite(this.#watchCalls(transaction.events), () =>
        this.#failure === undefined ? resolve(transaction.results) : reject(this.#failure),
      );
      const committed = this.#persistence.commit(this.tree, transaction);
      if (committed === undefined) return release();
      committed.then(release, (cause: unknown) => {
        this.#fail(cause);
        release();
      });
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([...this.#sessions.values()].map((session) => this.endSession(session).catch(() => undefined)));
    await this.#persistence.close();
  }

  /** Takes the watches that the events set off now, so that a watch set later does not see an earlier change. */
  #watchCalls(events: readonly WatchEvent[]): (() => void) | undefined {
    const calls: [Watcher, WatchEvent][] = [];
    for (const event of events) {
      for (const session of this.#sessions.values()) {
        for (const watcher of session.watches.take(event)) calls.push([watcher, event]);
      }
    }
    if (calls.length === 0) return undefined;
    return () => {
      if (this.#failure !== undefined) return;
      for (const [watcher, event] of calls) watcher(event);
    };
  }

  /** The tree in memory is ahead of what is kept, so nothing more may be told of it. */
  #fail(cause: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = new MetadataError(
      'STORE_FAILED',
      'The metadata store could not make a write durable, so it takes no more. Check the disk, then start again.',
      { cause },
    );
    this.#onFailed?.(this.#failure);
  }
}
