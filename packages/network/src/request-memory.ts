import type { AssemblyMemory } from './frame-assembler.ts';

/** What {@link RequestMemory.stats} tells. */
export interface RequestMemoryStats {
  /** Bytes of frames that have begun to arrive and are not whole yet. */
  readonly assemblingBytes: number;
  /** Bytes of requests that handlers hold. */
  readonly handlingBytes: number;
  /** Requests that handlers hold. */
  readonly handlingRequests: number;
  /** Connections that stand still until memory is given back. */
  readonly waitingConnections: number;
}

/** The default bound of {@link RequestMemory}: 256 MiB. */
export const QUEUED_REQUEST_BYTES_MAX: number = 256 * 1024 * 1024;
/** The default bound of {@link RequestMemory} on the number of requests: 500, as Kafka's `queued.max.requests`. */
export const QUEUED_REQUESTS_MAX = 500;

/**
 * The bounds on requests over all connections that share it: their bytes (Kafka: `queued.max.request.bytes`) and how many are
 * in handlers at once (`queued.max.requests`). A request that a handler has released, a long poll say, counts no more.
 *
 * Unfinished frames and requests in handlers are counted apart, each against the bound. Handlers always finish, so what
 * waits for them moves on; unfinished frames may stall, and must not keep whole requests from being handled. So that
 * unfinished frames cannot block one another for good, one of them at a time may go over the bound until it is whole or
 * its connection is gone. What is held is thus at most twice `bytesMax` plus the two largest requests.
 */
export class RequestMemory implements AssemblyMemory {
  readonly bytesMax: number;
  readonly requestsMax: number;
  #assemblingBytes = 0;
  #handlingBytes = 0;
  #handlingCount = 0;
  #overrunHolder: object | undefined;
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

  /** Takes bytes of an unfinished frame; false while the bound is reached. */
  takeAssembling(bytes: number, holder: object): boolean {
    if (this.#assemblingBytes + bytes > this.bytesMax) {
      this.#overrunHolder ??= holder;
      if (this.#overrunHolder !== holder) {
        return false;
      }
    }
    this.#assemblingBytes += bytes;
    return true;
  }

  releaseAssembling(bytes: number, holder: object): void {
    this.#assemblingBytes -= bytes;
    if (this.#overrunHolder === holder) {
      this.#overrunHolder = undefined;
    }
    this.#scheduleWake();
  }

  /** Takes a whole request's bytes; false while the bound is reached. */
  takeHandling(bytes: number): boolean {
    if (!this.#hasRoomToHandle) {
      return false;
    }
    this.#handlingBytes += bytes;
    this.#handlingCount += 1;
    return true;
  }

  releaseHandling(bytes: number): void {
    this.#handlingBytes -= bytes;
    this.#handlingCount -= 1;
    this.#scheduleWake();
  }

  /** Calls `retry` once when there may be room again; those that wait longest come first. */
  wait(what: 'assemble' | 'handle', retry: () => void): void {
    (what === 'assemble' ? this.#waitingToAssemble : this.#waitingToHandle).add(retry);
  }

  stopWaiting(retry: () => void): void {
    this.#waitingToAssemble.delete(retry);
    this.#waitingToHandle.delete(retry);
  }

  stats(): RequestMemoryStats {
    return {
      assemblingBytes: this.#assemblingBytes,
      handlingBytes: this.#handlingBytes,
      handlingRequests: this.#handlingCount,
      waitingConnections: this.#waitingToAssemble.size + this.#waitingToHandle.size,
    };
  }

  get #hasRoomToHandle(): boolean {
    return this.#handlingBytes < this.bytesMax && this.#handlingCount < this.requestsMax;
  }

  /** Waking on the next tick keeps one connection's release from running another's work inside it. */
  #scheduleWake(): void {
    if (!this.#wakeScheduled && this.#waitingToAssemble.size + this.#waitingToHandle.size > 0) {
      this.#wakeScheduled = true;
      process.nextTick(() => {
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
function wakeWhile(waiting: Set<() => void>, hasRoom: () => boolean): void {
  for (let left = waiting.size; left > 0 && hasRoom(); left--) {
    const [retry] = waiting;
    if (retry === undefined) {
      return;
    }
    waiting.delete(retry);
    retry();
  }
}
