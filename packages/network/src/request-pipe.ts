import type { Socket } from 'node:net';
import { type Clock, runNextTick, type Timer } from '@millrace/ports';
import {
  ConnectionError,
  type ConnectionErrorCode,
  type KafkaError,
  RequestAbortedError,
  RequestTimedOutError,
  TooManyRequestsError,
  UnexpectedResponseError,
} from './errors.ts';
import { describeForeignServer } from './foreign-peer.ts';
import { FrameAssembler } from './frame-assembler.ts';

/** The bounds and helpers of a {@link RequestPipe}. */
export interface RequestPipeOptions {
  /** `host:port`, for messages. */
  readonly peer: string;
  readonly clock: Clock;
  readonly inFlightRequestsMax: number;
  readonly queuedRequestsMax: number;
  readonly responseBytesMax: number;
  readonly unresponsiveMsMax: number;
  /** A question that helps when the broker hangs up before it has answered anything since {@link RequestPipe.ready}. */
  readonly earlyLossHint?: string | undefined;
  /**
   * Has a listener called with what arrives, in memory that is used again when the listener returns; in place of the socket's
   * `data` events, which take new memory for every read.
   */
  readonly onLentData?: ((listener: (chunk: Buffer) => void) => void) | undefined;
  /** The first correlation id; only tests of the wrap choose it. */
  readonly correlationIdFirst?: number | undefined;
}

/** One request as the pipe sees it: how to write it, how to read its answer. */
export interface PipeRequest<Response> {
  /** What is being asked, for messages: `Metadata v12`. */
  readonly label: string;
  encode(correlationId: number): readonly Uint8Array[];
  /** Reads the response frame; a throw rejects this request only. */
  decode(frame: Buffer): Response;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Passes those that are held back; for authentication. */
  readonly urgent?: boolean | undefined;
}

/** Where a request stands. An `abandoned` one was rejected already, and its response is still awaited to be dropped. */
type EntryState = 'queued' | 'sent' | 'abandoned' | 'settled';

interface Entry {
  readonly label: string;
  readonly correlationId: number;
  chunks: readonly Uint8Array[];
  readonly urgent: boolean;
  /** False for a request that gets no response. */
  readonly expectsResponse: boolean;
  readonly timeoutMs: number;
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: (() => void) | undefined;
  state: EntryState;
  succeed(frame: Buffer): void;
  fail(error: KafkaError): void;
}

/** A broker that was asked for so much may announce so much; a fetch brings up to 50 MiB by default. */
const TRUSTED_RESPONSE_BYTES = 64 * 1024 * 1024;

/**
 * What a broker says where it does not take a client's certificate. With TLS 1.3 the client has finished its handshake by then, and has sent
 * its first request.
 */
const CERTIFICATE_ALERTS = /^ERR_SSL_.*_ALERT_.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)/;

const NO_FRAME: Buffer = Buffer.alloc(0);
const NO_CHUNKS: readonly Uint8Array[] = [];

/**
 * Requests and responses on one socket: pipelined, matched by correlation id, each with a deadline.
 *
 * A broker answers in the order of requests, so that requests in flight form a
 * queue. A request that timed out stays in that queue, so that its late response is recognised and dropped instead of being
 * taken for the next one's. One timer serves all deadlines.
 */
export class RequestPipe {
  /** Resolves, with the reason, when the pipe is closed. */
  readonly closed: Promise<KafkaError>;
  readonly #socket: Socket;
  readonly #options: RequestPipeOptions;
  readonly #assembler: FrameAssembler;
  readonly #inFlight: Entry[] = [];
  readonly #queue: Entry[] = [];
  #correlationId: number;
  #held = false;
  #throttledUntilMs = 0;
  #timer: Timer | undefined;
  #timerDueMs = Infinity;
  #lastReceivedMs: number;
  #bytesIn = 0;
  #bytesOut = 0;
  #answeredSinceReady = true;
  #wasLostUnanswered = false;
  #closeReason: KafkaError | undefined;
  #resolveClosed!: (reason: KafkaError) => void;

