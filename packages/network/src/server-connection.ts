import type { Socket } from 'node:net';
import type { Clock, Logger, Timer } from '@millrace/ports';
import {
  ANONYMOUS_PRINCIPAL,
  type AuthenticationState,
  type ListenerConnection,
  type RequestHandler,
  type SecurityProtocol,
} from './connection-context.ts';
import { describeBadSize, HTTP_ANSWER, type PeerGuess } from './foreign-peer.ts';
import { FrameAssembler, TRUSTED_FRAME_BYTES } from './frame-assembler.ts';
import { plainHost } from './peer-host.ts';
import type { FrameHolder, RequestMemory } from './request-memory.ts';
import { type AnswerCounters, ResponseLine, Slot, type SlotHost } from './response-line.ts';
import type { ResponseHolder, ResponseMemory } from './response-memory.ts';
import type { TurnShare } from './turn-share.ts';

/** The bounds of one connection; see `ListenerOptions` for their defaults. */
export interface ServerConnectionLimits {
  requestBytesMax: number;
  /** The same before the login, on listeners that ask for one. */
  loginBytesMax: number;
  /** How long a login may take. */
  loginMsMax: number;
  inFlightRequestsMax: number;
  inFlightRequestBytesMax: number;
  unsentResponseBytesMax: number;
  serialApiKeys: ReadonlySet<number>;
}

/** What a connection counts into; shared by all connections of a listener. */
export interface ConnectionCounters extends AnswerCounters {
  bytesIn: number;
  requests: number;
  requestsInFlight: number;
}

/** What a listener gives each of its connections. */
export interface ServerConnectionHost {
  readonly listenerName: string;
  readonly securityProtocol: SecurityProtocol;
  readonly limits: ServerConnectionLimits;
  readonly handler: RequestHandler;
  readonly memory: RequestMemory;
  /** The same for what comes before a login. */
  readonly loginMemory: RequestMemory;
  readonly responses: ResponseMemory;
  readonly turns: TurnShare;
  readonly counters: ConnectionCounters;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly allocateFrame: ((bytes: number) => Buffer) | undefined;
  /** A closing connection has handed over its last bytes. */
  connectionFlushed(connection: ServerConnection): void;
  /** It has logged in. */
  connectionKnown(connection: ServerConnection): void;
  connectionGone(connection: ServerConnection): void;
}

/** How long a connection that is being closed may take to hand over its last bytes. */
export const CLOSING_MS_MAX = 5_000;

/**
 * How long whoever is dismissed with an answer has for reading it before the end follows. Some clients (kafka-python 3) throw away what comes
 * together with the end of a connection: to them a refused login would be a lost connection, which they try anew.
 */
export const LAST_WORD_MS = 50;

/** Frames up to this size go before larger ones when time is short. */
const LIGHT_FRAME_BYTES = 16 * 1024;
/** Larger frames are timed one by one, smaller ones so many at once. */
const TIMED_FRAME_BYTES = 1024;
const UNTIMED_FRAMES_MAX = 4;
/** So long a connection starts requests, or so many, before others that wait have their turn. */
const SLICE_MS = 1;
const SLICE_FRAMES = 8;
/** Before a login, a frame gets this much before its bytes are there: more than honest logins take. */
const LOGIN_TRUSTED_BYTES = 4 * 1024;
/** Decoded forms up to this size are not counted: most requests have less, and the number of requests is bounded. */
const UNCOUNTED_DECODED_BYTES = 64 * 1024;

/**
 * One accepted connection: frames in, responses out, in order.
 *
 * Reading stops (the socket is paused, so that TCP holds the client back) whenever one of the bounds is reached: requests in
 * flight, bytes in flight, responses that the client does not take, a rest. It goes on when the cause is gone.
 */
export class ServerConnection implements ListenerConnection, FrameHolder, ResponseHolder {
  readonly id: number;
  readonly clientHost: string;
  readonly clientPort: number;
  readonly serverHost: string;
  readonly serverPort: number;
  principal: string = ANONYMOUS_PRINCIPAL;

