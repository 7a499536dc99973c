/**
 * What version a node must have for a write to apply. The two cases are told apart by type, because version 0 is a real
 * version: a client that treats 0 as "none given" guards nothing on a node that was never changed.
 */
export type Version = { readonly exactly: number } | 'any';

/** What a store knows of a node beside its content. */
export interface NodeStat {
  /** Counts the changes of the content, from 0. */
  readonly version: number;
  /** Counts the changes of the list of children. */
  readonly childrenVersion: number;
  /** The transaction that created the node. It rises over the whole life of the store; a broker's epoch is the one of its registration. */
  readonly czxid: number;
  /** The transaction that last changed the content. */
  readonly mzxid: number;
  /** Milliseconds since the Unix epoch. */
  readonly createdMs: number;
  /** Milliseconds since the Unix epoch. */
  readonly modifiedMs: number;
  /** The session that the node goes with; undefined for a persistent node. */
  readonly ephemeralOwner: string | undefined;
  readonly dataBytes: number;
  readonly childCount: number;
}

/** A node's content and stat as of one instant. The bytes are the caller's own. */
export interface NodeContent {
  readonly data: Buffer;
  readonly stat: NodeStat;
}

/** How a node is created. */
export interface CreateOptions {
  /** The node goes when the session that created it ends. It can have no children. Default false. */
  readonly ephemeral?: boolean;
  /** Ten digits that rise with every child created below the same parent are put behind the path. Default false. */
  readonly sequential?: boolean;
}

/** What a watch reports. `children` means that the list of a node's children changed. */
export interface WatchEvent {
  readonly type: 'created' | 'changed' | 'deleted' | 'children';
  readonly path: string;
}

/**
 * Called once, on the first change after the read that set it. It is called after that read's promise has settled, and
 * before any read settles that sees the change. It must not throw.
 */
export type Watcher = (event: WatchEvent) => void;

/** Options of a read. */
export interface ReadOptions {
  /** Told once of the next change of what was read. The same function set twice on one node is called once. */
  readonly watch?: Watcher;
}

/** One operation of a {@link MetadataStore.multi}. */
export type Operation =
  | { readonly type: 'create'; readonly path: string; readonly data: Uint8Array; readonly options?: CreateOptions }
  | { readonly type: 'set'; readonly path: string; readonly data: Uint8Array; readonly expected: Version }
  | { readonly type: 'delete'; readonly path: string; readonly expected: Version }
  | { readonly type: 'check'; readonly path: string; readonly expected: Version };

/** What one operation of a multi gave, at the same index. */
export type OperationResult =
  | { readonly type: 'create'; readonly path: string }
  | { readonly type: 'set'; readonly stat: NodeStat }
  | { readonly type: 'delete' }
  | { readonly type: 'check' };

/**
 * `disconnected`: the ensemble is out of reach, the session may live on. `expired`: the session's ephemeral nodes and watches
 * are gone. `closed`: {@link MetadataStore.close} was called.
 */
export type SessionState = 'connected' | 'disconnected' | 'expired' | 'closed';

/** The most bytes that one node, or all operations of one multi together, may carry: ZooKeeper's `jute.maxbuffer`. */
export const METADATA_BYTES_MAX = 1024 * 1024 - 1;

/** The longest path in bytes. ZooKeeper has no limit of its own. */
export const METADATA_PATH_BYTES_MAX = 1024;

/**
 * A tree of small nodes shared by all brokers, with ZooKeeper's semantics: conditional writes, ephemeral and sequential
 * nodes, one-shot watches, transactions.
 *
 * Operations of one store apply in the order of the calls. A promise of a write resolves once the write is durable.
 *
 * A connection may be lost, and come back with the same session (`disconnected`, then `connected`):
 * - A read never fails because of that. It waits until the session is connected again, and fails only once that has expired.
 * - A write that was under way fails with `CONNECTION_LOSS`, once, and is never carried out again by the store: it may have been
 *   applied or not. Its caller knows what it wrote, so he looks: a node whose `ephemeralOwner` is {@link sessionId} is his own, a
 *   version one above the expected one with his content is his write. Writes behind it in the order fail as well. A write that is
 *   called while the session is disconnected waits, as reads do.
 * - Watches stay. What has changed meanwhile is told when the session is connected again, before any read that sees it; of several
 *   changes of one node only what came of them is told, and nothing of a node that came and went.
 * - That a session has expired shows only when it would be connected again. Everything that waits fails with `SESSION_EXPIRED` then.
 *
 * A server of an ensemble may be behind: a read may give what was true a moment ago, though never anything older than what this
 * session has seen or written. Only writes that expect a version are safe from that.
 *
 * Every method rejects with a {@link MetadataError}: `SESSION_EXPIRED` after the session expired, `STORE_CLOSED` after
 * `close`, `INVALID_PATH` for a malformed path, `TOO_LARGE` for more than {@link METADATA_BYTES_MAX}.
 */
export interface MetadataStore {
  /** Identifies the present session; what {@link NodeStat.ephemeralOwner} names. */
  readonly sessionId: string;
  readonly sessionState: SessionState;

  /**
   * Creates a node and returns its path (which differs from `path` for a sequential one).
   * @throws `NODE_EXISTS`; `NO_NODE` when the parent is missing; `NO_CHILDREN_FOR_EPHEMERALS` when the parent is ephemeral.
   */
  create(path: string, data: Uint8Array, options?: CreateOptions): Promise<string>;
  /**
   * Replaces a node's content.
   * @throws `NO_NODE`; `BAD_VERSION` when the version is not the expected one.
   */
  set(path: string, data: Uint8Array, expected: Version): Promise<NodeStat>;
  /**
   * Removes a node without children.
   * @throws `NO_NODE`, `BAD_VERSION`, `NOT_EMPTY`.
   */
  delete(path: string, expected: Version): Promise<void>;
  /**
   * Reads a node. The watch tells of its change or deletion.
   * @throws `NO_NODE`, and then no watch is set.
   */
  get(path: string, options?: ReadOptions): Promise<NodeContent>;
  /** Reads a node's stat, undefined where there is none. The watch is set in both cases and tells of creation too. */
  exists(path: string, options?: ReadOptions): Promise<NodeStat | undefined>;
  /**
   * Lists the names of a node's children, in no particular order. The watch tells when a child comes or goes, or when the node goes.
   * @throws `NO_NODE`, and then no watch is set.
   */
  children(path: string, options?: ReadOptions): Promise<readonly string[]>;
  /**
   * Applies all operations, in order, or none. Later operations see what earlier ones did.
   * @throws the error of the first operation that fails, with its `operationIndex`.
   */
  multi(operations: readonly Operation[]): Promise<readonly OperationResult[]>;

  /** Calls `listener` on every change of the session's state; the returned function ends that. */
  onSession(listener: (state: SessionState) => void): () => void;
  /** Opens a new session in place of one that expired; does nothing while the present one lives. */
  renewSession(): Promise<void>;
  /** Ends the session, which removes its ephemeral nodes, and frees what the store holds. */
  close(): Promise<void>;
}
