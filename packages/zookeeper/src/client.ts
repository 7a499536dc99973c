import { MetadataError, type SessionState, type WatchEvent, type Watcher } from '@millrace/metadata';
import { type Clock, type Random, runNextTurn, type Timer } from '@millrace/ports';
import { nameOf, type ServerAddress } from './connect-string.ts';
import { answerChallenge, type SaslLogin } from './digest-md5.ts';
import { ZooKeeperError } from './errors.ts';
import { FrameCutter, JuteReader, type LongId, NO_ID } from './jute.ts';
import {
  decodeConnectResponse,
  ErrorNumber,
  encodeConnectRequest,
  encodeRequest,
  encodeSasl,
  type RequestBody,
  takeEvent,
  takeReplyHeader,
  Xid,
} from './protocol.ts';
import { type Answer, closedError, isWrite, lossError, type Pending, type WatchRequest } from './requests.ts';
import { SeenTransactions } from './seen-transactions.ts';
import type { Connect, Transport } from './transport.ts';
import { ClientWatches } from './watches.ts';

/** The largest frame that is taken: what Kafka's brokers allow (`jute.maxbuffer`). */
export const FRAME_BYTES_MAX = 4 * 1024 * 1024;

/** How long watches may be that are set again in one request (`ClientCnxn.SET_WATCHES_MAX_LENGTH`). */
const SET_WATCHES_BYTES_MAX = 128 * 1024;

/** Between two rounds over all servers: the least and the most. */
const ROUND_PAUSE_MS = [20, 1000] as const;

/** Requests that may wait for a connection, and for answers. */
const REQUESTS_MAX = 100_000;

const NO_PASSWORD = Buffer.alloc(16);

/** Credentials that are shown to each server. */
export interface Credentials {
  /** `digest` with `user:password`. */
  readonly scheme: string;
  readonly auth: Buffer;
}

/** What a session needs. */
export interface ZooKeeperClientOptions {
  readonly servers: readonly ServerAddress[];
  /** How long the ensemble may hear nothing of the session before it ends it. Servers have bounds of their own for it. */
  readonly sessionTimeoutMs: number;
  readonly credentials: readonly Credentials[];
  /** Who logs in by SASL (DIGEST-MD5), as brokers of Kafka do; undefined for nobody. */
  readonly sasl?: SaslLogin | undefined;
  /** How many requests may be under way at a time (`zookeeper.max.in.flight.requests`). */
  readonly inFlightMax: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly connect: Connect;
  /** Told of what is worth knowing but no error of a request: servers that cannot be reached, sessions that end. */
  readonly onNotice: (message: string, error?: unknown) => void;
  /** What messages call the server where it is no ensemble's. */
  readonly serverName?: string | undefined;
}

/**
 * How far a connection has come. `weighing`: whether the server is behind what the session has seen is asked. `challenged`: the server's
 * challenge was answered. `ending`: the session is being ended, because the server is behind.
 */
type Stage = 'connecting' | 'greeting' | 'weighing' | 'loggingIn' | 'challenged' | 'ready' | 'ending';

/** A session that stands, or one that is to be gone on with. */
export interface Session {
  readonly id: LongId;
  readonly password: Buffer;
  readonly timeoutMs: number;
}

/**
 * A session with a ZooKeeper ensemble (`ClientCnxn`): requests are pipelined and answered in their order; a server that is lost, or
 * silent for two thirds of the session's time, is replaced by the next, with the same session and its watches.
 *
 * Reads are sent again on another server. A write whose answer was lost fails with CONNECTION_LOSS, once: it may have been applied.
 */
export class ZooKeeperClient {
  readonly #options: ZooKeeperClientOptions;
  readonly #servers: readonly ServerAddress[];
  readonly #watches = new ClientWatches();
  readonly #listeners = new Set<(state: SessionState) => void>();
  #state: SessionState = 'disconnected';
  #session: Session | undefined;
  readonly #seen = new SeenTransactions();
  #queue: Pending[] = [];
  readonly #underWay: { readonly xid: number; readonly request: Pending }[] = [];
  #xid = 0;
  #transport: Transport | undefined;
  #cutter = new FrameCutter(FRAME_BYTES_MAX);
  #stage: Stage = 'connecting';
  #next = 0;
  #failures = 0;
  /** When it was told first that there is no connection, and not since that there is one. */
  #toldLostAtMs: number | undefined;
  #lastError: Error | undefined;
  #timer: Timer | undefined;
  #heardAtMs = 0;
  #sentAtMs = 0;
  #heldFrames: Buffer[] | undefined;
  #deliveredThisTurn = false;

