/** Permits that come back at a rate, up to a burst; as many as one likes may be taken while there are any (KIP-599, `TokenBucket`). */
export class TokenBucket {
  readonly #burstMs: number;
  #tokens = Number.POSITIVE_INFINITY;
  #filledMs: number;

  constructor(burstMs: number, nowMs: number) {
    this.#burstMs = burstMs;
    this.#filledMs = nowMs;
  }

  take(permits: number, perSecond: number, nowMs: number): void {
    this.#fill(perSecond, nowMs);
    this.#tokens -= permits;
  }

  /** How long it takes until nothing is owed any more. */
  owedMs(perSecond: number, nowMs: number): number {
    this.#fill(perSecond, nowMs);
    return this.#tokens >= 0 ? 0 : Math.round((-this.#tokens * 1000) / perSecond);
  }

  /** It is full to begin with, and never fuller than the rate allows now. */
  #fill(perSecond: number, nowMs: number): void {
    const burst = (perSecond * this.#burstMs) / 1000;
    this.#tokens = Math.min(burst, this.#tokens + (perSecond * (nowMs - this.#filledMs)) / 1000);
    this.#filledMs = nowMs;
  }
}
