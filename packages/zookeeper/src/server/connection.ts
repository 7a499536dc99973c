import {
  isMetadataError,
  type ReadOptions,
  type TreeMetadataStore,
  type WatchEvent,
  type Watcher,
} from '@millrace/metadata';
import { FrameCutter, type JuteWriter, type LongId } from '../jute.ts';
import {
  type ConnectRequest,
  decodeConnectRequest,
  decodeRequest,
  ErrorNumber,
  EventType,
  encodeConnectResponse,
  encodeEvent,
  OPEN_ACL,
  putMultiResults,
  putStat,
  type RequestBody,
  replyWriter,
  type WatchPaths,
  type WriteBody,
  Xid,
} from '../protocol.ts';
import { errorNumber, failedMulti, operationOf, RefusedRequest, wireStat } from './answers.ts';
import type { ServerSession } from './session.ts';

/** The largest request that is taken, beside what a multi's operations may have. */
const REQUEST_BYTES_MAX = 4 * 1024 * 1024;

/** Requests of one client that may be under way; it is read on when answers have left. */
const UNDER_WAY_MAX = 128;

/** Bytes of answers that a client may leave lying; beyond, nothing more is read from it until it has taken them. */
const UNSENT_BYTES_MAX = 8 * 1024 * 1024;

/** The socket of a client, as a connection uses it. */
export interface ClientSocket {
  write(frame: Buffer): void;
  /** Bytes that were written and that the client has not taken. */
  readonly unsentBytes: number;
  pause(): void;
  resume(): void;
  destroy(): void;
}

/** What a connection needs of its server. */
export interface ConnectionHost {
  /** Whether a client has seen what this server has not applied. */
  isBehind(request: ConnectRequest): boolean;
  /** The session that a client begins or goes on with; undefined when it has expired. */
  sessionFor(request: ConnectRequest): ServerSession | undefined;
  /** Something has come from a session. */
  heard(session: ServerSession): void;
  /** The session's own end: `close`, not silence. */
  endSession(session: ServerSession): Promise<void>;
  connectionClosed(connection: ServerConnection, session: ServerSession | undefined): void;
  idOf(sessionId: string): LongId;
}

interface Slot {
  frame: Buffer | undefined;
}

/** Puts the body of an answer behind its head. */
type Put = (writer: JuteWriter) => void;

const nothing: Put = () => {};

/** One client's connection: its requests are carried out in their order, and answered in it. */
export class ServerConnection {
  readonly #socket: ClientSocket;
  readonly #host: ConnectionHost;
  readonly #cutter = new FrameCutter(REQUEST_BYTES_MAX);
  readonly #slots: Slot[] = [];
  /** One watcher for all reads, so that what is set twice is told once. */
  readonly #watcher: Watcher = (event) => this.#tell(event);
  #session: ServerSession | undefined;
  #isClosed = false;
  #isPaused = false;

  constructor(socket: ClientSocket, host: ConnectionHost) {
    this.#socket = socket;
    this.#host = host;
  }

  /** Takes what the socket delivered. What is no ZooKeeper ends the connection. */
  received(chunk: Buffer): void {
    if (this.#isClosed) return;
    this.#cutter.push(chunk);
    this.#carryOn();
  }

  /** The client has taken what was written. */
  drained(): void {
    if (!this.#isClosed) this.#holdBack();
  }

  /** Ends the connection; the session may live on. */
  close(): void {
    if (this.#isClosed) return;
    this.#socket.destroy();
    this.closed();
  }

  /** The socket is gone. */
  closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#host.connectionClosed(this, this.#session);
  }

  #carryOn(): void {
    try {
      while (!this.#isClosed && !this.#isPaused) {
        const frame = this.#cutter.next();
        if (frame === undefined) return;
        if (this.#session === undefined) this.#greeted(frame);
        else this.#asked(this.#session, frame);
      }
    } catch {
      this.close();
    }
  }

  #greeted(frame: Buffer): void {
    const request = decodeConnectRequest(frame);
    if (this.#host.isBehind(request)) {
      // As ZooKeeper does (`processConnectRequest`): without a word, so that the client tries another server.
      this.close();
      return;
    }
    const session = this.#host.sessionFor(request);
    if (session === undefined) {
      this.#socket.write(
        encodeConnectResponse({ timeoutMs: 0, sessionId: '0'.repeat(16), password: Buffer.alloc(16) }),
      );
      this.close();
      return;
    }
    const replaced = session.connection;
    // First, so that the end of the one before is not taken for the session's.
    session.connection = this;
    this.#session = session;
    replaced?.close();
    const { timeoutMs, id, password } = session;
    this.#socket.write(encodeConnectResponse({ timeoutMs, sessionId: id, password }));
  }

