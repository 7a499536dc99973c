import type { Clock } from '@millrace/ports';
import { messageOf } from './errors.ts';

/** How long a log refuses appends after the disk was full, before it tries again. */
export const DISK_FULL_PAUSE_MS = 1000;

/** What a log is short of: room on the disk, or open files. Trying again at once would only cost a truncation each time. */
export class Shortage {
  readonly #clock: Clock;
  #cause: unknown;
  #untilMs = Number.NEGATIVE_INFINITY;
  /** When it began; undefined while nothing is short. */
  #sinceMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Appends are refused for a moment. */
  pause(cause: unknown): void {
    this.#cause = cause;
    const nowMs = this.#clock.monotonic();
    this.#sinceMs ??= nowMs;
    this.#untilMs = nowMs + DISK_FULL_PAUSE_MS;
  }

  /** How long it has lasted, with whatever was tried meanwhile. */
  get lastedMs(): number {
    return this.#sinceMs === undefined ? 0 : this.#clock.monotonic() - this.#sinceMs;
  }

  /** Something was appended. */
  isOver(): void {
    this.#sinceMs = undefined;
  }

  /** Not even going back is possible: appends are refused until a cut has come to its end. */
  lasts(cause: unknown): void {
    this.#cause = cause;
    this.#untilMs = Number.POSITIVE_INFINITY;
  }

  /** A cut has come to its end, whichever it was: there is room again. */
  cutIsDone(): void {
    if (this.#untilMs === Number.POSITIVE_INFINITY) this.#untilMs = Number.NEGATIVE_INFINITY;
  }

  /** What the system said. */
  get cause(): unknown {
    return this.#cause;
  }

  /** Why appends are refused without trying, if they are. */
  get reason(): string | undefined {
    return this.#clock.monotonic() < this.#untilMs ? messageOf(this.#cause) : undefined;
  }
}
