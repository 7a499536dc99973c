import type { Socket } from 'node:net';
import type { Clock, Logger } from '@millrace/ports';
import {
  ANONYMOUS_PRINCIPAL,
  type ListenerConnection,
  type RequestAdmission,
  type RequestHandler,
  type SecurityProtocol,
} from './connection-context.ts';
import { describeBadSize, HTTP_ANSWER, type PeerGuess } from './foreign-peer.ts';
import { FrameAssembler } from './frame-assembler.ts';
import { plainHost } from './peer-host.ts';
import type { RequestMemory } from './request-memory.ts';

/** The bounds of one connection; see `ListenerOptions` for their defaults. */
export interface ServerConnectionLimits {
  requestBytesMax: number;
  inFlightRequestsMax: number;
  inFlightRequestBytesMax: number;
  unsentResponseBytesMax: number;
  serialApiKeys: ReadonlySet<number>;
}

/** What a connection counts into; shared by all connections of a listener. */
export interface ConnectionCounters {
  bytesIn: number;
  bytesOut: number;
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
  readonly counters: ConnectionCounters;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly allocateFrame: ((bytes: number) => Buffer) | undefined;
  /** A closing connection has handed over its last bytes. */
  connectionFlushed(connection: ServerConnection): void;
  connectionGone(connection: ServerConnection): void;
}

/** How long a connection that is being closed may take to hand over its last bytes. */
export const CLOSING_MS_MAX = 5_000;

/** A request between its dispatch and the moment its response is written. */
interface Slot {
  readonly serial: boolean;
  readonly heldBytes: number;
  /** Whether the frame still counts against the bounds; an empty one does too. */
  held: boolean;
  done: boolean;
  chunks: readonly Uint8Array[] | null;
  responseBytes: number;
  /** Who wants to know that the response has been sent. */
  whenSent: (() => void) | undefined;
}

/**
 * One accepted connection: frames in, responses out, in order.
 *
 * Reading stops (the socket is paused, so that TCP holds the client back) whenever one of the bounds is reached: requests in
 * flight, bytes in flight, responses that the client does not take. It goes on when the cause is gone.
 */
export class ServerConnection implements ListenerConnection {
  readonly id: number;
  readonly clientHost: string;
  readonly clientPort: number;
  readonly serverHost: string;
  readonly serverPort: number;
  principal: string = ANONYMOUS_PRINCIPAL;
  readonly data = new Map<string | symbol, unknown>();