  #asked(session: ServerSession, frame: Buffer): void {
    this.#host.heard(session);
    const { xid, body } = decodeRequest(frame);
    const slot: Slot = { frame: undefined };
    this.#slots.push(slot);
    this.#holdBack();
    const { store } = session;
    // A write is applied when it is called, so this is its own number, or that of the state that a read sees.
    const answering = this.#carryOut(session, xid, body);
    const { zxid } = store;
    answering.then(
      (put) => this.#answer(slot, { xid, zxid, error: ErrorNumber.OK }, put),
      (error: unknown) => this.#answer(slot, { xid, zxid, error: errorNumber(error) }, nothing),
    );
  }

  #answer(slot: Slot, header: { xid: number; zxid: number; error: number }, put: Put): void {
    const writer = replyWriter(header);
    put(writer);
    slot.frame = writer.frame();
    while (this.#slots[0]?.frame !== undefined) {
      const { frame } = this.#slots.shift()!;
      if (!this.#isClosed) this.#socket.write(frame!);
    }
    this.#holdBack();
  }

  #holdBack(): void {
    const isFull = this.#slots.length >= UNDER_WAY_MAX || this.#socket.unsentBytes > UNSENT_BYTES_MAX;
    if (isFull === this.#isPaused) return;
    this.#isPaused = isFull;
    if (isFull) {
      this.#socket.pause();
      return;
    }
    this.#socket.resume();
    this.#carryOn();
  }

  async #carryOut(session: ServerSession, xid: number, body: RequestBody | undefined): Promise<Put> {
    const { store } = session;
    switch (body?.type) {
      case 'create':
      case 'set':
      case 'delete':
        return this.#write(store, body);
      case 'multi':
        return this.#multi(store, body.operations);
      case 'get':
      case 'exists':
      case 'children':
        return this.#read(store, body);
      case 'sync':
        return (writer) => writer.string(body.path);
      case 'getAcl':
        return this.#getAcl(store, body.path);
      case 'setWatches':
        await this.#setWatches(store, body.relativeZxid, body.watches);
        return nothing;
      case 'ping':
        return nothing;
      case 'close':
        await this.#host.endSession(session);
        return nothing;
      default:
        throw new RefusedRequest(xid === Xid.AUTH ? ErrorNumber.AUTH_FAILED : ErrorNumber.UNIMPLEMENTED, 'not spoken');
    }
  }

  async #write(store: TreeMetadataStore, body: WriteBody): Promise<Put> {
    const [result] = await store.multi([operationOf(body)]);
    if (result?.type === 'set') return (writer) => putStat(writer, this.#wire(result.stat));
    if (result?.type !== 'create') return nothing;
    const { path } = result;
    if (body.type !== 'create' || body.withStat !== true) return (writer) => writer.string(path);
    const stat = await store.exists(path);
    return (writer) => {
      writer.string(path);
      if (stat !== undefined) putStat(writer, this.#wire(stat));
    };
  }

  async #multi(store: TreeMetadataStore, bodies: readonly WriteBody[]): Promise<Put> {
    try {
      const results = await store.multi(bodies.map(operationOf));
      const wired = results.map((result) =>
        result.type === 'set' ? { ...result, stat: this.#wire(result.stat) } : result,
      );
      return (writer) => putMultiResults(writer, wired);
    } catch (error) {
      if (!isMetadataError(error) || error.operationIndex === undefined) throw error;
      const failed = failedMulti(bodies.length, error.operationIndex, errorNumber(error));
      return (writer) => putMultiResults(writer, failed);
    }
  }

  async #read(
    store: TreeMetadataStore,
    body: Extract<RequestBody, { type: 'get' | 'exists' | 'children' }>,
  ): Promise<Put> {
    const { path } = body;
    const options: ReadOptions = body.watch ? { watch: this.#watcher } : {};
    if (body.type === 'get') {
      const { data, stat } = await store.get(path, options);
      return (writer) => putStat(writer.buffer(data), this.#wire(stat));
    }
    if (body.type === 'exists') {
      const stat = await store.exists(path, options);
      if (stat === undefined) throw new RefusedRequest(ErrorNumber.NO_NODE, path);
      return (writer) => putStat(writer, this.#wire(stat));
    }
    const listing = store.children(path, options);
    const stat = 'withStat' in body && body.withStat ? await store.exists(path) : undefined;
    const names = await listing;
    return (writer) => {
      writer.vector(names, (name) => writer.string(name));
      if (stat !== undefined) putStat(writer, this.#wire(stat));
    };
  }

  async #getAcl(store: TreeMetadataStore, path: string): Promise<Put> {
    const { stat } = await store.get(path);
    return (writer) => {
      writer.vector(OPEN_ACL, ({ permissions, scheme, id }) => writer.int(permissions).string(scheme).string(id));
      putStat(writer, this.#wire(stat));
    };
  }

  /** Watches of a client that was away: what has changed since is told now, the others are set again. */
  async #setWatches(store: TreeMetadataStore, sinceZxid: number, { data, exist, children }: WatchPaths): Promise<void> {
    const watch = this.#watcher;
    const told: WatchEvent[] = [];
    for (const path of data) {
      const stat = await store.exists(path);
      if (stat === undefined) told.push({ type: 'deleted', path });
      else if (stat.mzxid > sinceZxid) told.push({ type: 'changed', path });
      else await store.exists(path, { watch });
    }
    for (const path of exist) {
      const stat = await store.exists(path);
      if (stat === undefined) await store.exists(path, { watch });
      else told.push({ type: 'created', path });
    }
    for (const path of children) {
      const stat = await store.exists(path);
      // Whether a child has come or gone meanwhile is not kept, so it is told in any case: whoever reads anew learns what is.
      told.push(stat === undefined ? { type: 'deleted', path } : { type: 'children', path });
    }
    for (const event of told) this.#tell(event);
  }

  #tell({ type, path }: WatchEvent): void {
    if (this.#isClosed) return;
    const number = {
      created: EventType.CREATED,
      deleted: EventType.DELETED,
      changed: EventType.CHANGED,
      children: EventType.CHILDREN,
    }[type];
    this.#socket.write(encodeEvent({ type: number, path }, this.#session?.store.zxid ?? 0));
  }

  #wire(stat: Parameters<typeof wireStat>[0]): ReturnType<typeof wireStat> {
    return wireStat(stat, (sessionId) => this.#host.idOf(sessionId));
  }
}
