import type { TreeMetadataStore } from '@millrace/metadata';
import type { Clock, Random, Timer } from '@millrace/ports';
import { type LongId, NO_ID } from '../jute.ts';
import type { ConnectRequest } from '../protocol.ts';
import { type ClientSocket, type ConnectionHost, ServerConnection } from './connection.ts';
import type { ServerSession } from './session.ts';

/** How a server serves. */
export interface ZooKeeperServerOptions {
  /** The tree that is served; each client gets a session of its own on it. */
  readonly store: TreeMetadataStore;
  readonly clock: Clock;
  readonly random: Random;
  /** The least and most that a client may have for its session's timeout. Default 300 ms and 60 s. */
  readonly sessionTimeoutMs?: readonly [least: number, most: number];
  /**
   * Whether a session ends with its socket: right where clients are processes of this machine, whose sockets end when they do, or when this
   * process has been silent for too long. After time in which it stood still, a session may therefore be gone on with over another socket
   * until its timeout has passed. Default false: it may be so always.
   */
  readonly sessionEndsWithSocket?: boolean;
  /** Told of sessions that begin and end. */
  readonly onSession?: (sessionId: LongId, event: 'opened' | 'closed' | 'expired' | 'lost') => void;
}

const SESSION_TIMEOUT_MS = [300, 60_000] as const;

/** How often sessions are looked at, while there are any. */
const TICK_MS = 100;

/** Whoever was silent for less than this part of a session's timeout has lost no client by that: clients wait for a third at the least. */
const PATIENCE_SHARE = 1 / 4;

/** How long after a standstill sockets are still found that clients have closed in it, or because it answers them too late. */
const AFTERMATH_MS = 1000;

/**
 * A server of ZooKeeper's client protocol over a store in this process: what one machine's cluster has in place of an ensemble. It has
 * no sockets itself; a listener gives it those of its clients.
 */
export class ZooKeeperServer implements ConnectionHost {
  readonly #options: ZooKeeperServerOptions;
  readonly #sessions = new Map<LongId, ServerSession>();
  readonly #connections = new Set<ServerConnection>();
  /** By the store's name of a session, the number that clients know it by. */
  readonly #ids = new Map<string, LongId>();
  #ticks: Timer | undefined;
  /** When it was last seen that this process runs. */
  #ranAtMs = 0;
  /** Time in which this process did not run lately, and until when clients may be found to have hung up because of it. */
  #standstill = { ms: 0, untilMs: 0 };

