/** Why reading ended before the topic or the number of records did. */
export type EndReason = 'interrupt' | 'end' | 'idle' | 'reader-gone';

/** What may end reading. */
export interface ReadingEndOptions {
  readonly onInterrupt: (listener: () => void) => () => void;
  /** Asked now and then; without it only records and signals end reading. */
  readonly hasReachedEnd?: (() => boolean) | undefined;
  /** Reading ends when no record comes for so long. */
  readonly idleMs?: number | undefined;
}

/** How often it is looked whether the end has been reached without a record to tell it. */
const END_CHECK_MS = 50;

/** Tells when reading is to end: at Ctrl-C, at the end of what there was, when nothing comes any more, or when nobody reads on. */
export class ReadingEnd {
  #reason: EndReason | undefined;
  #signal: (value: 'ended') => void = () => {};
  readonly #hasReachedEnd: (() => boolean) | undefined;
  readonly #endCheck: NodeJS.Timeout | undefined;
  readonly #idle: NodeJS.Timeout | undefined;
  readonly #offInterrupt: () => void;

  constructor({ onInterrupt, hasReachedEnd, idleMs }: ReadingEndOptions) {
    this.#hasReachedEnd = hasReachedEnd;
    this.#offInterrupt = onInterrupt(() => this.#end('interrupt'));
    if (hasReachedEnd !== undefined) this.#endCheck = setInterval(() => this.#checkEnd(), END_CHECK_MS);
    if (idleMs !== undefined) this.#idle = setTimeout(() => this.#end('idle'), idleMs);
  }

  get reason(): EndReason | undefined {
    return this.#reason;
  }

  /** What comes of a promise, or the news that reading is to end, whichever comes first. */
  orEnded<T>(promise: Promise<T>): Promise<T | 'ended'> {
    if (this.#reason !== undefined) return Promise.resolve('ended');
    // Promise.race with one promise for the end would gather a listener there with every batch.
    return new Promise((resolve, reject) => {
      this.#signal = resolve;
      promise.then(resolve, reject);
    });
  }

  /** Told when records have come. */
  progressed(): void {
    this.#idle?.refresh();
    this.#checkEnd();
  }

  /** Told when nobody reads any more what is printed. */
  readerGone(): void {
    this.#end('reader-gone');
  }

  /** Lets go of timers and signals. */
  release(): void {
    this.#offInterrupt();
    clearInterval(this.#endCheck);
    clearTimeout(this.#idle);
  }

  #checkEnd(): void {
    if (this.#hasReachedEnd?.() === true) this.#end('end');
  }

  #end(reason: EndReason): void {
    this.#reason ??= reason;
    this.#signal('ended');
  }
}
