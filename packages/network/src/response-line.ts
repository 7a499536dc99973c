import type { Socket } from 'node:net';
import { runNextTick } from '@millrace/ports';
import type { RequestAdmission } from './connection-context.ts';
import type { RequestMemory } from './request-memory.ts';

/** Bytes that are given to the socket before it has sent them. More in one piece would show no progress for long. */
const WINDOW_BYTES = 2 * 1024 * 1024;

/** What a {@link Slot} asks its connection for. */
export interface SlotHost {
  releaseFrame(slot: Slot): void;
  holdDecoded(slot: Slot, bytes: number): void;
  park(slot: Slot): boolean;
  reserveResponse(slot: Slot, wantedBytes: number): number;
}

/** A request between its dispatch and the moment its response is written; its handler's admission, too. */
export class Slot implements RequestAdmission {
  readonly serial: boolean;
  readonly heldBytes: number;
  /** Whose bound the frame counts against. */
  readonly memory: RequestMemory;
  readonly #host: SlotHost;
  /** Whether the frame still counts against the bounds; an empty one does too. */
  held = true;
  /** What the decoded form counts, and whether it does so with those that wait. */
  decodedBytes = 0;
  parked = false;
  /** What the response may take, before it is there. */
  reservedBytes = 0;
  done = false;
  chunks: readonly Uint8Array[] | null = null;
  /** How much of the chunks has been given to the socket: whole ones, and bytes of the next. */
  chunksGiven = 0;
  bytesGiven = 0;
  responseBytes = 0;
  /** Who wants to know that the response has been sent. */
  sentListener: (() => void) | undefined = undefined;

  constructor(serial: boolean, heldBytes: number, memory: RequestMemory, host: SlotHost) {
    this.serial = serial;
    this.heldBytes = heldBytes;
    this.memory = memory;
    this.#host = host;
  }

  release(): void {
    this.#host.releaseFrame(this);
  }

  holdDecoded(bytes: number): void {
    this.#host.holdDecoded(this, bytes);
  }

  park(): boolean {
    return this.#host.park(this);
  }

  reserveResponse(wantedBytes: number): number {
    return this.#host.reserveResponse(this, wantedBytes);
  }

  whenSent(done: () => void): void {
    this.sentListener = done;
  }
}

/** What answers count into. */
export interface AnswerCounters {
  bytesOut: number;
}

/** What a {@link ResponseLine} tells its connection. */
export interface ResponseLineHost {
  readonly counters: AnswerCounters;
  /** Bytes have left, or nobody waits for them any more. */
  sent(bytes: number): void;
  /** What was ready has been given to the socket, as much as it takes; whether there was anything. */
  flushed(anything: boolean): void;
  /** The socket has sent what it was given. */
  written(): void;
}

/**
 * The responses of a connection on their way out, in the order of the requests, whichever is ready first.
 *
 * Responses that become ready in one turn go out together. The socket is given a few MiB at a time, so that what a client takes can
 * be seen while it takes it.
 */
export class ResponseLine {
  readonly #socket: Socket;
  readonly #host: ResponseLineHost;
  readonly #slots: Slot[] = [];
  /** Who waits for responses to leave that the socket has taken and not yet sent. */
  readonly #sending: (() => void)[] = [];
  /** Bytes of responses that are ready and not given to the socket. */
  #heldBytes = 0;
  /** Bytes that the socket was given and has not sent. */
  #givenBytes = 0;
  #serialCount = 0;
  #flushScheduled = false;
  #gone = false;

  constructor(socket: Socket, host: ResponseLineHost) {
    this.#socket = socket;
    this.#host = host;
  }

  /** Requests that are not answered. */
  get length(): number {
    return this.#slots.length;
  }

  /** Whether a request is not answered whose API allows one at a time. */
  get serialInFlight(): boolean {
    return this.#serialCount > 0;
  }

