import { runNextTick } from '@millrace/ports';

/** What {@link RequestMemory.stats} tells. */
export interface RequestMemoryStats {
  /** Bytes of frames that have begun to arrive and are not whole yet. */
  readonly assemblingBytes: number;
  /** Bytes of requests that handlers hold, and what their decoded form takes beside them. */
  readonly handlingBytes: number;
  /** Requests that handlers hold. */
  readonly handlingRequests: number;
  /** What the decoded form of requests takes that wait for something else than the broker's own work. */
  readonly parkedBytes: number;
  /** Connections that stand still until memory is given back. */
  readonly waitingConnections: number;
  /** Connections that were closed because memory was short and their frames made no progress. */
  readonly evictedConnections: number;
}

/** Who puts a frame together: one connection. */
export interface FrameHolder {
  /** Milliseconds since the peer last sent anything of the frame; 0 while it is held back itself. */
  stalledMs(): number;
  /** Gives up the frame and everything that was taken for it. */
  evict(reason: string): void;
}

/** The default bound of {@link RequestMemory}: 256 MiB. */
export const QUEUED_REQUEST_BYTES_MAX: number = 256 * 1024 * 1024;
/** The default bound of {@link RequestMemory} on the number of requests: 500, as Kafka's `queued.max.requests`. */
export const QUEUED_REQUESTS_MAX = 500;
/** A frame that nothing came of for so long loses its place when others wait for memory. */
export const FRAME_STALLED_MS_MAX = 2_000;

/** What requests that wait for others (long polls) may hold of the bound. */
const PARKED_SHARE = 1 / 4;
/** While memory is short, a holder may still have its fair share, until all together have twice the bound. */
const FAIR_OVERRUN = 2;

/**
 * The bounds on requests over all connections that share it: their bytes (Kafka: `queued.max.request.bytes`) and how many are
 * in handlers at once (`queued.max.requests`). A request that a handler has released, a long poll say, counts no more.
 *
 * Unfinished frames and requests in handlers are counted apart, each against the bound. Handlers always finish, so what
 * waits for them moves on; unfinished frames may stall, and must not keep whole requests from being handled, nor one another:
 *
 * - Beyond the bound everybody may still have its fair share of it, until all together have twice the bound.
 * - One at a time may go on beyond that until its frame is whole, so that frames which all are honest cannot block each other.
 * - A frame that makes no progress loses its place, with its connection, as soon as another one waits.
 */
export class RequestMemory {
  readonly bytesMax: number;
  readonly requestsMax: number;
  #assemblingBytes = 0;
  #handlingBytes = 0;
  #handlingCount = 0;
  #parkedBytes = 0;
  #evicted = 0;
  #overrunHolder: FrameHolder | undefined;
  readonly #holders = new Map<FrameHolder, number>();
  readonly #waitingToAssemble = new Set<() => void>();
  readonly #waitingToHandle = new Set<() => void>();
  #wakeScheduled = false;

  /**
   * @param bytesMax Bytes of requests held at once. Default 256 MiB.
   * @param requestsMax Requests in handlers at once. Default 500.
   */
  constructor(bytesMax: number = QUEUED_REQUEST_BYTES_MAX, requestsMax: number = QUEUED_REQUESTS_MAX) {
    this.bytesMax = bytesMax;
    this.requestsMax = requestsMax;
  }

