import { runNextTurn } from '@millrace/ports';
import { MetadataError } from '../errors.ts';
import type {
  CreateOptions,
  MetadataStore,
  NodeContent,
  NodeStat,
  Operation,
  OperationResult,
  ReadOptions,
  SessionState,
  Version,
  WatchEvent,
} from '../store.ts';
import { WatchTable } from '../watches.ts';
import { StaleView, type TreeView } from './stale-view.ts';

/** What a {@link FaultyMetadataStore} needs of the engine below. */
export interface FaultyStoreOptions {
  /** Ends the session below as silence would. */
  readonly expire: () => Promise<void>;
  /** The tree as it is now, to be looked at later; without it, {@link FaultyMetadataStore.lag} does nothing. */
  readonly freeze?: () => TreeView;
  /** Told of every multi that was applied, whether its caller hears of that or not. */
  readonly applied?: (operations: readonly Operation[], results: readonly OperationResult[]) => void;
}

interface Request {
  readonly isWrite: boolean;
  readonly run: () => Promise<unknown>;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

type WatchKind = 'node' | 'children';

/**
 * A session that loses its connection, expires, or is answered by a server that is behind, when it is told to. What it does then is
 * what a client of ZooKeeper would see, so that whoever works on it works on an ensemble, too.
 */
export class FaultyMetadataStore implements MetadataStore {
  readonly #inner: MetadataStore;
  readonly #options: FaultyStoreOptions;
  readonly #listeners = new Set<(state: SessionState) => void>();
  /** The callers' watches; the engine below knows one function of ours. */
  readonly #watches = new WatchTable();
  readonly #underWay = new Set<Request>();
  #queue: Request[] = [];
  #heldEvents: WatchEvent[] = [];
  #state: SessionState;
  #lossAtWrite: 'before' | 'after' | undefined;
  #view: StaleView | undefined;
  /** Those of servers that were behind when the connection was cut: what was watched there is watched again when it is back. */
  #cutViews: StaleView[] = [];
  /** The connection is dead, and nobody has noticed yet. */
  #isLosing = false;

