import type { OutputStream } from '../io.ts';

const INTERVAL_MS = 150;
const CLEAR_LINE = '\r\x1b[K';

/** One line at the bottom of a terminal that tells how far the work is. Without a stream it does nothing. */
export class Progress {
  readonly #stream: OutputStream | undefined;
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(stream: OutputStream | undefined, text: () => string) {
    this.#stream = stream;
    if (stream === undefined) return;
    this.#timer = setInterval(() => stream.write(CLEAR_LINE + clipped(text(), stream.columns)), INTERVAL_MS);
    this.#timer.unref();
  }

  /** Removes the line. */
  stop(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#stream?.write(CLEAR_LINE);
  }
}

/** A line that wraps could not be taken back. */
function clipped(text: string, columns: number | undefined): string {
  return columns === undefined ? text : text.slice(0, Math.max(columns - 1, 0));
}
