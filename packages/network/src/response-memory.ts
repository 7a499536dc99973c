import { runNextTick } from '@millrace/ports';
import { wakeWhile } from './request-memory.ts';

/** What {@link ResponseMemory.stats} tells. */
export interface ResponseMemoryStats {
  /** Bytes of responses that are being read or that clients have not taken. */
  readonly unsentBytes: number;
  /** Connections whose requests wait until others have taken their responses. */
  readonly waitingConnections: number;
  /** Connections that were closed because memory was short and they did not take their responses. */
  readonly evictedConnections: number;
}

/** Whose responses are counted: one connection. */
export interface ResponseHolder {
  /** What is counted for it; only {@link ResponseMemory} changes it. */
  responseBytes: number;
  /** Milliseconds since the peer last took anything of what waits for it; 0 when nothing does. */
  unreadMs(): number;
  /** Gives up the responses, with the connection. */
  evict(reason: string): void;
}

/** The default bound of {@link ResponseMemory}: 256 MiB. */
export const QUEUED_RESPONSE_BYTES_MAX: number = 256 * 1024 * 1024;
/** A client that took nothing for so long loses its responses when others wait for memory, if it holds more than its share. */
export const RESPONSE_UNREAD_MS_MAX = 2_000;

/** Who holds less is not looked at one by one: most responses are small, and gone at once. */
const NOTED_BYTES_MIN = 64 * 1024;

/** What a large response may have at least, however short memory is. */
const GRANT_BYTES_MIN = 64 * 1024;
/** Up to so many times the bound everybody may have a fair share of it. */
const FAIR_OVERRUN = 2;
/** Up to so many times the bound large responses may be begun, with the least that is granted. */
const LARGE_OVERRUN = 3;
/** Beyond so many times the bound nothing is answered before others have taken their responses. */
const SMALL_OVERRUN = 4;

/**
 * The bound on responses over all connections that share it: those that clients have not taken yet, and those that are being
 * read from disk. A client that asks and never reads has its responses for as long as nobody misses the memory.
 *
 * Who answers with much (Fetch) asks first how much it may be. Up to the bound that is all; beyond it everybody's fair share,
 * then the least that makes progress; then large responses wait. Small ones go on longer, so that heartbeats are answered.
 */
export class ResponseMemory {
  readonly bytesMax: number;
  #unsentBytes = 0;
  #evicted = 0;
  /** Those that hold more than a little. */
  readonly #holders = new Set<ResponseHolder>();
  readonly #waiting = new Set<() => void>();
  #wakeScheduled = false;

  /** @param bytesMax Bytes of responses held at once. Default 256 MiB. */
  constructor(bytesMax: number = QUEUED_RESPONSE_BYTES_MAX) {
    this.bytesMax = bytesMax;
  }

  /** Whether a request may be started whose response is large, or probably small. */
  mayStart(large: boolean): boolean {
    return this.#unsentBytes < this.bytesMax * (large ? LARGE_OVERRUN : SMALL_OVERRUN);
  }

  /** How many bytes of response somebody may have now who would like so many. */
  grant(wantedBytes: number, holder: ResponseHolder): number {
    const freeBytes = this.bytesMax - this.#unsentBytes;
    if (wantedBytes <= freeBytes) return wantedBytes;
    const holders = this.#holders.size + 1;
    const isFair = this.#unsentBytes < this.bytesMax * FAIR_OVERRUN;
    const shareBytes = isFair ? Math.floor(this.bytesMax / holders) - holder.responseBytes : 0;
    return Math.min(wantedBytes, Math.max(freeBytes, shareBytes, GRANT_BYTES_MIN));
  }

  /** Counts bytes of a response that has been granted or is ready. */
  take(bytes: number, holder: ResponseHolder): void {
    this.#unsentBytes += bytes;
    const before = holder.responseBytes;
    holder.responseBytes = before + bytes;
    if (before < NOTED_BYTES_MIN && before + bytes >= NOTED_BYTES_MIN) this.#holders.add(holder);
  }

  release(bytes: number, holder: ResponseHolder): void {
    if (bytes === 0) return;
    this.#unsentBytes -= bytes;
    const before = holder.responseBytes;
    holder.responseBytes = before - bytes;
    if (before >= NOTED_BYTES_MIN && before - bytes < NOTED_BYTES_MIN) this.#holders.delete(holder);
    if (this.#waiting.size > 0) this.#scheduleWake();
  }

  /** Calls `retry` once when there may be room again. */
  wait(retry: () => void): void {
    this.#waiting.add(retry);
    this.#evictUnread();
  }

  stopWaiting(retry: () => void): void {
    this.#waiting.delete(retry);
  }

  /** Takes their responses from clients that do not read, the largest first, if others wait. Called now and then. */
  sweep(): void {
    if (this.#waiting.size > 0) this.#evictUnread();
  }

  stats(): ResponseMemoryStats {
    return {
      unsentBytes: this.#unsentBytes,
      waitingConnections: this.#waiting.size,
      evictedConnections: this.#evicted,
    };
  }

  #evictUnread(): void {
    const shareBytes = this.bytesMax / this.#holders.size;
    const unread = Array.from(this.#holders).filter(
      (holder) => holder.responseBytes >= shareBytes && holder.unreadMs() >= RESPONSE_UNREAD_MS_MAX,
    );
    unread.sort((a, b) => b.responseBytes - a.responseBytes);
    for (const holder of unread) {
      if (this.#unsentBytes < this.bytesMax) return;
      this.#evicted += 1;
      holder.evict(`it does not take the ${holder.responseBytes} bytes of its responses, and others wait for memory`);
    }
  }

  #scheduleWake(): void {
    if (this.#wakeScheduled || this.#waiting.size === 0) return;
    this.#wakeScheduled = true;
    runNextTick(() => {
      this.#wakeScheduled = false;
      wakeWhile(this.#waiting, () => this.mayStart(true));
    });
  }
}
