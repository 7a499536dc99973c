import {
  type Clock,
  guardedLogger,
  type Logger,
  type Random,
  silentLogger,
  systemClock,
  systemRandom,
  type Timer,
} from '@millrace/ports';
import { type Api, decodeResponseFrame, encodeRequest, Produce } from '@millrace/protocol';
import { authenticate } from './authenticate.ts';
import { withinDeadline } from './connect.ts';
import type { ConnectionOptions, SendOptions, VersionRange } from './connection-options.ts';
import { closeChannel, connectChannel, requestChannel } from './diagnostics.ts';
import { ConnectionError, KafkaError } from './errors.ts';
import type { RequestPipe } from './request-pipe.ts';
import type { SaslOptions } from './sasl/mechanism.ts';
import { type BrokerVersions, chooseVersion, negotiateVersions } from './versions.ts';

const CLIENT_ID = 'millrace';
const REQUEST_TIMEOUT_MS = 30_000;
/** A broker that asks for more rest than this is not believed. */
const THROTTLE_MS_MAX = 60_000;
/** Re-authentication happens after this part of the session, at random between the two, as Java's client does (KIP-368). */
const SESSION_PERCENT_MIN = 85;
const SESSION_PERCENT_MAX = 95;

/** What a connection has done and holds. */
export interface ConnectionStats {
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Requests whose response is awaited; those that timed out count until their response comes. */
  readonly inFlightRequests: number;
  readonly queuedRequests: number;
}

/**
 * One connection to one broker, ready for requests: versions are negotiated and the client is authenticated.
 *
 * @example
 * const connection = await Connection.connect({ host: 'localhost', port: 9092 });
 * const metadata = await connection.send(Metadata, 'auto', { topics: null });
 * await connection.close();
 */
export class Connection {
  readonly host: string;
  readonly port: number;
  /** Resolves, with the reason, once the connection is closed by whichever side. Never rejects. */
  readonly closed: Promise<KafkaError>;
  readonly #pipe: RequestPipe;
  readonly #broker: BrokerVersions;
  readonly #clientId: string;
  readonly #requestTimeoutMs: number;
  readonly #clock: Clock;
  readonly #random: Random;
  #isClosedHere = false;
  readonly #logger: Logger;
  readonly #sasl: SaslOptions | undefined;
  readonly #peer: string;
  #reauthentication: Timer | undefined;
  #lastUsedMs: number;

  /**
   * Connects, negotiates versions and authenticates.
   * @throws ConnectionError when the broker cannot be reached in time; AuthenticationError when it refuses the credentials;
   *   UnexpectedResponseError when the peer is no Kafka broker; RequestAbortedError when the signal fires.
   */
  static async connect(options: ConnectionOptions): Promise<Connection> {
    const clock = options.clock ?? systemClock;
    const startedMs = clock.monotonic();
    const event = (error?: unknown) => ({
      host: options.host,
      port: options.port,
      durationMs: clock.monotonic() - startedMs,
      ...(error === undefined ? {} : { error }),
    });
    try {
      const connection = await withinDeadline(options, clock, (pipe, peer) =>
        Connection.#introduce(options, clock, pipe, peer),
      );
      if (connectChannel.hasSubscribers) connectChannel.publish(event());
      return connection;
    } catch (error) {
      // Who has given the attempt up, as a client does that closes, knows it; of the broker it says nothing.
      const isGivenUp = options.signal?.aborted === true;
      if (!isGivenUp && connectChannel.hasSubscribers) connectChannel.publish(event(error));
      throw error;
    }
  }

