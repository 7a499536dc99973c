import { Connection, ConnectionError, type ConnectionErrorCode, KafkaError } from '@millrace/network';
import { runNextTurn, type Timer } from '@millrace/ports';
import { type Address, formatAddress } from './address.ts';
import { Backoff } from './backoff.ts';
import { ClientClosedError } from './errors.ts';
import type { ClientSettings } from './options.ts';
import { SilentStart } from './silent-start.ts';
import { abortable, sleep } from './waiting.ts';

/**
 * Connections to one broker at once, one per lane. Responses come in the order of requests, so that what may wait long (a
 * Fetch) goes over a connection of its own.
 */
const LANES_PER_BROKER_MAX = 8;

const SWEEP_MS_MAX = 30_000;

/** An attempt to connect that takes longer is told at warn while it goes on. */
const SLOW_CONNECT_MS = 3_000;

/** While a broker cannot be reached, that is told at warn once in so long; what is in between at debug. */
const UNREACHABLE_TOLD_EVERY_MS = 60_000;

/** For so long a broker that let a request time out is asked only when no other can be. */
const SUSPECT_MS = 30_000;

interface Lane {
  connection: Connection | undefined;
  connecting: Promise<Connection> | undefined;
}

/** One broker's address with its connections and its failures. */
interface Link {
  readonly address: Address;
  readonly lanes: Map<string, Lane>;
  readonly backoff: Backoff;
  /** No attempt to connect before this moment, on the clock's monotonic scale. */
  notBeforeMs: number;
  /** Until then others are preferred. */
  suspectUntilMs: number;
  /** When it was last told at warn that it cannot be reached. */
  toldMs: number;
  /** When it was last told at warn that it hangs up on what it is asked. */
  hungUpToldMs: number;
}

/** The connections of a client, by address and lane: made when needed, shared, and closed when idle. */
export class BrokerLinks {
  readonly #settings: ClientSettings;
  readonly #links = new Map<string, Link>();
  readonly #stop = new AbortController();
  readonly #silentStart: SilentStart;
  #sweep: Timer | undefined;
  /** What the broker told whose knowledge is the newest. */
  #features: Pick<Connection, 'features' | 'featuresEpoch'> | undefined;

  constructor(settings: ClientSettings) {
    this.#settings = settings;
    this.#silentStart = new SilentStart(settings.clock, settings.hasLogger);
  }

  /** An open connection, if there is one: no waiting. */
  peek(address: Address, lane: string): Connection | undefined {
    const connection = this.#links.get(formatAddress(address))?.lanes.get(lane)?.connection;
    return connection?.open ? connection : undefined;
  }