  constructor(options: ZooKeeperClientOptions) {
    this.#options = options;
    this.#servers = shuffled(options.servers, options.random);
    this.#connectNext();
  }

  get state(): SessionState {
    return this.#state;
  }

  #nameOf(server: ServerAddress): string {
    return this.#options.serverName ?? nameOf(server);
  }

  /** What messages call who keeps the metadata. */
  get keeper(): string {
    return this.#options.serverName ?? 'ZooKeeper';
  }

  /** 16 hexadecimal digits; zeros before the first connection. */
  get sessionId(): LongId {
    return this.#session?.id ?? NO_ID;
  }

  /** What the ensemble has granted; what was asked for before the first connection. */
  get sessionTimeoutMs(): number {
    return this.#session?.timeoutMs ?? this.#options.sessionTimeoutMs;
  }

  /** Why no server could be reached lately. */
  get lastError(): Error | undefined {
    return this.#lastError;
  }

  onState(listener: (state: SessionState) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Sends a request in its turn.
   * @throws MetadataError CONNECTION_LOSS for a write whose answer was lost, SESSION_EXPIRED, STORE_CLOSED
   */
  request(body: RequestBody, watch?: WatchRequest): Promise<Answer> {
    const fault = this.#fault();
    if (fault !== undefined) return Promise.reject(fault);
    return new Promise((resolve, reject) => {
      if (this.#queue.length >= REQUESTS_MAX) {
        return reject(
          new MetadataError('STORE_FAILED', `${REQUESTS_MAX} requests wait for ${this.keeper}; no more are taken`),
        );
      }
      this.#queue.push({ body, isWrite: isWrite(body), watch, resolve, reject });
      this.#sendQueued();
    });
  }

  /** Begins a new session in place of one that has expired. */
  renew(): void {
    if (this.#state !== 'expired') return;
    this.#session = undefined;
    this.#seen.beginAnew();
    this.#enter('disconnected');
    this.#connectNext();
  }

  /** Ends the session; its ephemeral nodes go. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    const wasConnected = this.#state === 'connected';
    const ended = wasConnected ? this.#sayGoodbye() : Promise.resolve();
    this.#state = 'closed';
    await ended;
    this.#tearDown();
    this.#failAll(closedError());
    this.#enter('closed');
  }

  /** Cuts the connection, as a network would; for tests. */
  breakConnection(): void {
    this.#lost(new Error('the connection was cut'));
  }

  /** What it takes to go on with the session elsewhere; undefined before the first connection. */
  get session(): Session | undefined {
    return this.#session;
  }

  #sayGoodbye(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.schedule(GOODBYE_MS_MAX, () => resolve());
      const done = (): void => {
        timer.cancel();
        resolve();
      };
      this.#queue.push({ body: { type: 'close' }, isWrite: true, watch: undefined, resolve: done, reject: done });
      this.#sendQueued();
    });
  }

  #fault(): MetadataError | undefined {
    if (this.#state === 'closed') return closedError();
    return this.#state === 'expired' ? this.#expiredError() : undefined;
  }

  #expiredError(): MetadataError {
    return new MetadataError('SESSION_EXPIRED', `The session ${this.sessionId} with ${this.keeper} has expired`);
  }

  // Connections

  #connectNext(): void {
    if (this.#state === 'closed' || this.#state === 'expired') return;
    const server = this.#servers[this.#next % this.#servers.length]!;
    this.#next += 1;
    this.#stage = 'connecting';
    this.#cutter = new FrameCutter(FRAME_BYTES_MAX);
    // A server that takes long leaves time for the others before the session is over.
    this.#schedule(this.sessionTimeoutMs / this.#servers.length, () =>
      this.#lost(new Error(`${this.#nameOf(server)} does not answer`)),
    );
    const transport = this.#options.connect(server, {
      opened: () => this.#greet(transport),
      received: (chunk) => this.#received(transport, chunk),
      closed: (error) => {
        if (this.#transport !== transport) return;
        if (this.#stage === 'greeting') this.#seen.hungUp(this.#options.clock.monotonic());
        this.#lost(error ?? new Error(`${this.#nameOf(server)} closed the connection`));
      },
    });
    this.#transport = transport;
  }

  #greet(transport: Transport): void {
    if (this.#transport !== transport) return;
    const { id = NO_ID, password = NO_PASSWORD } = this.#session ?? {};
    const { sessionTimeoutMs: timeoutMs, clock } = this.#options;
    const lastZxidSeen = this.#seen.toShow(clock.monotonic(), this.sessionTimeoutMs);
    this.#stage = 'greeting';
    transport.write(encodeConnectRequest({ lastZxidSeen, timeoutMs, sessionId: id, password }));
    for (const { scheme, auth } of this.#options.credentials) {
      transport.write(encodeRequest(Xid.AUTH, { type: 'auth', scheme, auth }));
    }
  }

  #received(transport: Transport, chunk: Buffer): void {
    if (this.#transport !== transport) return;
    this.#heardAtMs = this.#options.clock.monotonic();
    this.#cutter.push(chunk);
    this.#drain();
  }

  #drain(): void {
    const transport = this.#transport;
    try {
      while (this.#heldFrames === undefined && this.#transport === transport) {
        const frame = this.#cutter.next();
        if (frame === undefined) return;
        this.#take(frame);
      }
    } catch (error) {
      this.#lost(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #take(frame: Buffer): void {
    if (this.#stage === 'greeting') this.#welcomed(frame);
    else this.#answered(frame);
  }

  #welcomed(frame: Buffer): void {
    const { timeoutMs, sessionId, password } = decodeConnectResponse(frame);
    if (timeoutMs <= 0) {
      this.#expire();
      return;
    }
    this.#failures = 0;
    this.#session = { id: sessionId, password, timeoutMs };
    this.#sentAtMs = this.#options.clock.monotonic();
    this.#keepAlive();
    if (this.#seen.wereShown) {
      this.#admitted();
      return;
    }
    // The answer says how far the server is.
    this.#stage = 'weighing';
    this.#transport?.write(encodeRequest(Xid.PING, { type: 'ping' }));
  }

  /** Nothing has been read here yet, so what the session has seen has not gone backwards, and does not where it ends now. */
  #weighed(zxid: number): void {
    if (zxid >= this.#seen.lastZxid) {
      this.#admitted();
      return;
    }
    // By its own word, so that its ephemeral nodes, which the copy may hold, are not in the way of the next one's.
    this.#stage = 'ending';
    this.#transport?.write(encodeRequest(1, { type: 'close' }));
    this.#schedule(GOODBYE_MS_MAX, () => this.#expire());
  }

  #admitted(): void {
    this.#seen.admitted();
    if (this.#options.sasl === undefined) {
      this.#ready();
      return;
    }
    this.#stage = 'loggingIn';
    this.#transport?.write(encodeSasl(''));
  }

  #ready(): void {
    this.#stage = 'ready';
    this.#setWatchesAgain();
    this.#enter('connected');
    this.#sendQueued();
    this.#tellBack();
  }

  /** Whoever was told that a connection is lost must not have to guess whether it still is. */
  #tellBack(): void {
    if (this.#toldLostAtMs === undefined) return;
    const tookMs = Math.round(this.#options.clock.monotonic() - this.#toldLostAtMs);
    this.#toldLostAtMs = undefined;
    this.#options.onNotice(`The connection to ${this.keeper} is there again, after ${tookMs} ms`);
  }

  /** The server's challenge is answered; what it says then is that it is content. */
  #loggingIn(error: number, reader: JuteReader): void {
    const { sasl, random } = this.#options;
    if (error !== ErrorNumber.OK || sasl === undefined) this.#refused();
    else if (this.#stage === 'challenged') this.#ready();
    else {
      this.#stage = 'challenged';
      const cnonce = Buffer.from(random.bytes(16)).toString('hex');
      this.#transport?.write(encodeSasl(answerChallenge(sasl, reader.string(), cnonce)));
    }
  }

  /** What changed while nobody was connected is told by this. */
  #setWatchesAgain(): void {
    for (const watches of this.#watches.portions(SET_WATCHES_BYTES_MAX)) {
      const body = { type: 'setWatches', relativeZxid: this.#seen.lastZxid, watches } as const;
      this.#transport?.write(encodeRequest(Xid.SET_WATCHES, body));
    }
  }

  /** Says that it lives after a third of the session's time in silence, and gives a silent server up after two. */
  #keepAlive(): void {
    const { clock } = this.#options;
    const readTimeoutMs = (this.sessionTimeoutMs * 2) / 3;
    const pingMs = readTimeoutMs / 2;
    const nowMs = clock.monotonic();
    if (nowMs - this.#heardAtMs >= readTimeoutMs) {
      this.#hearOnceMore(readTimeoutMs);
      return;
    }
    if (nowMs - this.#sentAtMs >= pingMs) {
      this.#sentAtMs = nowMs;
      this.#transport?.write(encodeRequest(Xid.PING, { type: 'ping' }));
    }
    const nextMs = Math.min(this.#sentAtMs + pingMs, this.#heardAtMs + readTimeoutMs) - nowMs;
    this.#schedule(Math.max(nextMs, 1), () => this.#keepAlive());
  }

  /** Where this process stood still, what the server has said meanwhile lies in the socket, and is read before the next turn. */
  #hearOnceMore(readTimeoutMs: number): void {
    const transport = this.#transport;
    runNextTurn(() => {
      if (this.#transport !== transport) return;
      if (this.#options.clock.monotonic() - this.#heardAtMs < readTimeoutMs) this.#keepAlive();
      else this.#lost(new Error('the server has fallen silent'));
    });
  }

  #lost(error: Error): void {
    if (this.#state === 'closed' || this.#state === 'expired') return;
    if (this.#stage === 'ending') {
      this.#expire();
      return;
    }
    const wasConnected = this.#state === 'connected';
    this.#lastError = error;
    this.#tearDown();
    this.#failures += 1;
    if (wasConnected || this.#failures === this.#servers.length) {
      const what = wasConnected
        ? `The connection to ${this.keeper} is lost`
        : `No connection to ${this.keeper} can be made; it is tried again`;
      this.#options.onNotice(`${what}: ${error.message}`, error);
      this.#toldLostAtMs ??= this.#options.clock.monotonic();
    }
    this.#giveUpUnderWay();
    if (wasConnected) this.#enter('disconnected');
    this.#schedule(this.#pauseMs(), () => this.#connectNext());
  }

  /** The next server is tried at once; when all have been tried, there is a pause, which grows. */
  #pauseMs(): number {
    const rounds = Math.floor(this.#failures / this.#servers.length);
    if (rounds === 0 || this.#failures % this.#servers.length !== 0) return 0;
    const [leastMs, mostMs] = ROUND_PAUSE_MS;
    return (Math.min(leastMs * 2 ** rounds, mostMs) * (50 + this.#options.random.nextInt(51))) / 100;
  }

  /** Writes may have been applied; reads are asked again, before all that came after them. */
  #giveUpUnderWay(): void {
    const open = this.#underWay.splice(0).map(({ request }) => request);
    this.#queue = [...open.filter(({ isWrite }) => !isWrite), ...this.#queue];
    for (const { reject } of open.filter((request) => request.isWrite)) reject(lossError(this.keeper));
  }

  #expire(): void {
    const error = this.#expiredError();
    this.#options.onNotice(error.message);
    this.#tearDown();
    this.#watches.clear();
    this.#enter('expired');
    this.#failAll(error);
  }

  #failAll(error: Error): void {
    const open = [...this.#underWay.splice(0).map(({ request }) => request), ...this.#queue.splice(0)];
    for (const { reject } of open) reject(error);
  }

  #tearDown(): void {
    this.#timer?.cancel();
    this.#transport?.destroy();
    this.#transport = undefined;
    this.#heldFrames = undefined;
    this.#stage = 'connecting';
  }

  #schedule(delayMs: number, run: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.schedule(delayMs, run);
  }

  #enter(state: SessionState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }

  // Requests and answers

  #sendQueued(): void {
    const transport = this.#transport;
    if (this.#stage !== 'ready' || transport === undefined) return;
    let sent = 0;
    while (this.#underWay.length < this.#options.inFlightMax) {
      const request = this.#queue[sent];
      if (request === undefined) break;
      sent += 1;
      this.#xid = this.#xid === XID_MAX ? 1 : this.#xid + 1;
      this.#underWay.push({ xid: this.#xid, request });
      transport.write(encodeRequest(this.#xid, request.body));
    }
    if (sent === 0) return;
    this.#queue.splice(0, sent);
    this.#sentAtMs = this.#options.clock.monotonic();
  }

  #answered(frame: Buffer): void {
    const reader = new JuteReader(frame);
    const { xid, zxid, error } = takeReplyHeader(reader);
    if (this.#stage === 'ending') {
      this.#expire();
      return;
    }
    const setback = this.#seen.saw(zxid, this.keeper);
    if (setback !== undefined) this.#options.onNotice(setback);
    switch (xid) {
      case Xid.PING:
        if (this.#stage === 'weighing') this.#weighed(zxid);
        return;
      case Xid.SET_WATCHES:
        return;
      case Xid.SASL:
        this.#loggingIn(error, reader);
        return;
      case Xid.AUTH:
        if (error !== ErrorNumber.OK) this.#refused();
        return;
      case Xid.NOTIFICATION:
        this.#notified(frame);
        return;
      default:
        this.#settle(xid, error, reader);
    }
  }

  #refused(): void {
    const message = 'ZooKeeper refuses the credentials of this session. Check user and password.';
    const error = new ZooKeeperError('ZOOKEEPER_AUTH_FAILED', message);
    this.#options.onNotice(message, error);
    this.#lost(error);
  }

  #settle(xid: number, error: number, reader: JuteReader): void {
    const first = this.#underWay.shift();
    if (first === undefined || first.xid !== xid) {
      throw new ZooKeeperError(
        'ZOOKEEPER_MALFORMED_FRAME',
        `An answer to request ${xid} came where ${first?.xid} was asked.`,
      );
    }
    const { watch, resolve } = first.request;
    if (error === ErrorNumber.SESSION_EXPIRED) {
      first.request.reject(this.#expiredError());
      this.#expire();
      return;
    }
    if (watch !== undefined) this.#setWatch(watch, error);
    resolve({ error, reader });
    this.#markDelivered();
    this.#sendQueued();
  }

  #setWatch({ kind, path, watcher }: WatchRequest, error: number): void {
    if (error === ErrorNumber.OK) this.#watches.add(kind === 'exist' ? 'data' : kind, path, watcher);
    else if (kind === 'exist' && error === ErrorNumber.NO_NODE) this.#watches.add('exist', path, watcher);
  }

  /**
   * A promise that was resolved tells its waiters some microtasks later, an event at once. So an event that follows an answer waits for
   * the next turn of the event loop, and what came behind it waits too.
   */
  #notified(frame: Buffer): void {
    if (!this.#deliveredThisTurn) {
      this.#tellWatchers(frame);
      return;
    }
    this.#heldFrames = [frame];
    const transport = this.#transport;
    runNextTurn(() => {
      if (this.#transport !== transport || this.#heldFrames === undefined) return;
      const held = this.#heldFrames;
      this.#heldFrames = undefined;
      for (const each of held) this.#tellWatchers(each);
      this.#drain();
    });
  }

  #tellWatchers(frame: Buffer): void {
    const reader = new JuteReader(frame);
    takeReplyHeader(reader);
    const found = this.#watches.take(takeEvent(reader));
    if (found === undefined) return;
    for (const watcher of found.watchers) this.#tell(watcher, found.event);
  }

  #tell(watcher: Watcher, event: WatchEvent): void {
    try {
      watcher(event);
    } catch (error) {
      this.#options.onNotice(`A watcher of ${event.path} failed`, error);
    }
  }

  #markDelivered(): void {
    if (this.#deliveredThisTurn) return;
    this.#deliveredThisTurn = true;
    runNextTurn(() => {
      this.#deliveredThisTurn = false;
    });
  }
}

/** Xids of requests are positive. */
const XID_MAX = 0x7fff_ffff;

/** How long a session's orderly end may take. */
const GOODBYE_MS_MAX = 2000;

function shuffled<T>(values: readonly T[], random: Random): T[] {
  const all = [...values];
  for (let index = all.length - 1; index > 0; index -= 1) {
    const other = random.nextInt(index + 1);
    [all[index], all[other]] = [all[other]!, all[index]!];
  }
  return all;
}