  /** Takes bytes of an unfinished frame; false while there is no room for them. */
  takeAssembling(bytes: number, holder: FrameHolder): boolean {
    const held = this.#holders.get(holder) ?? 0;
    if (this.#assemblingBytes + bytes > this.bytesMax && !this.#mayOverrun(held + bytes, bytes, holder)) {
      this.#evictStalled();
      if (this.#assemblingBytes + bytes > this.bytesMax) return false;
    }
    this.#assemblingBytes += bytes;
    this.#holders.set(holder, held + bytes);
    return true;
  }

  releaseAssembling(bytes: number, holder: FrameHolder): void {
    this.#assemblingBytes -= bytes;
    const left = (this.#holders.get(holder) ?? 0) - bytes;
    if (left > 0) this.#holders.set(holder, left);
    else this.#holders.delete(holder);
    if (this.#overrunHolder === holder) this.#overrunHolder = undefined;
    this.#scheduleWake();
  }

  /** Takes a whole request's bytes; false while the bound is reached. */
  takeHandling(bytes: number): boolean {
    if (!this.#hasRoomToHandle) return false;
    this.#handlingBytes += bytes;
    this.#handlingCount += 1;
    return true;
  }

  releaseHandling(bytes: number): void {
    this.#handlingBytes -= bytes;
    this.#handlingCount -= 1;
    this.#scheduleWake();
  }

  /** Counts what a request's decoded form takes. It is there already, so it may go over the bound by one request's worth. */
  holdDecoded(bytes: number): void {
    this.#handlingBytes += bytes;
  }

  releaseDecoded(bytes: number): void {
    this.#handlingBytes -= bytes;
    this.#scheduleWake();
  }

  /** Lets a request wait with its decoded form, which then counts with those that wait; false if these have their share. */
  park(bytes: number): boolean {
    if (bytes > 0 && this.#parkedBytes + bytes > this.bytesMax * PARKED_SHARE) return false;
    this.#parkedBytes += bytes;
    this.releaseDecoded(bytes);
    return true;
  }

  releaseParked(bytes: number): void {
    this.#parkedBytes -= bytes;
  }

  /** Calls `retry` once when there may be room again; those that wait longest come first. */
  wait(what: 'assemble' | 'handle', retry: () => void): void {
    (what === 'assemble' ? this.#waitingToAssemble : this.#waitingToHandle).add(retry);
  }

  stopWaiting(retry: () => void): void {
    this.#waitingToAssemble.delete(retry);
    this.#waitingToHandle.delete(retry);
  }

  /** Takes their place from frames that make no progress, the largest first, if others wait for it. Called now and then. */
  sweep(): void {
    if (this.#waitingToAssemble.size > 0) this.#evictStalled();
  }

  #evictStalled(): void {
    const stalled = Array.from(this.#holders).filter(([holder]) => holder.stalledMs() >= FRAME_STALLED_MS_MAX);
    stalled.sort(([, a], [, b]) => b - a);
    for (const [holder, bytes] of stalled) {
      if (this.#assemblingBytes < this.bytesMax / 2) return;
      this.#evicted += 1;
      holder.evict(`the ${bytes} bytes of its request stand still, and others wait for memory`);
    }
  }

  stats(): RequestMemoryStats {
    return {
      assemblingBytes: this.#assemblingBytes,
      handlingBytes: this.#handlingBytes,
      handlingRequests: this.#handlingCount,
      parkedBytes: this.#parkedBytes,
      waitingConnections: this.#waitingToAssemble.size + this.#waitingToHandle.size,
      evictedConnections: this.#evicted,
    };
  }

  #mayOverrun(heldBytes: number, bytes: number, holder: FrameHolder): boolean {
    const others = this.#holders.has(holder) ? this.#holders.size : this.#holders.size + 1;
    const isShare = heldBytes * others <= this.bytesMax;
    if (isShare && this.#assemblingBytes + bytes <= this.bytesMax * FAIR_OVERRUN) return true;
    this.#overrunHolder ??= holder;
    return this.#overrunHolder === holder;
  }

  get #hasRoomToHandle(): boolean {
    return this.#handlingBytes < this.bytesMax && this.#handlingCount < this.requestsMax;
  }

  /** Waking on the next tick keeps one connection's release from running another's work inside it. */
  #scheduleWake(): void {
    if (!this.#wakeScheduled && this.#waitingToAssemble.size + this.#waitingToHandle.size > 0) {
      this.#wakeScheduled = true;
      runNextTick(() => {
        this.#wakeScheduled = false;
        wakeWhile(this.#waitingToHandle, () => this.#hasRoomToHandle);
        wakeWhile(
          this.#waitingToAssemble,
          () => this.#assemblingBytes < this.bytesMax || this.#overrunHolder === undefined,
        );
      });
    }
  }
}

/** Wakes those that wait now, each at most once, as long as there is room. */
export function wakeWhile(waiting: Set<() => void>, hasRoom: () => boolean): void {
  for (let left = waiting.size; left > 0 && hasRoom(); left -= 1) {
    const [retry] = waiting;
    if (retry === undefined) return;
    waiting.delete(retry);
    retry();
  }
}