  /** Milliseconds until the address may be tried again. */
  backoffMs(address: Address): number {
    const link = this.#links.get(formatAddress(address));
    return link === undefined ? 0 : Math.max(0, link.notBeforeMs - this.#settings.clock.monotonic());
  }

  /** The level of a finalized feature of the cluster (KIP-584), as far as brokers have told; 0 where it has none. */
  featureLevel(name: string): number {
    return this.#features?.features.get(name)?.max ?? 0;
  }

  /** Whether no broker that is connected now is known not to serve a version of an API. */
  mayServe(apiKey: number, version: number): boolean {
    for (const { apiVersions } of this.open()) if ((apiVersions.get(apiKey)?.max ?? -1) < version) return false;
    return true;
  }

  #noteFeatures({ features, featuresEpoch }: Connection): void {
    if (featuresEpoch < 0 || featuresEpoch < (this.#features?.featuresEpoch ?? 0)) return;
    this.#features = { features, featuresEpoch };
  }

  /** Notes that a broker did not answer in time. */
  suspect(address: Address): void {
    this.#link(address).suspectUntilMs = this.#settings.clock.monotonic() + SUSPECT_MS;
  }

  isSuspect(address: Address): boolean {
    const link = this.#links.get(formatAddress(address));
    return link !== undefined && link.suspectUntilMs > this.#settings.clock.monotonic();
  }

  /**
   * A ready connection: the open one, the one that is being made, or a new one once the reconnect backoff has passed.
   * @throws what `Connection.connect` throws; the signal's reason; ClientClosedError.
   */
  get(address: Address, laneName: string, signal?: AbortSignal): Promise<Connection> {
    if (this.#stop.signal.aborted) return Promise.reject(this.#stop.signal.reason);
    const link = this.#link(address);
    const lane = laneOf(link, laneName);
    if (lane.connecting === undefined) {
      if (lane.connection?.open) return Promise.resolve(lane.connection);
      lane.connecting = this.#connect(link, lane);
      // Kept until those who wait have gone on: who comes meanwhile waits behind them, so that requests keep their order.
      const done = (): void => {
        runNextTurn(() => {
          lane.connecting = undefined;
        });
      };
      lane.connecting.then(done, done);
    }
    return abortable(lane.connecting, signal);
  }

  /** All open connections. */
  *open(): Iterable<Connection> {
    for (const link of this.#links.values()) {
      for (const lane of link.lanes.values()) {
        if (lane.connection?.open) yield lane.connection;
      }
    }
  }

  async close(): Promise<void> {
    this.#stop.abort(new ClientClosedError('The client was closed'));
    this.#sweep?.cancel();
    this.#silentStart.end();
    const closing: Promise<unknown>[] = [];
    for (const link of this.#links.values()) {
      for (const { connection, connecting } of link.lanes.values()) {
        closing.push(connection?.close() ?? Promise.resolve());
        closing.push(connecting?.catch(() => {}) ?? Promise.resolve());
      }
    }
    this.#links.clear();
    await Promise.all(closing);
  }

  #link(address: Address): Link {
    const key = formatAddress(address);
    let link = this.#links.get(key);
    if (link === undefined) {
      const { reconnect, random } = this.#settings;
      link = {
        address,
        lanes: new Map(),
        backoff: new Backoff(reconnect, random),
        notBeforeMs: 0,
        suspectUntilMs: 0,
        toldMs: Number.NEGATIVE_INFINITY,
        hungUpToldMs: Number.NEGATIVE_INFINITY,
      };
      this.#links.set(key, link);
    }
    return link;
  }

  async #connect(link: Link, lane: Lane): Promise<Connection> {
    const { clock, connection: options, logger } = this.#settings;
    const waitMs = link.notBeforeMs - clock.monotonic();
    if (waitMs > 0) await sleep(clock, waitMs, this.#stop.signal);
    const peer = formatAddress(link.address);
    const slow = clock.schedule(SLOW_CONNECT_MS, () => {
      const told = `${peer} has not answered for ${SLOW_CONNECT_MS} ms; still trying to connect`;
      this.#silentStart.failed(told);
      logger.warn({ peer }, told);
    });
    try {
      // A port that has answered what it was asked wants nothing more, and who hangs up later is told no guess.
      const isLoginKnown = [...link.lanes.values()].some((other) => other.connection?.hasAnswered === true);
      const { signal } = this.#stop;
      const connection = await Connection.connect({ ...options, ...link.address, isLoginKnown, signal });
      lane.connection = connection;
      this.#silentStart.connected();
      void connection.closed.then((reason) => this.#closed(link, connection, reason));
      this.#noteFeatures(connection);
      if (link.backoff.failures > 0) logger.info({ peer, failures: link.backoff.failures }, `${peer} is reached again`);
      link.backoff.reset();
      link.toldMs = Number.NEGATIVE_INFINITY;
      this.#scheduleSweep();
      return connection;
    } catch (error) {
      this.#stop.signal.throwIfAborted();
      const told = this.#explained(link.address, error);
      this.#failed(link, told);
      throw told;
    } finally {
      slow.cancel();
    }
  }

  /** A broker that lets everybody connect and answers nothing would be silence until the time of what was asked for is over. */
  #closed(link: Link, connection: Connection, reason: KafkaError): void {
    if (connection.hasAnswered) this.#silentStart.end();
    if (this.#stop.signal.aborted || !connection.wasLostUnanswered) return;
    const { clock, logger } = this.#settings;
    const nowMs = clock.monotonic();
    const isNews = nowMs - link.hungUpToldMs >= UNREACHABLE_TOLD_EVERY_MS;
    if (isNews) link.hungUpToldMs = nowMs;
    this.#silentStart.hungUp(reason.message);
    logger[isNews ? 'warn' : 'debug']({ peer: formatAddress(link.address), err: reason }, reason.message);
  }

  #failed(link: Link, error: unknown): void {
    const { clock, logger } = this.#settings;
    for (const { hasAnswered } of this.open()) if (hasAnswered) this.#silentStart.end();
    const nowMs = clock.monotonic();
    const pauseMs = link.backoff.next();
    link.notBeforeMs = nowMs + pauseMs;
    const isNews = nowMs - link.toldMs >= UNREACHABLE_TOLD_EVERY_MS;
    if (isNews) link.toldMs = nowMs;
    const fields = { peer: formatAddress(link.address), failures: link.backoff.failures, pauseMs, err: error };
    const message = error instanceof KafkaError ? error.message : String(error);
    // What does not pass is told by what was asked for.
    if (error instanceof KafkaError && error.retriable) this.#silentStart.failed(message);
    logger[isNews ? 'warn' : 'debug'](fields, message);
  }

  /** An address that only the cluster itself has named is the broker's setting rather than the user's. */
  #explained(address: Address, error: unknown): unknown {
    const peer = formatAddress(address);
    const isBootstrap = this.#settings.bootstrap.some((each) => formatAddress(each) === peer);
    // A function of the user's that fails would fail at any address.
    if (isBootstrap || !(error instanceof ConnectionError) || error.code === 'NETWORK_CREDENTIALS_FAILED') return error;
    // Whose certificate is no good has been reached.
    const reached = error.code === 'NETWORK_TLS_FAILED' ? '' : ', which cannot be reached from here';
    const hint = `the cluster names ${peer} as the address of a broker (advertised.listeners)${reached}`;
    // The code is that of the error it stands for.
    return new ConnectionError(
      error.code as ConnectionErrorCode,
      `${error.message.replace(/\.$/, '')}; ${hint}`,
      error,
    );
  }

  /** One timer for all connections, and none while there is none. */
  #scheduleSweep(): void {
    const { clock, connectionIdleMsMax } = this.#settings;
    this.#sweep ??= clock.schedule(Math.min(connectionIdleMsMax, SWEEP_MS_MAX), () => {
      this.#sweep = undefined;
      for (const [key, link] of this.#links) {
        for (const [name, lane] of link.lanes) {
          this.#closeIfIdle(link, name, lane);
        }
        if (link.lanes.size === 0 && link.notBeforeMs <= clock.monotonic()) this.#links.delete(key);
      }
      if (this.#links.size > 0) this.#scheduleSweep();
    });
  }

  #closeIfIdle(link: Link, name: string, lane: Lane): void {
    const { connection } = lane;
    if (lane.connecting !== undefined && !connection?.open) return;
    if (connection?.open && connection.idleMs < this.#settings.connectionIdleMsMax) return;
    link.lanes.delete(name);
    void connection?.close();
  }
}

function laneOf(link: Link, name: string): Lane {
  let lane = link.lanes.get(name);
  if (lane === undefined) {
    if (link.lanes.size >= LANES_PER_BROKER_MAX) {
      const lanes = [...link.lanes.keys()].join(', ');
      throw new RangeError(`Lane "${name}" would be one more than ${LANES_PER_BROKER_MAX} to one broker (${lanes})`);
    }
    lane = { connection: undefined, connecting: undefined };
    link.lanes.set(name, lane);
  }
  return lane;
}
