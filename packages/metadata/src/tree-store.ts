import type { EngineSession, TreeEngine } from './engine.ts';
import { MetadataError } from './errors.ts';
import { checkPath } from './paths.ts';
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
} from './store.ts';
import type { MetadataTree } from './tree.ts';

/** One session on a tree in this process; what the embedded engines give out. */
export class TreeMetadataStore implements MetadataStore {
  readonly #engine: TreeEngine;
  readonly #listeners = new Set<(state: SessionState) => void>();
  #session: EngineSession;
  #state: SessionState = 'connected';

  /** Engines call this; others open a store through an engine. */
  constructor(engine: TreeEngine) {
    this.#engine = engine;
    this.#session = engine.openSession();
  }

  get sessionId(): string {
    return this.#session.id;
  }

  get sessionState(): SessionState {
    return this.#state;
  }

  /** The number of the last transaction that was applied; right after the call of a write it is that write's own. */
  get zxid(): number {
    return this.#engine.tree.zxid;
  }

  /** Another session on the same tree, as another broker would hold one. It ends on its own `close`. */
  openSession(): TreeMetadataStore {
    return new TreeMetadataStore(this.#engine);
  }

  /** The tree as it is at this moment, for tests of what a server does that is behind. */
  freeze(): ReturnType<MetadataTree['freeze']> {
    return this.#engine.tree.freeze();
  }

  /** Ends the session as if the ensemble had not heard of it for too long; for tests of what a broker does then. */
  async expireSession(): Promise<void> {
    if (this.#state !== 'connected') return;
    // Whoever is told may renew the session at once, and that one must live.
    const session = this.#session;
    this.#enter('expired');
    await this.#engine.endSession(session);
  }

  async create(path: string, data: Uint8Array, options?: CreateOptions): Promise<string> {
    const operation: Operation = { type: 'create', path, data, ...(options === undefined ? {} : { options }) };
    const [result] = await this.#write([operation]);
    return result?.type === 'create' ? result.path : path;
  }

  async set(path: string, data: Uint8Array, expected: Version): Promise<NodeStat> {
    const [result] = await this.#write([{ type: 'set', path, data, expected }]);
    if (result?.type !== 'set') throw new MetadataError('STORE_FAILED', `The write of ${path} gave no stat.`, { path });
    return result.stat;
  }

  async delete(path: string, expected: Version): Promise<void> {
    await this.#write([{ type: 'delete', path, expected }]);
  }

  multi(operations: readonly Operation[]): Promise<readonly OperationResult[]> {
    return this.#write(operations);
  }

  get(path: string, options?: ReadOptions): Promise<NodeContent> {
    return this.#read((session) => {
      checkPath(path);
      const node = this.#engine.tree.node(path);
      const stat = this.#engine.tree.statOf(path);
      if (node === undefined || stat === undefined) throw noNode('read', path);
      if (options?.watch !== undefined) session.watches.watchNode(path, options.watch);
      return { data: Buffer.from(node.data, 'latin1'), stat };
    });
  }

  exists(path: string, options?: ReadOptions): Promise<NodeStat | undefined> {
    return this.#read((session) => {
      checkPath(path);
      if (options?.watch !== undefined) session.watches.watchNode(path, options.watch);
      return this.#engine.tree.statOf(path);
    });
  }

  children(path: string, options?: ReadOptions): Promise<readonly string[]> {
    return this.#read((session) => {
      checkPath(path);
      const names = this.#engine.tree.childrenOf(path);
      if (names === undefined) throw noNode('list the children of', path);
      if (options?.watch !== undefined) session.watches.watchChildren(path, options.watch);
      return names;
    });
  }

  onSession(listener: (state: SessionState) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  renewSession(): Promise<void> {
    if (this.#state === 'closed') return Promise.reject(closed());
    if (this.#state !== 'expired') return Promise.resolve();
    this.#session = this.#engine.openSession();
    this.#enter('connected');
    return Promise.resolve();
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    const wasConnected = this.#state === 'connected';
    this.#enter('closed');
    if (wasConnected) await this.#engine.endSession(this.#session);
  }

  #read<T>(take: (session: EngineSession) => T): Promise<T> {
    const fault = this.#fault();
    return fault === undefined ? this.#engine.read(() => take(this.#session)) : Promise.reject(fault);
  }

  #write(operations: readonly Operation[]): Promise<readonly OperationResult[]> {
    const fault = this.#fault();
    return fault === undefined ? this.#engine.write(this.#session, operations) : Promise.reject(fault);
  }

  #fault(): MetadataError | undefined {
    if (this.#state === 'closed') return closed();
    if (this.#state !== 'expired') return undefined;
    return new MetadataError(
      'SESSION_EXPIRED',
      `The session ${this.#session.id} has expired. Renew it, then read anew.`,
    );
  }

  #enter(state: SessionState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }
}

function closed(): MetadataError {
  return new MetadataError('STORE_CLOSED', 'The metadata store was closed.');
}

function noNode(action: string, path: string): MetadataError {
  return new MetadataError('NO_NODE', `Cannot ${action} ${path}: it does not exist.`, { path });
}
