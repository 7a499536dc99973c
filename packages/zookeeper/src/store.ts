import {
  type CreateOptions,
  METADATA_BYTES_MAX,
  MetadataError,
  type MetadataErrorCode,
  type MetadataStore,
  type NodeContent,
  type NodeStat,
  type Operation,
  type OperationResult,
  type ReadOptions,
  type SessionState,
  type Version,
  type Watcher,
} from '@millrace/metadata';
import { checkPath } from '@millrace/metadata/internal';
import { type Clock, type Random, systemClock, systemRandom, type Timer } from '@millrace/ports';
import { type Credentials, ZooKeeperClient } from './client.ts';
import { parseConnectString } from './connect-string.ts';
import type { SaslLogin } from './digest-md5.ts';
import { ZooKeeperError } from './errors.ts';
import type { JuteReader } from './jute.ts';
import {
  type Acl,
  ANY_VERSION,
  CREATOR_ACL,
  type CreateBody,
  ErrorNumber,
  type MultiResult,
  OPEN_ACL,
  READABLE_ACL,
  type RequestBody,
  takeMultiResults,
  takeStat,
  type WireStat,
  type WriteBody,
} from './protocol.ts';
import type { Answer, WatchRequest } from './requests.ts';
import { connectSocket, type SocketOptions } from './socket-transport.ts';
import type { Connect } from './transport.ts';

/** Everybody may do everything, or only who has made the node, while all others may read it or not. */
export type NodeRights = 'open' | 'readable' | 'closed';

const ACL_OF_RIGHTS: Readonly<Record<NodeRights, readonly Acl[]>> = {
  open: OPEN_ACL,
  readable: READABLE_ACL,
  closed: CREATOR_ACL,
};

/** How {@link ZooKeeperMetadataStore.open} opens a session. */
export interface ZooKeeperMetadataOptions {
  /** `host:port,host:port/chroot`, as `zookeeper.connect` has it. */
  readonly connect: string;
  /** How long the ensemble may hear nothing of the session. Servers bound it, by 2 to 20 of their ticks. Default 18,000 ms. */
  readonly sessionTimeoutMs?: number;
  /** How long the first connection may take. Default: {@link sessionTimeoutMs}. */
  readonly connectionTimeoutMs?: number;
  /** Whether the chroot is made where it is missing. Default true. */
  readonly makesChroot?: boolean;
  /** `user:password` of ZooKeeper's digest scheme. Default: none is shown. */
  readonly digest?: string;
  /** Who logs in by SASL (DIGEST-MD5), as brokers of Kafka do. Default: nobody. */
  readonly sasl?: SaslLogin | undefined;
  /** Who may do what with a node that this session makes. Default: `open`. */
  readonly rightsOf?: (path: string) => NodeRights;
  /** How many requests may be under way at a time. Default 1000. */
  readonly inFlightMax?: number;
  /** TLS towards the servers; a function is asked at each connection, so that certificates may change. Default: none. */
  readonly tls?: SocketOptions['tls'];
  /** Told of servers that cannot be reached and of sessions that end, in a sentence. */
  readonly onNotice?: (message: string, error?: unknown) => void;
  /** Default: the machine's own. */
  readonly clock?: Clock;
  readonly random?: Random;
  /** How connections are made. Default: sockets. */
  readonly connectTransport?: Connect;
  /** What messages call the server where it is no ensemble's. Default: its host and port. */
  readonly serverName?: string | undefined;
}

const SESSION_TIMEOUT_MS = 18_000;
const IN_FLIGHT_MAX = 1000;

/** What a multi costs on the wire beside contents and paths, for each operation. */
const OPERATION_BYTES = 64;

/**
 * A metadata store on a ZooKeeper ensemble, one session of it. Reads wait for a connection and are never answered with CONNECTION_LOSS;
 * a write is, once, when its answer was lost.
 *
 * ```ts
 * await using store = await ZooKeeperMetadataStore.open({ connect: 'zk1:2181,zk2:2181,zk3:2181/kafka' });
 * ```
 */
export class ZooKeeperMetadataStore implements MetadataStore {
  readonly #client: ZooKeeperClient;
  readonly #chroot: string;
  readonly #rightsOf: (path: string) => NodeRights;
  readonly #listeners = new Set<(state: SessionState) => void>();
  /** One wrapper for each watcher and chroot, so that a watcher set twice is told once. */
  readonly #stripped = new WeakMap<Watcher, Watcher>();