  static async #introduce(
    options: ConnectionOptions,
    clock: Clock,
    pipe: RequestPipe,
    peer: string,
  ): Promise<Connection> {
    const timeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
    const broker = await negotiateVersions(pipe, options.clientId ?? CLIENT_ID, peer, timeoutMs);
    const connection = new Connection(options, clock, pipe, broker, peer);
    if (options.sasl !== undefined) await connection.#authenticate(options.sasl);
    return connection;
  }

  /** Use {@link Connection.connect}. */
  private constructor(
    options: ConnectionOptions,
    clock: Clock,
    pipe: RequestPipe,
    broker: BrokerVersions,
    peer: string,
  ) {
    this.host = options.host;
    this.port = options.port;
    this.closed = pipe.closed;
    this.#pipe = pipe;
    this.#broker = broker;
    this.#clientId = options.clientId ?? CLIENT_ID;
    this.#requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
    this.#clock = clock;
    this.#random = options.random ?? systemRandom;
    this.#logger = guardedLogger(options.logger ?? silentLogger);
    this.#sasl = options.sasl;
    this.#peer = peer;
    this.#lastUsedMs = clock.monotonic();
    void pipe.closed.then((reason) => this.#afterClose(reason));
  }

  /** Whether the broker has answered anything since the connection was ready. */
  get hasAnswered(): boolean {
    return this.#pipe.hasAnswered;
  }

  /** Whether the broker hung up on the first thing that it was asked, as one does that wants a login, or is about to stop. */
  get wasLostUnanswered(): boolean {
    return this.#pipe.wasLostUnanswered;
  }

  get open(): boolean {
    return this.#pipe.open;
  }

  /** The versions that the broker serves, by API key. */
  get apiVersions(): ReadonlyMap<number, VersionRange> {
    return this.#broker.apis;
  }

  /** The cluster's finalized features (KIP-584), such as `transaction.version`; empty before Kafka 2.7. */
  get features(): ReadonlyMap<string, VersionRange> {
    return this.#broker.features;
  }

  /** Of the features of two brokers those with the higher epoch are the newer; -1 where the broker tells of none. */
  get featuresEpoch(): number {
    return this.#broker.featuresEpoch;
  }

  /** Whether requests wait to be sent or answered. */
  get isBusy(): boolean {
    return this.#pipe.inFlightCount + this.#pipe.queuedCount > 0;
  }

  /** Milliseconds since a request was last sent or bytes last came; 0 while a response is awaited. */
  get idleMs(): number {
    if (this.isBusy) return 0;
    return this.#clock.monotonic() - Math.max(this.#lastUsedMs, this.#pipe.lastReceivedMs);
  }

  stats(): ConnectionStats {
    return {
      bytesIn: this.#pipe.bytesIn,
      bytesOut: this.#pipe.bytesOut,
      inFlightRequests: this.#pipe.inFlightCount,
      queuedRequests: this.#pipe.queuedCount,
    };
  }

  /**
   * The highest version of an API that codec and broker have in common.
   * @throws UnsupportedVersionError when there is none within the wanted range.
   */
  versionFor<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    wanted: Pick<SendOptions, 'versionMin' | 'versionMax'> = {},
  ): number {
    return chooseVersion(api, this.#broker, this.#peer, wanted);
  }

  /**
   * Sends a request and gives the response. Requests go out in the order of the calls, without waiting for one another.
   *
   * @param version A version both sides know, or `auto` for the highest one.
   * @param body The request's body, or a function of the version that gives it. Encoded before this returns.
   * @returns The decoded response; buffers in it are views of one response buffer. Error codes in it are the caller's to read.
   * @throws RequestTimedOutError, ConnectionError, TooManyRequestsError, UnsupportedVersionError, RequestAbortedError,
   *   UnexpectedResponseError, and ProtocolError for a body that cannot be encoded.
   */
  async send<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    version: number | 'auto',
    body: ReqInput | ((version: number) => ReqInput),
    options: SendOptions = {},
  ): Promise<Res> {
    const chosen = version === 'auto' ? this.versionFor(api, options) : version;
    const content = bodyOf(body, chosen);
    if (api.key === Produce.key && (content as { acks?: number }).acks === 0) {
      throw new TypeError('A Produce request with acks=0 gets no response: use sendOneWay');
    }
    this.#lastUsedMs = this.#clock.monotonic();
    const startedMs = this.#lastUsedMs;
    const response = this.#pipe.request({
      label: `${api.name} v${chosen}`,
      encode: (correlationId) => encodeRequest(api, chosen, { correlationId, clientId: this.#clientId }, content),
      decode: (frame) => this.#decode(api, chosen, frame),
      timeoutMs: options.timeoutMs ?? this.#requestTimeoutMs,
      signal: options.signal,
    });
    return requestChannel.hasSubscribers ? this.#observed(response, api.name, chosen, startedMs) : response;
  }

  /**
   * Sends a request that the broker does not answer: Produce with acks=0. Resolves when the bytes are handed to the system;
   * whether they arrive nobody will tell.
   */
  async sendOneWay<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    version: number | 'auto',
    body: ReqInput | ((version: number) => ReqInput),
    options: SendOptions = {},
  ): Promise<void> {
    const chosen = version === 'auto' ? this.versionFor(api, options) : version;
    const content = bodyOf(body, chosen);
    this.#lastUsedMs = this.#clock.monotonic();
    const startedMs = this.#lastUsedMs;
    const sent = this.#pipe.sendOneWay({
      label: `${api.name} v${chosen}`,
      encode: (correlationId) => encodeRequest(api, chosen, { correlationId, clientId: this.#clientId }, content),
      timeoutMs: options.timeoutMs ?? this.#requestTimeoutMs,
      signal: options.signal,
    });
    return requestChannel.hasSubscribers ? this.#observed(sent, api.name, chosen, startedMs) : sent;
  }

  /** Closes the connection; requests under way are rejected with `ConnectionError`. */
  async close(): Promise<void> {
    this.#isClosedHere = true;
    this.#pipe.closeWith('NETWORK_CONNECTION_CLOSED', 'it was closed by this client');
    await this.closed;
  }

  #decode<Req, Res, ReqInput, ResInput>(api: Api<Req, Res, ReqInput, ResInput>, version: number, frame: Buffer): Res {
    const { body } = decodeResponseFrame(api, version, frame);
    const throttleTimeMs = (body as { throttleTimeMs?: number }).throttleTimeMs ?? 0;
    if (throttleTimeMs > 0) {
      this.#logger.debug({ peer: this.#peer, throttleTimeMs }, `${this.#peer} asks for ${throttleTimeMs} ms of rest`);
      this.#pipe.throttle(Math.min(throttleTimeMs, THROTTLE_MS_MAX));
    }
    return body;
  }

  async #observed<Response>(response: Promise<Response>, api: string, version: number, startedMs: number) {
    const event = { host: this.host, port: this.port, api, version };
    try {
      const body = await response;
      requestChannel.publish({ ...event, durationMs: this.#clock.monotonic() - startedMs });
      return body;
    } catch (error) {
      requestChannel.publish({ ...event, durationMs: this.#clock.monotonic() - startedMs, error });
      throw error;
    }
  }

  async #authenticate(sasl: SaslOptions): Promise<void> {
    const sessionLifetimeMs = await authenticate({
      pipe: this.#pipe,
      broker: this.#broker,
      peer: this.#peer,
      clientId: this.#clientId,
      sasl,
      timeoutMs: this.#requestTimeoutMs,
    });
    if (sessionLifetimeMs > 0 && this.open) {
      const percent = SESSION_PERCENT_MIN + this.#random.nextInt(SESSION_PERCENT_MAX - SESSION_PERCENT_MIN + 1);
      this.#reauthentication = this.#clock.schedule((sessionLifetimeMs * percent) / 100, () => {
        void this.#authenticateAgain();
      });
    }
  }

  /** Before the session ends (KIP-368). New requests wait meanwhile; those in flight are answered as usual. */
  async #authenticateAgain(): Promise<void> {
    if (this.#sasl === undefined || !this.open) return;
    this.#pipe.hold();
    try {
      await this.#authenticate(this.#sasl);
      this.#pipe.release();
    } catch (error) {
      const reason =
        error instanceof KafkaError
          ? error
          : new ConnectionError('NETWORK_CONNECTION_CLOSED', `Re-authentication at ${this.#peer} failed`, error);
      this.#pipe.close(reason);
    }
  }

  #afterClose(reason: KafkaError): void {
    this.#reauthentication?.cancel();
    // Who closes it knows why; a logger that shows everything stays quiet about it.
    if (!this.#isClosedHere) this.#logger.debug({ peer: this.#peer, err: reason }, reason.message);
    if (closeChannel.hasSubscribers) closeChannel.publish({ host: this.host, port: this.port, reason });
  }
}

function bodyOf<ReqInput>(body: ReqInput | ((version: number) => ReqInput), version: number): ReqInput {
  return typeof body === 'function' ? (body as (version: number) => ReqInput)(version) : body;
}