  constructor(inner: MetadataStore, options: FaultyStoreOptions) {
    this.#inner = inner;
    this.#options = options;
    this.#state = inner.sessionState;
    inner.onSession((state) => this.#innerIs(state));
  }

  get sessionId(): string {
    return this.#inner.sessionId;
  }

  get sessionState(): SessionState {
    return this.#state;
  }

  /** Cuts the connection: what is under way has reached the store, and its answers do not come back. */
  cut(): void {
    if (this.#state !== 'connected') return;
    if (this.#view !== undefined) this.#cutViews.push(this.#view);
    this.#view = undefined;
    this.#isLosing = false;
    const open = [...this.#underWay];
    this.#underWay.clear();
    // Reads are asked again, before all that came after them.
    this.#queue = [...open.filter(({ isWrite }) => !isWrite), ...this.#queue];
    for (const { isWrite, reject } of open) if (isWrite) reject(connectionLost());
    // Last, because whoever hears of it may mend it at once.
    this.#enter('disconnected');
  }

  /** Cuts the connection at the next write: `before` it reaches the store, or `after` it was applied. */
  cutAtNextWrite(when: 'before' | 'after'): void {
    this.#lossAtWrite = when;
  }

  /** The connection is back: what changed meanwhile is told, then what waits is carried out. */
  async mend(): Promise<void> {
    if (this.#state !== 'disconnected') return;
    if (this.#inner.sessionState === 'expired') return this.#expired();
    while (this.#heldEvents.length > 0) await this.#tellAfterGap(this.#heldEvents.shift() as WatchEvent);
    for (const view of this.#cutViews.splice(0)) await this.#watchAgain(view);
    if (this.#state !== 'disconnected') return;
    this.#enter('connected');
    for (const request of this.#queue.splice(0)) this.#begin(request);
  }

  /** Lets the session expire; whoever is disconnected learns it from {@link mend}. */
  async expire(): Promise<void> {
    await this.#options.expire();
  }

  /**
   * Has reads answered from the tree as it is now, whatever is changed by others, as by a server that is behind. Own writes, a cut and
   * {@link catchUp} end that: a session never sees anything older than what it has seen.
   */
  lag(): void {
    // What is being written would be missing in it, and the session is to see that from its acknowledgement on. What is being read would be
    // answered behind what is asked later, and after a cut with something newer.
    if (this.#state !== 'connected' || this.#view !== undefined || this.#underWay.size > 0) return;
    const tree = this.#options.freeze?.();
    if (tree !== undefined) this.#view = new StaleView(tree);
  }

  /** The server that is behind hears of all that has happened. */
  async catchUp(): Promise<void> {
    const view = this.#view;
    if (view === undefined) return;
    this.#view = undefined;
    for (const event of this.#heldEvents.splice(0)) this.#tell(event);
    await this.#watchAgain(view);
  }

  async #watchAgain(view: StaleView): Promise<void> {
    for (const { kind, path } of view.watched) {
      const events = view.changesSince(kind, path, await this.#arm(kind, path));
      for (const event of events) this.#tell(event);
    }
  }

  create(path: string, data: Uint8Array, options?: CreateOptions): Promise<string> {
    const copy = Buffer.from(data);
    return this.#write(() => this.#inner.create(path, copy, options));
  }

  set(path: string, data: Uint8Array, expected: Version): Promise<NodeStat> {
    const copy = Buffer.from(data);
    return this.#write(() => this.#inner.set(path, copy, expected));
  }

  delete(path: string, expected: Version): Promise<void> {
    return this.#write(() => this.#inner.delete(path, expected));
  }

  multi(operations: readonly Operation[]): Promise<readonly OperationResult[]> {
    return this.#write(async () => {
      const results = await this.#inner.multi(operations);
      this.#options.applied?.(operations, results);
      return results;
    });
  }

  get(path: string, options?: ReadOptions): Promise<NodeContent> {
    return this.#read(
      'node',
      path,
      options,
      (view) => view.get(path),
      (own) => this.#inner.get(path, own),
    );
  }

  exists(path: string, options?: ReadOptions): Promise<NodeStat | undefined> {
    return this.#read(
      'node',
      path,
      options,
      (view) => view.exists(path),
      (own) => this.#inner.exists(path, own),
    );
  }

  children(path: string, options?: ReadOptions): Promise<readonly string[]> {
    return this.#read(
      'children',
      path,
      options,
      (view) => view.children(path),
      (own) => this.#inner.children(path, own),
    );
  }

  onSession(listener: (state: SessionState) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async renewSession(): Promise<void> {
    if (this.#state !== 'expired') return this.#state === 'closed' ? this.#inner.renewSession() : undefined;
    await this.#inner.renewSession();
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#enter('closed');
    this.#failAll(() => new MetadataError('STORE_CLOSED', 'The metadata store was closed.'));
    await this.#inner.close();
  }

  #read<T>(
    kind: WatchKind,
    path: string,
    options: ReadOptions | undefined,
    stale: (view: StaleView) => T,
    ask: (own: ReadOptions) => Promise<T>,
  ): Promise<T> {
    const watch = options?.watch;
    return this.#submit(
      false,
      async () => {
        // A server answers in order: a read behind an own write comes from a server that has applied it.
        const view = this.#isWriting ? undefined : this.#view;
        if (view !== undefined) {
          const value = stale(view);
          if (watch !== undefined) view.watched.push({ kind, path });
          return value;
        }
        return ask(watch === undefined ? {} : { watch: this.#onInnerEvent });
      },
      () => {
        if (watch !== undefined) this.#watch(kind, path, watch);
      },
    );
  }

  #write<T>(run: () => Promise<T>): Promise<T> {
    const loss = this.#lossAtWrite;
    if (loss === undefined || this.#state !== 'connected') return this.#submit(true, () => this.#caughtUp(run));
    this.#lossAtWrite = undefined;
    this.#isLosing = true;
    const notice = (): void =>
      runNextTurn(() => {
        if (this.#isLosing) this.cut();
      });
    if (loss === 'before') notice();
    else run().then(notice, notice);
    return this.#submit(true, run);
  }

  get #isWriting(): boolean {
    for (const { isWrite } of this.#underWay) if (isWrite) return true;
    return false;
  }

  /** A server that answers a write has applied it, and all before it. */
  async #caughtUp<T>(run: () => Promise<T>): Promise<T> {
    if (this.#view === undefined) return run();
    try {
      return await run();
    } finally {
      await this.catchUp();
    }
  }

  #submit<T>(isWrite: boolean, run: () => Promise<T>, settled: () => void = () => {}): Promise<T> {
    const fault = this.#fault();
    if (fault !== undefined) return Promise.reject(fault);
    return new Promise<T>((resolve, reject) => {
      const done = (value: T): void => {
        settled();
        resolve(value);
      };
      const request: Request = { isWrite, run, resolve: done, reject };
      if (this.#state === 'connected') this.#begin(request);
      else this.#queue.push(request);
    });
  }

  #begin(request: Request): void {
    this.#underWay.add(request);
    if (this.#isLosing) return;
    request.run().then(
      (value) => {
        if (this.#underWay.delete(request)) request.resolve(value as never);
      },
      (error: unknown) => {
        if (this.#underWay.delete(request)) request.reject(error);
      },
    );
  }

  #watch(kind: WatchKind, path: string, watcher: NonNullable<ReadOptions['watch']>): void {
    if (kind === 'node') this.#watches.watchNode(path, watcher);
    else this.#watches.watchChildren(path, watcher);
  }

  readonly #onInnerEvent = (event: WatchEvent): void => {
    if (this.#state === 'disconnected' || this.#view !== undefined) this.#heldEvents.push(event);
    else this.#tell(event);
  };

  #tell(event: WatchEvent): void {
    for (const watcher of this.#watches.take(event)) watcher(event);
  }

  /** Who was away is told what is, and not what has been in between (`DataTree.setWatches`). */
  async #tellAfterGap({ type, path }: WatchEvent): Promise<void> {
    const isThere = (await this.#inner.exists(path)) !== undefined;
    if (isThere) {
      const told = type === 'deleted' ? (['changed', 'children'] as const) : [type];
      for (const each of told) this.#tell({ type: each, path });
    } else if (type === 'created') {
      if ((await this.#arm('node', path)) !== undefined) this.#tell({ type, path });
    } else {
      this.#tell({ type: 'deleted', path });
    }
  }

  /** Sets our watch below, and gives what is there. */
  async #arm(kind: WatchKind, path: string): Promise<NodeStat | undefined> {
    const own = { watch: this.#onInnerEvent };
    if (kind === 'children') await this.#inner.children(path, own).catch(() => {});
    return this.#inner.exists(path, kind === 'node' ? own : {});
  }

  #innerIs(state: SessionState): void {
    if (this.#state === 'closed') return;
    if (state === 'expired' && this.#state !== 'disconnected') this.#expired();
    if (state === 'connected' && this.#state === 'expired') this.#enter('connected');
  }

  #expired(): void {
    this.#watches.clear();
    this.#heldEvents = [];
    this.#view = undefined;
    this.#cutViews = [];
    this.#enter('expired');
    this.#failAll(() => this.#fault() as MetadataError);
  }

  #failAll(error: () => MetadataError): void {
    const open = [...this.#underWay, ...this.#queue];
    this.#underWay.clear();
    this.#queue = [];
    for (const { reject } of open) reject(error());
  }

  #fault(): MetadataError | undefined {
    if (this.#state === 'closed') return new MetadataError('STORE_CLOSED', 'The metadata store was closed.');
    if (this.#state !== 'expired') return undefined;
    return new MetadataError('SESSION_EXPIRED', 'The session has expired. Renew it, then read anew.');
  }

  #enter(state: SessionState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }
}

function connectionLost(): MetadataError {
  return new MetadataError(
    'CONNECTION_LOSS',
    'The connection was lost before the answer came: the write may or may not have been applied.',
  );
}