  private constructor(client: ZooKeeperClient, chroot: string, rightsOf: (path: string) => NodeRights) {
    this.#client = client;
    this.#chroot = chroot;
    this.#rightsOf = rightsOf;
    client.onState((state) => {
      for (const listener of [...this.#listeners]) listener(state);
    });
  }

  /**
   * Opens a session, and makes the chroot where it is missing, as Kafka's brokers do (`makesChroot`).
   * @throws ZooKeeperError ZOOKEEPER_UNREACHABLE when no server answers in the time, ZOOKEEPER_CONNECT_STRING, ZOOKEEPER_AUTH_FAILED
   */
  static async open(options: ZooKeeperMetadataOptions): Promise<ZooKeeperMetadataStore> {
    const { clock = systemClock, random = systemRandom, sessionTimeoutMs = SESSION_TIMEOUT_MS } = options;
    const { servers, chroot } = parseConnectString(options.connect);
    const credentials: Credentials[] =
      options.digest === undefined ? [] : [{ scheme: 'digest', auth: Buffer.from(options.digest) }];
    const client = new ZooKeeperClient({
      servers,
      sessionTimeoutMs,
      credentials,
      sasl: options.sasl,
      inFlightMax: options.inFlightMax ?? IN_FLIGHT_MAX,
      clock,
      random,
      connect: options.connectTransport ?? connectSocket({ tls: options.tls }),
      onNotice: options.onNotice ?? (() => {}),
      serverName: options.serverName,
    });
    const store = new ZooKeeperMetadataStore(client, chroot, options.rightsOf ?? (() => 'open'));
    try {
      await connected(client, options, clock, options.connectionTimeoutMs ?? sessionTimeoutMs);
      if (options.makesChroot !== false) await store.#makeChroot();
    } catch (error) {
      await client.close();
      throw error;
    }
    return store;
  }

  get sessionId(): string {
    return this.#client.sessionId;
  }

  get sessionState(): SessionState {
    return this.#client.state;
  }

  /** What the ensemble has granted of the timeout that was asked for, in milliseconds. */
  get sessionTimeoutMs(): number {
    return this.#client.sessionTimeoutMs;
  }

  /** The session itself, for tests of what a lost connection leads to. */
  get client(): ZooKeeperClient {
    return this.#client;
  }

  async create(path: string, data: Uint8Array, options?: CreateOptions): Promise<string> {
    const answer = await this.#ask(this.#creation(path, data, options), path, data.length);
    return this.#stripChroot(answer.string());
  }

  async set(path: string, data: Uint8Array, expected: Version): Promise<NodeStat> {
    const body = { type: 'set', path: this.#full(path), data, version: versionOf(expected) } as const;
    return statOf(takeStat(await this.#ask(body, path, data.length)));
  }

  async delete(path: string, expected: Version): Promise<void> {
    await this.#ask({ type: 'delete', path: this.#full(path), version: versionOf(expected) }, path);
  }

  async get(path: string, options?: ReadOptions): Promise<NodeContent> {
    const full = this.#full(path);
    const watch = this.#watch('data', full, options);
    const reader = await this.#ask({ type: 'get', path: full, watch: watch !== undefined }, path, 0, watch);
    const data = reader.buffer();
    return { data, stat: statOf(takeStat(reader)) };
  }

  async exists(path: string, options?: ReadOptions): Promise<NodeStat | undefined> {
    const full = this.#full(path);
    const watch = this.#watch('exist', full, options);
    const answer = await this.#client.request({ type: 'exists', path: full, watch: watch !== undefined }, watch);
    if (answer.error === ErrorNumber.NO_NODE) return undefined;
    return statOf(takeStat(this.#succeeded(answer, path)));
  }

  async children(path: string, options?: ReadOptions): Promise<readonly string[]> {
    const full = this.#full(path);
    const watch = this.#watch('children', full, options);
    const body = { type: 'children', path: full, watch: watch !== undefined, withStat: false } as const;
    const reader = await this.#ask(body, path, 0, watch);
    return reader.vector(4, () => reader.string());
  }

  async multi(operations: readonly Operation[]): Promise<readonly OperationResult[]> {
    if (operations.length === 0) {
      const fault = this.#faultOfState();
      if (fault !== undefined) throw fault;
      return [];
    }
    const bodies = operations.map((operation) => this.#bodyOf(operation));
    const bytes = operations.reduce((sum, operation) => sum + sizeOf(operation), 0);
    const reader = await this.#ask({ type: 'multi', operations: bodies }, undefined, bytes);
    return this.#resultsOf(operations, takeMultiResults(reader));
  }

  onSession(listener: (state: SessionState) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Opens a new session in place of one that expired, and resolves when it stands. Waits as long as that takes. */
  renewSession(): Promise<void> {
    const { state } = this.#client;
    if (state === 'closed') return Promise.reject(closed());
    if (state !== 'expired') return Promise.resolve();
    return new Promise((resolve, reject) => {
      const forget = this.#client.onState((now) => {
        if (now === 'disconnected') return;
        forget();
        if (now === 'connected') resolve();
        else reject(closed());
      });
      this.#client.renew();
    });
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #creation(path: string, data: Uint8Array, options: CreateOptions = {}): CreateBody {
    // What a sequence number comes behind may end in a slash.
    checkPath(options.sequential === true ? `${path}0` : path);
    return {
      type: 'create',
      path: `${this.#chroot}${path}`,
      data,
      acl: ACL_OF_RIGHTS[this.#rightsOf(path)],
      ephemeral: options.ephemeral === true,
      sequential: options.sequential === true,
    };
  }

  #bodyOf(operation: Operation): WriteBody {
    const { type, path } = operation;
    if (type === 'create') return this.#creation(path, operation.data, operation.options);
    const version = versionOf(operation.expected);
    return type === 'set'
      ? { type, path: this.#full(path), data: operation.data, version }
      : { type, path: this.#full(path), version };
  }

  #full(path: string): string {
    checkPath(path);
    if (this.#chroot === '') return path;
    return path === '/' ? this.#chroot : `${this.#chroot}${path}`;
  }

  #stripChroot(path: string): string {
    return path === this.#chroot ? '/' : path.slice(this.#chroot.length);
  }

  #watch(kind: WatchRequest['kind'], path: string, options: ReadOptions | undefined): WatchRequest | undefined {
    const watcher = options?.watch;
    return watcher === undefined ? undefined : { kind, path, watcher: this.#strippedWatcher(watcher) };
  }

  #strippedWatcher(watcher: Watcher): Watcher {
    if (this.#chroot === '') return watcher;
    let stripped = this.#stripped.get(watcher);
    if (stripped === undefined) {
      stripped = ({ type, path }) => watcher({ type, path: this.#stripChroot(path) });
      this.#stripped.set(watcher, stripped);
    }
    return stripped;
  }

  async #ask(body: RequestBody, path: string | undefined, bytes = 0, watch?: WatchRequest): Promise<JuteReader> {
    if (bytes > METADATA_BYTES_MAX) {
      const message = `${bytes} bytes are more than a node, or all operations of one multi, may have (${METADATA_BYTES_MAX}).`;
      throw new MetadataError('TOO_LARGE', message, path === undefined ? {} : { path });
    }
    return this.#succeeded(await this.#client.request(body, watch), path);
  }

  #succeeded({ error, reader }: Answer, path: string | undefined): JuteReader {
    if (error !== ErrorNumber.OK) throw metadataError(error, path);
    return reader;
  }

  #resultsOf(operations: readonly Operation[], results: readonly MultiResult[]): readonly OperationResult[] {
    const isFailure = (result: MultiResult): boolean =>
      result.type === 'error' && result.error !== ErrorNumber.OK && result.error !== ErrorNumber.RUNTIME_INCONSISTENCY;
    const index = results.findIndex(isFailure);
    const failed = results[index];
    if (failed?.type === 'error') throw metadataError(failed.error, operations[index]?.path, index);
    return results.map((result): OperationResult => {
      if (result.type === 'create') return { type: 'create', path: this.#stripChroot(result.path) };
      if (result.type === 'set') return { type: 'set', stat: statOf(result.stat) };
      if (result.type === 'error') throw metadataError(result.error, undefined);
      return { type: result.type };
    });
  }

  #faultOfState(): MetadataError | undefined {
    if (this.#client.state === 'closed') return closed();
    if (this.#client.state !== 'expired') return undefined;
    return new MetadataError(
      'SESSION_EXPIRED',
      `The session ${this.sessionId} with ${this.#client.keeper} has expired`,
    );
  }

  async #makeChroot(): Promise<void> {
    const parts = this.#chroot.split('/').slice(1);
    for (let length = 1; length <= parts.length; length += 1) {
      const path = `/${parts.slice(0, length).join('/')}`;
      const found = await this.#client.request({ type: 'exists', path, watch: false });
      if (found.error !== ErrorNumber.NO_NODE) continue;
      const acl = ACL_OF_RIGHTS[this.#rightsOf(path)];
      const data = Buffer.alloc(0);
      const body = { type: 'create', path, data, acl, ephemeral: false, sequential: false } as const;
      const { error } = await this.#client.request(body);
      if (error !== ErrorNumber.OK && error !== ErrorNumber.NODE_EXISTS) throw metadataError(error, path);
    }
  }
}

/** Waits for the first connection. */
function connected(
  client: ZooKeeperClient,
  { connect, serverName }: Pick<ZooKeeperMetadataOptions, 'connect' | 'serverName'>,
  clock: Clock,
  withinMs: number,
): Promise<void> {
  if (client.state === 'connected') return Promise.resolve();
  return new Promise((resolve, reject) => {
    let timer: Timer | undefined;
    const forget = client.onState((state) => {
      if (state === 'connected') end(resolve);
    });
    const end = (settle: () => void): void => {
      forget();
      timer?.cancel();
      settle();
    };
    timer = clock.schedule(withinMs, () => {
      const cause = client.lastError;
      if (cause instanceof ZooKeeperError && cause.code === 'ZOOKEEPER_AUTH_FAILED') return end(() => reject(cause));
      const why = cause === undefined ? '' : ` (${cause.message})`;
      const message =
        serverName === undefined
          ? `No server of ${connect} could be reached within ${withinMs} ms${why}. Is ZooKeeper running, and zookeeper.connect right?`
          : `Nothing was heard from ${serverName} within ${withinMs} ms${why}`;
      end(() => reject(new ZooKeeperError('ZOOKEEPER_UNREACHABLE', message, { cause })));
    });
  });
}

function versionOf(expected: Version): number {
  return expected === 'any' ? ANY_VERSION : expected.exactly;
}

function statOf({ pzxid: _, ...stat }: WireStat): NodeStat {
  return stat;
}

function sizeOf(operation: Operation): number {
  const data = operation.type === 'create' || operation.type === 'set' ? operation.data.length : 0;
  return OPERATION_BYTES + operation.path.length + data;
}

const codes: ReadonlyMap<number, MetadataErrorCode> = new Map([
  [ErrorNumber.NO_NODE, 'NO_NODE'],
  [ErrorNumber.NODE_EXISTS, 'NODE_EXISTS'],
  [ErrorNumber.BAD_VERSION, 'BAD_VERSION'],
  [ErrorNumber.NOT_EMPTY, 'NOT_EMPTY'],
  [ErrorNumber.NO_CHILDREN_FOR_EPHEMERALS, 'NO_CHILDREN_FOR_EPHEMERALS'],
  [ErrorNumber.BAD_ARGUMENTS, 'INVALID_PATH'],
  [ErrorNumber.SESSION_EXPIRED, 'SESSION_EXPIRED'],
]);

const reasons: ReadonlyMap<number, string> = new Map([
  [ErrorNumber.NO_NODE, 'it does not exist'],
  [ErrorNumber.NODE_EXISTS, 'it exists already'],
  [ErrorNumber.BAD_VERSION, 'it has another version'],
  [ErrorNumber.NOT_EMPTY, 'it has children'],
  [ErrorNumber.NO_CHILDREN_FOR_EPHEMERALS, 'ephemeral nodes have no children'],
  [ErrorNumber.NO_AUTH, 'this session has no right to it; give the digest of the user that made it'],
  [ErrorNumber.INVALID_ACL, 'its rights cannot be set: ZooKeeper knows nobody in this session whom it could belong to'],
]);

function metadataError(error: number, path: string | undefined, operationIndex?: number): MetadataError {
  const reason = reasons.get(error) ?? `ZooKeeper answers with error ${error}`;
  const message =
    path === undefined ? `ZooKeeper refuses the request: ${reason}.` : `ZooKeeper refuses ${path}: ${reason}.`;
  return new MetadataError(codes.get(error) ?? 'STORE_FAILED', message, {
    ...(path === undefined ? {} : { path }),
    ...(operationIndex === undefined ? {} : { operationIndex }),
  });
}

function closed(): MetadataError {
  return new MetadataError('STORE_CLOSED', 'The metadata store was closed.');
}