  readonly #socket: Socket;
  readonly #host: ServerConnectionHost;
  readonly #assembler: FrameAssembler;
  readonly #slots: Slot[] = [];
  /** A frame that was taken from the assembler and may not start yet. */
  #waitingFrame: Buffer | undefined;
  /** Who waits for responses to leave that the socket has taken and not yet sent. */
  readonly #sending: (() => void)[] = [];
  #inFlightBytes = 0;
  #serialInFlight = 0;
  /** Bytes of responses that are ready but stand behind one that is not. */
  #heldResponseBytes = 0;
  #flushScheduled = false;
  #pumping = false;
  #reading = true;
  #closing = false;
  #gone = false;
  #activeMs: number;
  readonly #retry = (): void => this.#pump();
  /** Not the socket's 'drain': it fires only after more than its own high-water mark was waiting. */
  readonly #written = (): void => {
    this.#activeMs = this.#host.clock.monotonic();
    if (!this.#reading) {
      this.#pump();
    }
  };

  constructor(id: number, socket: Socket, host: ServerConnectionHost) {
    this.id = id;
    this.#socket = socket;
    this.#host = host;
    this.clientHost = plainHost(socket.remoteAddress);
    this.clientPort = socket.remotePort ?? 0;
    this.serverHost = plainHost(socket.localAddress);
    this.serverPort = socket.localPort ?? 0;
    this.#activeMs = host.clock.monotonic();
    this.#assembler = new FrameAssembler({
      frameBytesMax: host.limits.requestBytesMax,
      allocateFrame: host.allocateFrame,
      memory: host.memory,
    });
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

  get heldBytes(): number {
    const requests = this.#inFlightBytes + this.#assembler.partialBytes + this.#assembler.unreadBytes;
    return requests + (this.#waitingFrame?.length ?? 0) + this.#unsentBytes;
  }

  get reading(): boolean {
    return this.#reading;
  }

  disconnect(reason: string): void {
    if (this.open) {
      this.#host.logger.debug(this.#fields({ reason }), `Closing connection of ${this.#peer}: ${reason}`);
      this.finish();
    }
  }

  /** Reads nothing more, answers what is in flight, then closes. */
  finish(): void {
    if (!this.open) {
      return;
    }
    this.#closing = true;
    this.#activeMs = this.#host.clock.monotonic();
    this.#waitingFrame = undefined;
    this.#assembler.dispose();
    this.#host.memory.stopWaiting(this.#retry);
    this.#scheduleFlush();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Closes the connection when it did nothing for too long; called by the listener's sweep. True when it did. */
  closeIfIdle(nowMs: number, idleMsMax: number): boolean {
    if (this.#socket.destroyed) {
      return false;
    }
    // A handler that is still working is not the client's idleness, unless the client does not take what is ready.
    const waitsForHandler = this.#slots.length > 0 && this.#socket.writableLength === 0;
    const idleMs = nowMs - this.#activeMs;
    if (this.#closing && !waitsForHandler && idleMs >= CLOSING_MS_MAX) {
      this.destroy();
      return false;
    }
    if (waitsForHandler || idleMs < idleMsMax) {
      return false;
    }
    this.#host.logger.info(
      this.#fields({ idleMs, midFrame: this.#assembler.midFrame }),
      `Closing connection of ${this.#peer}: idle for ${Math.round(idleMs)} ms`,
    );
    this.destroy();
    return true;
  }

  #receive(chunk: Buffer): void {
    this.#host.counters.bytesIn += chunk.length;
    if (this.#closing) {
      return;
    }
    this.#activeMs = this.#host.clock.monotonic();
    this.#assembler.push(chunk);
    this.#pump();
  }

  /** Starts as many requests as the bounds allow, then reads on or stops reading. */
  #pump(): void {
    if (this.#pumping) {
      return;
    }
    this.#pumping = true;
    while (this.open) {
      const frame = this.#nextFrame();
      if (frame === undefined) {
        break;
      }
      this.#dispatch(frame);
    }
    this.#pumping = false;
  }

  /** The next frame that may start now. Otherwise undefined, with reading switched on or off as it must be. */
  #nextFrame(): Buffer | undefined {
    const { limits, memory } = this.#host;
    if (this.#slots.length >= limits.inFlightRequestsMax || this.#unsentBytes > limits.unsentResponseBytesMax) {
      return this.#setReading(false);
    }
    const frame = this.#waitingFrame ?? this.#assembler.next();
    if (frame === undefined) {
      if (this.#assembler.fault !== undefined) {
        this.#refuseStream();
      } else if (this.#assembler.blocked) {
        memory.wait('assemble', this.#retry);
        this.#setReading(false);
      } else {
        this.#setReading(true);
      }
      return undefined;
    }
    this.#waitingFrame = frame;
    const mayStart =
      (this.#inFlightBytes === 0 || this.#inFlightBytes + frame.length <= limits.inFlightRequestBytesMax) &&
      !(this.#isSerial(frame) && (this.#serialInFlight > 0 || this.#unsentBytes > 0));
    if (!mayStart) {
      return this.#setReading(false);
    }
    if (!memory.takeHandling(frame.length)) {
      memory.wait('handle', this.#retry);
      return this.#setReading(false);
    }
    this.#waitingFrame = undefined;
    return frame;
  }

  #dispatch(frame: Buffer): void {
    const { counters, handler } = this.#host;
    const slot: Slot = {
      serial: this.#isSerial(frame),
      heldBytes: frame.length,
      held: true,
      done: false,
      chunks: null,
      responseBytes: 0,
      whenSent: undefined,
    };
    this.#slots.push(slot);
    this.#inFlightBytes += slot.heldBytes;
    this.#serialInFlight += slot.serial ? 1 : 0;
    counters.requests++;
    counters.requestsInFlight++;
    const admission: RequestAdmission = {
      release: () => this.#releaseFrame(slot),
      whenSent: (done) => {
        slot.whenSent = done;
      },
    };
    try {
      const answer = handler.handle(frame, this, admission);
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

  #complete(slot: Slot, chunks: readonly Uint8Array[] | null): void {
    this.#releaseFrame(slot);
    this.#host.counters.requestsInFlight--;
    slot.done = true;
    if (this.#gone) {
      slot.whenSent?.();
      return;
    }
    slot.chunks = chunks;
    for (const chunk of chunks ?? []) {
      slot.responseBytes += chunk.length;
    }
    this.#heldResponseBytes += slot.responseBytes;
    this.#scheduleFlush();
  }

  #releaseFrame(slot: Slot): void {
    if (slot.held) {
      this.#inFlightBytes -= slot.heldBytes;
      this.#host.memory.releaseHandling(slot.heldBytes);
      slot.held = false;
    }
  }

  #handlerFailed(slot: Slot, error: unknown): void {
    this.#releaseFrame(slot);
    this.#host.counters.requestsInFlight--;
    slot.done = true;
    if (this.#gone) {
      slot.whenSent?.();
    } else {
      this.#host.logger.warn(this.#fields({ err: error }), `Closing connection of ${this.#peer}: its request failed`);
      this.destroy();
    }
  }

  /** Responses that become ready in one turn go out together. */
  #scheduleFlush(): void {
    if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      process.nextTick(() => {
        this.#flushScheduled = false;
        this.#flush();
      });
    }
  }

  #flush(): void {
    if (this.#gone) {
      return;
    }
    const socket = this.#socket;
    const before = this.#host.counters.bytesOut;
    let last: Uint8Array | undefined;
    const sendingBefore = this.#sending.length;
    socket.cork();
    for (let slot = this.#slots[0]; slot?.done === true; slot = this.#slots[0]) {
      this.#slots.shift();
      this.#serialInFlight -= slot.serial ? 1 : 0;
      this.#heldResponseBytes -= slot.responseBytes;
      this.#host.counters.bytesOut += slot.responseBytes;
      if (slot.whenSent !== undefined) {
        this.#sending.push(slot.whenSent);
      }
      for (const chunk of slot.chunks ?? []) {
        if (last !== undefined) {
          socket.write(last);
        }
        last = chunk;
      }
    }
    const sendingCount = this.#sending.length - sendingBefore;
    if (last !== undefined) {
      socket.write(last, sendingCount === 0 ? this.#written : this.#writtenThen(sendingCount));
    } else if (sendingCount > 0) {
      for (const done of this.#sending.splice(sendingBefore)) {
        done();
      }
    }
    socket.uncork();
    if (this.#host.counters.bytesOut > before) {
      this.#activeMs = this.#host.clock.monotonic();
    }
    if (this.#closing) {
      this.#endWhenAnswered();
    } else {
      this.#pump();
    }
  }

  /** After a failed write the system may still be at it, until the socket has closed. */
  #writtenThen(sendingCount: number): (error?: Error | null) => void {
    return (error) => {
      if (error === undefined || error === null) {
        for (const done of this.#sending.splice(0, sendingCount)) {
          done();
        }
      }
      this.#written();
    };
  }

  /** After the last response the socket ends; what the client still sends is read and thrown away until it is gone. */
  #endWhenAnswered(): void {
    if (this.#slots.length === 0 && !this.#socket.writableEnded) {
      this.#socket.end(() => this.#host.connectionFlushed(this));
      this.#setReading(true);
    }
  }

  #refuseStream(): void {
    const { guess, message } = describeBadSize(this.#assembler.fault!, this.#host.limits.requestBytesMax);
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
    if (this.#gone) {
      return;
    }
    this.#gone = true;
    this.#waitingFrame = undefined;
    this.#assembler.dispose();
    this.#host.memory.stopWaiting(this.#retry);
    for (const done of this.#sending.splice(0)) {
      done();
    }
    for (const slot of this.#slots.splice(0)) {
      // Of what is still being handled it is told when that has ended.
      if (slot.done) {
        slot.whenSent?.();
      }
    }
    this.#heldResponseBytes = 0;
    this.#host.connectionGone(this);
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
    return frame.length >= 2 && this.#host.limits.serialApiKeys.has(frame.readInt16BE(0));
  }

  get #unsentBytes(): number {
    return this.#socket.writableLength + this.#heldResponseBytes;
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