  #authentication: AuthenticationState = { stage: 'none' };
  /** Whose bound the unfinished frame counts against. */
  #assemblyMemory: RequestMemory;
  readonly #socket: Socket;
  readonly #host: ServerConnectionHost;
  readonly #assembler: FrameAssembler;
  readonly #line: ResponseLine;
  readonly #slotHost: SlotHost;
  responseBytes = 0;
  /** A frame that was taken from the assembler and may not start yet. */
  #waitingFrame: Buffer | undefined;
  #inFlightBytes = 0;
  #rest: Timer | undefined;
  #restUntilMs = 0;
  #pumping = false;
  #hasHadSlice = false;
  /** It has had a slice and wanted more, ever since it last had nothing to start. */
  #isGreedy = false;
  #reading = true;
  #closing = false;
  #isDismissed = false;
  /** Runs from the last answer of whoever is dismissed to the end. */
  #lastWord: Timer | undefined;
  #gone = false;
  #activeMs: number;
  readonly #acceptedMs: number;
  /** When the client last sent anything, and when it last took anything. */
  #receivedMs: number;
  #takenMs: number;
  readonly #retry = (): void => this.#pump();

  constructor(id: number, socket: Socket, host: ServerConnectionHost) {
    this.id = id;
    this.#socket = socket;
    this.#host = host;
    this.clientHost = plainHost(socket.remoteAddress);
    this.clientPort = socket.remotePort ?? 0;
    this.serverHost = plainHost(socket.localAddress);
    this.serverPort = socket.localPort ?? 0;
    this.#activeMs = host.clock.monotonic();
    this.#acceptedMs = this.#activeMs;
    this.#receivedMs = this.#activeMs;
    this.#takenMs = this.#activeMs;
    this.#assemblyMemory = this.#memoryNow;
    this.#assembler = new FrameAssembler({
      frameBytesMax: () => this.#frameBytesMax,
      trustedFrameBytes: () => (this.#awaitsLogin ? LOGIN_TRUSTED_BYTES : TRUSTED_FRAME_BYTES),
      allocateFrame: host.allocateFrame,
      memory: {
        take: (bytes) => this.#takeAssembling(bytes),
        release: (bytes) => this.#assemblyMemory.releaseAssembling(bytes, this),
      },
    });
    this.#line = new ResponseLine(socket, {
      counters: host.counters,
      sent: (bytes) => this.#sent(bytes),
      flushed: (anything) => this.#flushed(anything),
      written: () => this.#written(),
    });
    this.#slotHost = {
      releaseFrame: (slot) => this.#releaseFrame(slot),
      holdDecoded: (slot, bytes) => {
        if (bytes <= UNCOUNTED_DECODED_BYTES || slot.decodedBytes > 0) return;
        slot.decodedBytes = bytes;
        host.memory.holdDecoded(bytes);
      },
      park: (slot) => {
        if (!slot.parked) slot.parked = host.memory.park(slot.decodedBytes);
        return slot.parked;
      },
      reserveResponse: (slot, wantedBytes) => this.#reserve(slot, wantedBytes),
    };
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('end', () => this.#ended());
    socket.on('error', (error) => this.#failed(error));
    socket.on('close', () => this.#closed());
  }

  get listenerName(): string {
    return this.#host.listenerName;
  }

  get securityProtocol(): SecurityProtocol {
    return this.#host.securityProtocol;
  }

  get open(): boolean {
    return !this.#closing && !this.#gone;
  }

  get authentication(): AuthenticationState {
    return this.#authentication;
  }

  set authentication(state: AuthenticationState) {
    const wasAwaited = this.#awaitsLogin;
    this.#authentication = state;
    if (wasAwaited && !this.#awaitsLogin) this.#host.connectionKnown(this);
  }

  get heldBytes(): number {
    const requests = this.#inFlightBytes + this.#assembler.partialBytes + this.#assembler.unreadBytes;
    return requests + (this.#waitingFrame?.length ?? 0) + this.#line.unsentBytes;
  }

  /** When it last sent or took anything. */
  get activeMs(): number {
    return this.#activeMs;
  }

  get reading(): boolean {
    return this.#reading;
  }

  disconnect(reason: string): void {
    if (this.open) {
      this.#host.logger.debug(this.#fields({ reason }), `Closing connection of ${this.#peer}: ${reason}`);
      this.#isDismissed = true;
      this.finish();
    }
  }

  /** Reads nothing more, answers what is in flight, then closes. */
  finish(): void {
    if (!this.open) return;
    this.#closing = true;
    this.#activeMs = this.#host.clock.monotonic();
    this.#waitingFrame = undefined;
    this.#assembler.dispose();
    this.#stopWaiting();
    this.#line.scheduleFlush();
  }

  restFor(ms: number): void {
    const untilMs = this.#host.clock.monotonic() + ms;
    if (!this.open || untilMs <= this.#restUntilMs) return;
    this.#restUntilMs = untilMs;
    this.#rest?.cancel();
    this.#rest = this.#host.clock.schedule(ms, () => {
      this.#rest = undefined;
      this.#pump();
    });
    this.#setReading(false);
  }

  stalledMs(): number {
    const waitsForUs =
      this.#assembler.blocked ||
      this.#rest !== undefined ||
      this.#line.length >= this.#host.limits.inFlightRequestsMax ||
      this.#waitingFrame !== undefined;
    return waitsForUs ? 0 : this.#host.clock.monotonic() - this.#receivedMs;
  }

  unreadMs(): number {
    return this.#line.unsentBytes === 0 ? 0 : this.#host.clock.monotonic() - this.#takenMs;
  }

  evict(reason: string): void {
    this.#host.logger.warn(this.#fields({ reason }), `Closing connection of ${this.#peer}: ${reason}`);
    this.#assembler.dispose();
    this.#waitingFrame = undefined;
    this.destroy();
    this.#closed();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Closes the connection when it did nothing for too long; called by the listener's sweep. True when it did. */
  closeIfIdle(nowMs: number, idleMsMax: number): boolean {
    if (this.#socket.destroyed) return false;
    if (this.#awaitsLogin && nowMs - this.#acceptedMs >= this.#host.limits.loginMsMax) {
      const reason = `it has not logged in within ${this.#host.limits.loginMsMax} ms`;
      this.#host.logger.info(this.#fields({ reason }), `Closing connection of ${this.#peer}: ${reason}`);
      this.destroy();
      return false;
    }
    // A handler that is still working is not the client's idleness, unless the client does not take what is ready.
    const waitsForHandler = (this.#line.length > 0 && this.#socket.writableLength === 0) || this.#rest !== undefined;
    const idleMs = nowMs - this.#activeMs;
    if (this.#closing && !waitsForHandler && idleMs >= CLOSING_MS_MAX) {
      this.destroy();
      return false;
    }
    if (waitsForHandler || idleMs < idleMsMax) return false;
    this.#host.logger.info(
      this.#fields({ idleMs, midFrame: this.#assembler.midFrame }),
      `Closing connection of ${this.#peer}: idle for ${Math.round(idleMs)} ms`,
    );
    this.destroy();
    return true;
  }

  #receive(chunk: Buffer): void {
    this.#host.counters.bytesIn += chunk.length;
    if (this.#closing) return;
    this.#activeMs = this.#host.clock.monotonic();
    this.#receivedMs = this.#activeMs;
    this.#assembler.push(chunk);
    this.#pump();
  }

  /** Starts as many requests as the bounds allow, then reads on or stops reading. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    this.#hasHadSlice = false;
    const { turns } = this.#host;
    let beganMs = -1;
    let untimed = 0;
    let started = 0;
    while (this.open) {
      const frame = this.#nextFrame();
      if (frame === undefined) break;
      if (beganMs < 0) beganMs = turns.look();
      this.#dispatch(frame);
      untimed += 1;
      started += 1;
      if (frame.length > TIMED_FRAME_BYTES || untimed === UNTIMED_FRAMES_MAX) {
        untimed = 0;
        this.#hasHadSlice = turns.look() - beganMs >= SLICE_MS || started >= SLICE_FRAMES;
      }
    }
    if (untimed > 0) turns.look();
    this.#pumping = false;
  }

  /** The next frame that may start now. Otherwise undefined, with reading switched on or off as it must be. */
  #nextFrame(): Buffer | undefined {
    const { limits } = this.#host;
    const isFull = this.#line.length >= limits.inFlightRequestsMax;
    if (isFull || this.#line.unsentBytes > limits.unsentResponseBytesMax || this.#rest !== undefined) {
      return this.#setReading(false);
    }
    const frame = this.#waitingFrame ?? this.#assembler.next();
    if (frame === undefined) return this.#waitForBytes();
    this.#waitingFrame = frame;
    if (!this.#mayStart(frame)) return this.#setReading(false);
    this.#waitingFrame = undefined;
    return frame;
  }

  #waitForBytes(): undefined {
    this.#isGreedy = false;
    if (this.#assembler.fault !== undefined) {
      this.#refuseStream();
    } else if (this.#assembler.blocked) {
      this.#assemblyMemory.wait('assemble', this.#retry);
      this.#setReading(false);
    } else {
      this.#setReading(true);
    }
    return undefined;
  }

  /** Whether the connection's own bounds and those over all connections let this request start; waits for the latter. */
  #mayStart(frame: Buffer): boolean {
    const { limits, responses, turns } = this.#host;
    const memory = this.#memoryNow;
    const isSerial = this.#isSerial(frame);
    if (this.#inFlightBytes > 0 && this.#inFlightBytes + frame.length > limits.inFlightRequestBytesMax) return false;
    if (isSerial && (this.#line.serialInFlight || this.#line.unsentBytes > 0)) return false;
    if (!responses.mayStart(isSerial)) {
      responses.wait(this.#retry);
      return false;
    }
    if (turns.isOver || (this.#hasHadSlice && turns.isContended)) {
      this.#isGreedy ||= this.#hasHadSlice;
      turns.wait(this.#retry, frame.length > LIGHT_FRAME_BYTES ? 'heavy' : this.#isGreedy ? 'greedy' : 'light');
      return false;
    }
    if (memory.takeHandling(frame.length)) return true;
    memory.wait('handle', this.#retry);
    return false;
  }

  #dispatch(frame: Buffer): void {
    const { counters, handler } = this.#host;
    const slot = new Slot(this.#isSerial(frame), frame.length, this.#memoryNow, this.#slotHost);
    this.#line.begin(slot);
    this.#inFlightBytes += slot.heldBytes;
    counters.requests += 1;
    counters.requestsInFlight += 1;
    try {
      const answer = handler.handle(frame, this, slot);
      if (answer instanceof Promise) {
        answer.then(
          (chunks) => this.#complete(slot, chunks),
          (error: unknown) => this.#handlerFailed(slot, error),
        );
      } else {
        this.#complete(slot, answer);
      }
    } catch (error) {
      this.#handlerFailed(slot, error);
    }
  }

  #reserve(slot: Slot, wantedBytes: number): number {
    const { responses } = this.#host;
    responses.release(slot.reservedBytes, this);
    slot.reservedBytes = this.#gone ? 0 : responses.grant(wantedBytes, this);
    responses.take(slot.reservedBytes, this);
    return slot.reservedBytes;
  }

  #complete(slot: Slot, chunks: readonly Uint8Array[] | null): void {
    this.#settle(slot);
    this.#line.complete(slot, chunks);
    if (!this.#gone) this.#host.responses.take(slot.responseBytes, this);
  }

  /** Gives back what the request held. */
  #settle(slot: Slot): void {
    const { counters, memory, responses } = this.#host;
    this.#releaseFrame(slot);
    if (slot.decodedBytes > 0) {
      if (slot.parked) memory.releaseParked(slot.decodedBytes);
      else memory.releaseDecoded(slot.decodedBytes);
    }
    if (slot.reservedBytes > 0) responses.release(slot.reservedBytes, this);
    slot.reservedBytes = 0;
    counters.requestsInFlight -= 1;
  }

  #releaseFrame(slot: Slot): void {
    if (slot.held) {
      this.#inFlightBytes -= slot.heldBytes;
      slot.memory.releaseHandling(slot.heldBytes);
      slot.held = false;
    }
  }

  #handlerFailed(slot: Slot, error: unknown): void {
    this.#settle(slot);
    this.#line.fail(slot);
    if (!this.#gone) {
      this.#tellOfFailure(error);
      this.destroy();
    }
  }

  /** What was thrown on purpose says what the client did; where in the program it was said helps nobody but who works on that. */
  #tellOfFailure(error: unknown): void {
    const { logger } = this.#host;
    const closing = `Closing connection of ${this.#peer}: its request failed`;
    const code = error instanceof Error ? (error as { readonly code?: unknown }).code : undefined;
    // Node's own codes are of faults of the program.
    if (typeof code !== 'string' || !/^(?!ERR_)[A-Z]+(?:_[A-Z]+)+$/.test(code)) {
      logger.warn(this.#fields({ err: error }), closing);
      return;
    }
    logger.warn(this.#fields({ code }), `${closing}: ${(error as Error).message}`);
    logger.debug(this.#fields({ err: error }), closing);
  }

  #sent(bytes: number): void {
    this.#host.responses.release(bytes, this);
  }

  #flushed(anything: boolean): void {
    if (anything) {
      this.#activeMs = this.#host.clock.monotonic();
      this.#takenMs = this.#activeMs;
    }
    if (this.#closing) {
      this.#endWhenAnswered(anything);
    } else {
      this.#pump();
    }
  }

  #written(): void {
    this.#activeMs = this.#host.clock.monotonic();
    this.#takenMs = this.#activeMs;
    if (!this.#reading) this.#pump();
  }

  /** After the last response the socket ends; what the client still sends is read and thrown away until it is gone. */
  #endWhenAnswered(hasSaid: boolean): void {
    if (this.#line.length > 0 || this.#socket.writableEnded || this.#lastWord !== undefined) return;
    const end = (): void => void this.#socket.end(() => this.#host.connectionFlushed(this));
    if (this.#isDismissed && hasSaid) this.#lastWord = this.#host.clock.schedule(LAST_WORD_MS, end);
    else end();
    this.#setReading(true);
  }

  #refuseStream(): void {
    const { guess, message } = describeBadSize(this.#assembler.fault!, this.#frameBytesMax);
    this.#host.logger.warn(
      this.#fields({ sizeBytes: this.#assembler.fault?.sizeBytes, guess }),
      `Closing connection of ${this.#peer}: ${message}`,
    );
    this.#leave(guess);
  }

  #leave(guess: PeerGuess): void {
    if (guess !== 'http') {
      this.destroy();
      return;
    }
    this.#socket.write(HTTP_ANSWER);
    this.finish();
  }

  #ended(): void {
    if (this.#assembler.midFrame && !this.#closing) {
      this.#host.logger.debug(this.#fields({}), `${this.#peer} closed its connection in the middle of a request`);
    }
    // Kafka drops what is in flight when the client closes its side; nobody is left to read the answers.
    this.destroy();
  }

  #failed(error: Error): void {
    this.#host.logger.debug(this.#fields({ err: error }), `Connection of ${this.#peer} failed: ${error.message}`);
  }

  #closed(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#rest?.cancel();
    this.#lastWord?.cancel();
    this.#waitingFrame = undefined;
    this.#assembler.dispose();
    this.#stopWaiting();
    this.#line.close();
    this.#host.connectionGone(this);
  }

  #stopWaiting(): void {
    this.#host.memory.stopWaiting(this.#retry);
    this.#host.loginMemory.stopWaiting(this.#retry);
    this.#host.responses.stopWaiting(this.#retry);
    this.#host.turns.stopWaiting(this.#retry);
  }

  #setReading(reading: boolean): undefined {
    if (reading !== this.#reading) {
      this.#reading = reading;
      if (reading) {
        this.#socket.resume();
      } else {
        this.#socket.pause();
      }
    }
  }

  /** Responses to such requests may be large, so that no second one starts before the first has left the process. */
  #isSerial(frame: Buffer): boolean {
    // What stands behind a message of a login is not looked at before that has been judged.
    if (this.#awaitsLogin) return true;
    return frame.length >= 2 && this.#host.limits.serialApiKeys.has(frame.readInt16BE(0));
  }

  /** Whether who has connected has still to say who he is. */
  get #awaitsLogin(): boolean {
    return this.#host.securityProtocol.startsWith('SASL_') && this.authentication.stage !== 'done';
  }

  get #memoryNow(): RequestMemory {
    return this.#awaitsLogin ? this.#host.loginMemory : this.#host.memory;
  }

  /** A frame counts where it has begun, though a login is done in the middle of it. */
  #takeAssembling(bytes: number): boolean {
    if (this.#assembler.partialBytes === 0) this.#assemblyMemory = this.#memoryNow;
    return this.#assemblyMemory.takeAssembling(bytes, this);
  }

  get #frameBytesMax(): number {
    const { requestBytesMax, loginBytesMax } = this.#host.limits;
    return this.#awaitsLogin ? loginBytesMax : requestBytesMax;
  }

  get #peer(): string {
    return `${this.clientHost}:${this.clientPort}`;
  }

  #fields(more: object): object {
    return {
      listener: this.listenerName,
      connection: this.id,
      clientHost: this.clientHost,
      clientPort: this.clientPort,
      ...more,
    };
  }
}