  constructor(options: ZooKeeperServerOptions) {
    this.#options = options;
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** Serves a client that has connected. The caller hands over what its socket delivers, and says when it is gone. */
  accept(socket: ClientSocket): ServerConnection {
    const connection = new ServerConnection(socket, this);
    this.#connections.add(connection);
    return connection;
  }

  /** Ends a session as silence would. */
  async expire(id: LongId): Promise<void> {
    const session = this.#sessions.get(id);
    if (session !== undefined) await this.#end(session, 'expired');
  }

  /** The same for whoever knows the session by what the store calls it (`ephemeralOwner` of its nodes). */
  async expireOwner(owner: string): Promise<void> {
    const id = this.#ids.get(owner);
    if (id !== undefined) await this.expire(id);
  }

  /** Ends all connections and sessions. */
  async close(): Promise<void> {
    this.#ticks?.cancel();
    const sessions = [...this.#sessions.values()];
    for (const connection of [...this.#connections]) connection.close();
    await Promise.all(sessions.map((session) => this.#end(session, 'closed')));
  }

  isBehind({ lastZxidSeen }: ConnectRequest): boolean {
    return lastZxidSeen > this.#options.store.zxid;
  }

  sessionFor({ sessionId, password, timeoutMs }: ConnectRequest): ServerSession | undefined {
    if (sessionId === NO_ID) return this.#open(timeoutMs);
    const known = this.#sessions.get(sessionId);
    if (known === undefined || !known.password.equals(password)) return undefined;
    this.heard(known);
    return known;
  }

  heard(session: ServerSession): void {
    session.heardAtMs = this.#options.clock.monotonic();
  }

  endSession(session: ServerSession): Promise<void> {
    return this.#end(session, 'closed');
  }

  connectionClosed(connection: ServerConnection, session: ServerSession | undefined): void {
    this.#connections.delete(connection);
    if (session === undefined || session.connection !== connection) return;
    session.connection = undefined;
    if (this.#options.sessionEndsWithSocket !== true || this.#mayHaveLostPatience(session)) return;
    this.#endUnasked(session, 'lost');
  }

  /** Whether a client that has closed its socket may live, and have done so because it heard nothing from this process. */
  #mayHaveLostPatience({ timeoutMs }: ServerSession): boolean {
    // Its end may be read before the next tick.
    const nowMs = this.#noticeStandstill();
    return nowMs < this.#standstill.untilMs && this.#standstill.ms >= timeoutMs * PATIENCE_SHARE;
  }

  idOf(sessionId: string): LongId {
    let id = this.#ids.get(sessionId);
    if (id === undefined) {
      id = this.#newId();
      this.#ids.set(sessionId, id);
    }
    return id;
  }

  #open(timeoutMs: number): ServerSession {
    const { store: root, random, clock, onSession } = this.#options;
    const [leastMs, mostMs] = this.#options.sessionTimeoutMs ?? SESSION_TIMEOUT_MS;
    const store = root.openSession();
    const session: ServerSession = {
      id: this.idOf(store.sessionId),
      password: Buffer.from(random.bytes(16)),
      timeoutMs: Math.min(Math.max(timeoutMs, leastMs), mostMs),
      store,
      heardAtMs: clock.monotonic(),
      connection: undefined,
    };
    this.#sessions.set(session.id, session);
    onSession?.(session.id, 'opened');
    if (this.#ticks === undefined) this.#tickLater();
    return session;
  }

  /** A session ends for whatever reason; whoever is connected learns it by the end of the connection. */
  async #end(session: ServerSession, event: 'closed' | 'expired' | 'lost'): Promise<void> {
    if (!this.#sessions.delete(session.id)) return;
    const { connection, store } = session;
    if (event !== 'closed') {
      session.connection = undefined;
      connection?.close();
    }
    await store.close();
    this.#ids.delete(store.sessionId);
    this.#options.onSession?.(session.id, event);
  }

  /** A store that cannot be written any more tells whoever keeps it; that a session could not be taken out of it is no news beside that. */
  #endUnasked(session: ServerSession, event: 'expired' | 'lost'): void {
    this.#end(session, event).catch(() => {});
  }

  #tickLater(): void {
    this.#ranAtMs = this.#options.clock.monotonic();
    this.#ticks = this.#options.clock.schedule(TICK_MS, () => this.#tick());
  }

  #tick(): void {
    const nowMs = this.#noticeStandstill();
    for (const session of [...this.#sessions.values()]) {
      if (nowMs - session.heardAtMs > session.timeoutMs + TICK_MS) this.#endUnasked(session, 'expired');
    }
    this.#ticks = undefined;
    if (this.#sessions.size > 0) this.#tickLater();
  }

  /** Time in which this process did not run says nothing about its clients: what they sent meanwhile lies in their sockets. */
  #noticeStandstill(): number {
    const nowMs = this.#options.clock.monotonic();
    const stalledMs = nowMs - this.#ranAtMs - 2 * TICK_MS;
    this.#ranAtMs = nowMs;
    if (stalledMs <= 0) return nowMs;
    // What was read before this was noticed has been heard now, and not later than that.
    for (const session of this.#sessions.values()) session.heardAtMs = Math.min(session.heardAtMs + stalledMs, nowMs);
    const { ms, untilMs } = this.#standstill;
    const isOneWithTheLast = nowMs - stalledMs < untilMs;
    this.#standstill = { ms: isOneWithTheLast ? ms + stalledMs : stalledMs, untilMs: nowMs + AFTERMATH_MS };
    return nowMs;
  }

  #newId(): LongId {
    const id = Buffer.from(this.#options.random.bytes(8));
    // ZooKeeper's are positive.
    id[0] = id[0]! & 0x7f;
    return id.toString('hex');
  }
}