  /** Bytes that are ready and have not left the process. */
  get unsentBytes(): number {
    return this.#socket.writableLength + this.#heldBytes;
  }

  begin(slot: Slot): void {
    this.#slots.push(slot);
    this.#serialCount += slot.serial ? 1 : 0;
  }

  complete(slot: Slot, chunks: readonly Uint8Array[] | null): void {
    slot.done = true;
    if (this.#gone) {
      slot.sentListener?.();
      return;
    }
    slot.chunks = chunks;
    for (const chunk of chunks ?? []) {
      slot.responseBytes += chunk.length;
    }
    this.#heldBytes += slot.responseBytes;
    this.scheduleFlush();
  }

  /** Ends a request that has no answer, because its handler failed. */
  fail(slot: Slot): void {
    slot.done = true;
    if (this.#gone) slot.sentListener?.();
  }

  scheduleFlush(): void {
    if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      runNextTick(() => {
        this.#flushScheduled = false;
        if (!this.#gone) this.#flush();
      });
    }
  }

  /** Nobody takes responses any more. */
  close(): void {
    this.#gone = true;
    for (const done of this.#sending.splice(0)) {
      done();
    }
    const unsentBytes = this.#heldBytes + this.#givenBytes;
    for (const slot of this.#slots.splice(0)) {
      // Of what is still being handled it is told when that has ended.
      if (slot.done) slot.sentListener?.();
    }
    this.#heldBytes = 0;
    this.#givenBytes = 0;
    this.#host.sent(unsentBytes);
  }

  #flush(): void {
    const socket = this.#socket;
    const sendingBefore = this.#sending.length;
    const before = this.#givenBytes;
    let last: Uint8Array | undefined;
    socket.cork();
    for (let slot = this.#slots[0]; slot?.done === true; slot = this.#slots[0]) {
      for (let chunk = this.#nextPiece(slot); chunk !== undefined; chunk = this.#nextPiece(slot)) {
        if (last !== undefined) socket.write(last);
        last = chunk;
      }
      if (slot.chunksGiven < (slot.chunks?.length ?? 0)) break;
      this.#slots.shift();
      this.#serialCount -= slot.serial ? 1 : 0;
      if (slot.sentListener !== undefined) this.#sending.push(slot.sentListener);
    }
    const sendingCount = this.#sending.length - sendingBefore;
    if (last !== undefined) {
      const givenBytes = this.#givenBytes - before;
      this.#host.counters.bytesOut += givenBytes;
      socket.write(last, this.#writtenThen(sendingCount, givenBytes));
    } else if (sendingCount > 0) {
      for (const done of this.#sending.splice(sendingBefore)) done();
    }
    socket.uncork();
    this.#host.flushed(last !== undefined);
  }

  /** The next bytes of a response that the socket may have now. */
  #nextPiece(slot: Slot): Uint8Array | undefined {
    const room = WINDOW_BYTES - this.#givenBytes;
    const chunk = slot.chunks?.[slot.chunksGiven];
    if (chunk === undefined || room <= 0) return undefined;
    const from = slot.bytesGiven;
    const end = Math.min(chunk.length, from + room);
    this.#givenBytes += end - from;
    this.#heldBytes -= end - from;
    if (end < chunk.length) {
      slot.bytesGiven = end;
      return chunk.subarray(from, end);
    }
    slot.chunksGiven += 1;
    slot.bytesGiven = 0;
    return from === 0 ? chunk : chunk.subarray(from);
  }

  /** After a failed write the system may still be at it, until the socket has closed. */
  #writtenThen(sendingCount: number, givenBytes: number): (error?: Error | null) => void {
    return (error) => {
      if (this.#gone || (error !== undefined && error !== null)) return;
      for (const done of this.#sending.splice(0, sendingCount)) done();
      this.#givenBytes -= givenBytes;
      this.#host.sent(givenBytes);
      this.#host.written();
      if (this.#slots[0]?.done === true) this.scheduleFlush();
    };
  }
}
