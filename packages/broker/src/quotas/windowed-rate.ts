interface Window {
  readonly startMs: number;
  sum: number;
}

/** A rate over the last windows and the one that is under way, as Kafka takes it (`SampledStat`, `Rate`). */
export class WindowedRate {
  readonly #windows: Window[] = [];
  readonly #count: number;
  readonly #windowMs: number;

  constructor(count: number, windowMs: number) {
    this.#count = count;
    this.#windowMs = windowMs;
  }

  record(value: number, nowMs: number): void {
    this.#forgetOld(nowMs);
    const newest = this.#windows.at(-1);
    if (newest !== undefined && nowMs - newest.startMs < this.#windowMs) newest.sum += value;
    else this.#windows.push({ startMs: nowMs, sum: value });
  }

  /** Whether anything was counted lately. */
  isEmpty(nowMs: number): boolean {
    this.#forgetOld(nowMs);
    return this.#windows.every(({ sum }) => sum <= 0);
  }

  /** For how long nothing may come, so that what came is no more than a limit a second; 0 where it is none. */
  throttleMs(limitPerSecond: number, nowMs: number): number {
    this.#forgetOld(nowMs);
    const [oldest] = this.#windows;
    if (oldest === undefined) return 0;
    const sum = this.#windows.reduce((all, window) => all + window.sum, 0);
    const spanMs = this.#spanMs(nowMs - oldest.startMs);
    const allowed = (limitPerSecond * spanMs) / 1000;
    if (sum <= allowed) return 0;
    return Math.round(((sum - allowed) * 1000) / limitPerSecond);
  }

  /** Windows that there have not been yet count as empty ones. */
  #spanMs(elapsedMs: number): number {
    const missing = this.#count - 1 - Math.trunc(elapsedMs / this.#windowMs);
    return Math.max(missing > 0 ? elapsedMs + missing * this.#windowMs : elapsedMs, 1);
  }

  #forgetOld(nowMs: number): void {
    const sinceMs = nowMs - this.#count * this.#windowMs;
    while (this.#windows[0] !== undefined && this.#windows[0].startMs <= sinceMs) this.#windows.shift();
  }
}