  constructor(socket: Socket, options: RequestPipeOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#correlationId = options.correlationIdFirst ?? 0;
    this.#lastReceivedMs = options.clock.monotonic();
    this.#assembler = new FrameAssembler({
      frameBytesMax: options.responseBytesMax,
      trustedFrameBytes: TRUSTED_RESPONSE_BYTES,
      chunksAreLent: options.onLentData !== undefined,
    });
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    if (options.onLentData !== undefined) options.onLentData((chunk) => this.#receive(chunk));
    else socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#lost(error.code ?? error.message, error));
    socket.on('end', () => this.#lost('the broker closed it'));
    socket.on('close', () => this.#lost('the socket closed'));
  }

  /** Whether anything has been answered since {@link ready}. */
  get hasAnswered(): boolean {
    return this.#answeredSinceReady;
  }

  /** Whether the broker hung up on what it was asked first since {@link ready}. */
  get wasLostUnanswered(): boolean {
    return this.#wasLostUnanswered;
  }

  get open(): boolean {
    return this.#closeReason === undefined;
  }

  /** Requests whose response is awaited, those that timed out included. */
  get inFlightCount(): number {
    return this.#inFlight.length;
  }

  /** Requests that wait to be sent. */
  get queuedCount(): number {
    return this.#queue.length;
  }

  get bytesIn(): number {
    return this.#bytesIn;
  }

  get bytesOut(): number {
    return this.#bytesOut;
  }

  /** When the last bytes came, on the clock's monotonic scale. */
  get lastReceivedMs(): number {
    return this.#lastReceivedMs;
  }

  /** Sends a request and gives its response. */
  request<Response>(request: PipeRequest<Response>): Promise<Response> {
    return new Promise((resolve, reject) => {
      const succeed = (frame: Buffer): void => {
        try {
          resolve(request.decode(frame));
        } catch (cause) {
          const what = `${request.label} to ${this.#options.peer}: the response does not decode`;
          reject(new UnexpectedResponseError(what, cause));
        }
      };
      this.#enqueue(request, true, succeed, reject);
    });
  }

  /** Sends a request that gets no response; resolves when its bytes are handed to the system. */
  sendOneWay(request: Omit<PipeRequest<void>, 'decode'>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#enqueue(request, false, () => resolve(), reject);
    });
  }

  /** Notes that what follows are the caller's own requests. */
  ready(): void {
    this.#answeredSinceReady = false;
  }

  /** Keeps ordinary requests back until {@link release}; urgent ones still go out. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.#sendQueued();
  }

  /** Keeps ordinary requests back for so long, as a broker asks for with `throttleTimeMs` (KIP-219). */
  throttle(ms: number): void {
    this.#throttledUntilMs = Math.max(this.#throttledUntilMs, this.#now + ms);
  }

  /** Fails everything that is under way and destroys the socket. */
  close(reason: KafkaError): void {
    if (this.#closeReason !== undefined) return;
    this.#closeReason = reason;
    this.#timer?.cancel();
    this.#assembler.dispose();
    this.#socket.destroy();
    const entries = [...this.#inFlight.splice(0), ...this.#queue.splice(0)];
    for (const entry of entries) {
      if (entry.state === 'sent' || entry.state === 'queued') {
        const what = `${entry.label} was not ${entry.state === 'queued' ? 'sent' : 'answered'}`;
        this.#settle(entry);
        entry.fail(connectionGone(what, reason));
      }
    }
    this.#resolveClosed(reason);
  }

  /** Closes because of something this side decided or found. */
  closeWith(code: ConnectionErrorCode, why: string): void {
    this.close(new ConnectionError(code, `Connection to ${this.#options.peer}: ${why}`));
  }

  get #now(): number {
    return this.#options.clock.monotonic();
  }

  #enqueue(
    request: Omit<PipeRequest<unknown>, 'decode'>,
    expectsResponse: boolean,
    succeed: (frame: Buffer) => void,
    fail: (error: KafkaError) => void,
  ): void {
    const { peer, queuedRequestsMax } = this.#options;
    const { label, signal } = request;
    if (this.#closeReason !== undefined) {
      fail(connectionGone(`${label} was not sent`, this.#closeReason));
      return;
    }
    if (signal?.aborted) {
      fail(new RequestAbortedError(`${label} to ${peer} was aborted before it was sent`, signal.reason));
      return;
    }
    if (this.#queue.length >= queuedRequestsMax) {
      const bound = `${queuedRequestsMax} requests wait for this connection (queuedRequestsMax)`;
      fail(new TooManyRequestsError(`${label} to ${peer} was not sent: ${bound}`));
      return;
    }
    const onAbort = signal === undefined ? undefined : (): void => this.#abort(entry);
    const entry: Entry = {
      label,
      correlationId: this.#correlationId,
      chunks: request.encode(this.#correlationId),
      urgent: request.urgent === true,
      expectsResponse,
      timeoutMs: request.timeoutMs,
      deadlineMs: this.#now + request.timeoutMs,
      signal,
      onAbort,
      state: 'queued',
      succeed,
      fail,
    };
    this.#correlationId = (this.#correlationId + 1) & 0x7fffffff;
    if (onAbort !== undefined) signal?.addEventListener('abort', onAbort, { once: true });
    if (entry.urgent) {
      this.#queue.unshift(entry);
    } else {
      this.#queue.push(entry);
    }
    this.#wakeAt(entry.deadlineMs);
    this.#sendQueued();
  }

  #sendQueued(): void {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      if (this.#inFlight.length >= this.#options.inFlightRequestsMax && !next.urgent) return;
      if (!next.urgent && this.#held) return;
      if (!next.urgent && this.#throttledUntilMs > 0) {
        if (this.#throttledUntilMs > this.#now) {
          this.#wakeAt(this.#throttledUntilMs);
          return;
        }
        this.#throttledUntilMs = 0;
      }
      this.#queue.shift();
      this.#write(next);
    }
  }

  #write(entry: Entry): void {
    const chunks = entry.chunks;
    entry.chunks = NO_CHUNKS;
    entry.state = 'sent';
    if (entry.expectsResponse) this.#inFlight.push(entry);
    const socket = this.#socket;
    const last = chunks.length - 1;
    socket.cork();
    for (let index = 0; index <= last; index += 1) {
      const chunk = chunks[index] as Uint8Array;
      this.#bytesOut += chunk.length;
      if (index === last && !entry.expectsResponse) {
        socket.write(chunk, (error) => this.#written(entry, error));
      } else {
        socket.write(chunk);
      }
    }
    runNextTick(() => socket.uncork());
  }

  #written(entry: Entry, error: Error | null | undefined): void {
    if (entry.state !== 'sent') return;
    this.#settle(entry);
    if (error) {
      const what = `${entry.label} to ${this.#options.peer}: the connection was lost while it was being sent`;
      entry.fail(new ConnectionError('NETWORK_CONNECTION_LOST', what, error));
    } else {
      entry.succeed(NO_FRAME);
    }
  }

  #receive(chunk: Buffer): void {
    this.#bytesIn += chunk.length;
    this.#lastReceivedMs = this.#now;
    this.#assembler.push(chunk);
    for (let frame = this.#assembler.next(); frame !== undefined && this.open; frame = this.#assembler.next()) {
      this.#answered(frame);
    }
    const fault = this.#assembler.fault;
    if (fault !== undefined && this.open) {
      const { foreign, message } = describeForeignServer(fault, this.#options.responseBytesMax);
      this.close(new UnexpectedResponseError(`Connection to ${this.#options.peer}: ${message}`, undefined, foreign));
    }
    this.#sendQueued();
  }

  #answered(frame: Buffer): void {
    const correlationId = frame.length < 4 ? undefined : frame.readInt32BE(0);
    const entry = this.#inFlight[0];
    if (entry === undefined || entry.correlationId !== correlationId) {
      const expected =
        entry === undefined ? 'no request is unanswered' : `${entry.correlationId} (${entry.label}) comes next`;
      const what = `a response came with correlation id ${correlationId ?? 'cut off'}, but ${expected}`;
      this.close(new UnexpectedResponseError(`Connection to ${this.#options.peer}: ${what}`));
      return;
    }
    this.#inFlight.shift();
    this.#answeredSinceReady = true;
    if (entry.state === 'sent') {
      this.#settle(entry);
      entry.succeed(frame);
    }
  }

  #abort(entry: Entry): void {
    const what = `${entry.label} to ${this.#options.peer} was aborted`;
    this.#giveUp(entry, new RequestAbortedError(what, entry.signal?.reason));
  }

  /** Rejects a request without waiting for its response; one that was sent keeps its place in the queue. */
  #giveUp(entry: Entry, error: KafkaError): void {
    if (entry.state === 'sent') {
      this.#settle(entry);
      entry.state = 'abandoned';
    } else if (entry.state === 'queued') {
      this.#queue.splice(this.#queue.indexOf(entry), 1);
      this.#settle(entry);
    } else {
      return;
    }
    entry.fail(error);
  }

  #settle(entry: Entry): void {
    entry.state = 'settled';
    if (entry.onAbort !== undefined) entry.signal?.removeEventListener('abort', entry.onAbort);
  }

  #lost(why: string, cause?: NodeJS.ErrnoException): void {
    if (this.open) {
      if (this.#bytesIn === 0 && CERTIFICATE_ALERTS.test(cause?.code ?? '')) {
        const what = `Cannot connect to ${this.#options.peer}: the broker does not take this client's certificate, or there is none (${why}). Give key and cert with tls`;
        this.close(new ConnectionError('NETWORK_TLS_FAILED', what, cause));
        return;
      }
      const asked = !this.#answeredSinceReady && this.#inFlight.length > 0;
      this.#wasLostUnanswered = asked;
      const hint = asked && this.#options.earlyLossHint !== undefined ? `. ${this.#options.earlyLossHint}` : '';
      const what = `Connection to ${this.#options.peer} was lost: ${why}${hint}`;
      this.close(new ConnectionError('NETWORK_CONNECTION_LOST', what, cause));
    }
  }

  /** Has the timer fire at `dueMs` at the latest. An early wake-up finds nothing to do and sets the next one. */
  #wakeAt(dueMs: number): void {
    if (dueMs < this.#timerDueMs) {
      this.#timer?.cancel();
      this.#timerDueMs = dueMs;
      this.#timer = this.#options.clock.schedule(Math.max(Math.ceil(dueMs - this.#now), 1), () => this.#wake());
    }
  }

  #wake(): void {
    this.#timer = undefined;
    this.#timerDueMs = Infinity;
    const nowMs = this.#now;
    for (const entry of [...this.#inFlight, ...this.#queue]) {
      if (entry.deadlineMs <= nowMs) this.#timeOut(entry);
    }
    const oldest = this.#inFlight[0];
    if (oldest?.state === 'abandoned') {
      const silentSinceMs = Math.max(oldest.deadlineMs, this.#lastReceivedMs);
      if (nowMs - silentSinceMs >= this.#options.unresponsiveMsMax) {
        const bound = `for ${this.#options.unresponsiveMsMax} ms after a request timed out (unresponsiveMsMax)`;
        this.closeWith('NETWORK_BROKER_UNRESPONSIVE', `the broker sent nothing ${bound}; giving it up`);
        return;
      }
      this.#wakeAt(silentSinceMs + this.#options.unresponsiveMsMax);
    }
    this.#sendQueued();
    for (const entry of [...this.#inFlight, ...this.#queue]) {
      if (entry.state !== 'abandoned') this.#wakeAt(entry.deadlineMs);
    }
  }

  #timeOut(entry: Entry): void {
    const waited = entry.state === 'queued' ? 'it could not be sent, earlier requests being unanswered' : 'no response';
    const what = `${entry.label} to ${this.#options.peer} timed out after ${entry.timeoutMs} ms: ${waited}`;
    this.#giveUp(entry, new RequestTimedOutError(what));
  }
}

/** What a request is told when the pipe closes under it, or is closed: the reason, in whose words the peer is named, and its cause. */
function connectionGone(what: string, reason: KafkaError): KafkaError {
  const message = `${what}: ${reason.message.slice(0, 1).toLowerCase()}${reason.message.slice(1)}`;
  return reason instanceof ConnectionError
    ? new ConnectionError(reason.code as ConnectionErrorCode, message, reason.cause)
    : new ConnectionError('NETWORK_CONNECTION_LOST', message, reason);
}
