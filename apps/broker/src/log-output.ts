import type { Writable } from 'node:stream';

/** Lines that whoever reads the log has not taken yet; beyond it they are left out. */
export const LOG_BYTES_MAX: number = 1024 * 1024;

/**
 * Where lines of the log go: a pipe that is full takes them later, and never holds up the broker. Reading the log is somebody else's work
 * (a container's, a journal's, a terminal's), and what is slow there must not be felt by clients. How many lines were left out is handed to
 * `sayLeftOut` as soon as there is room again.
 */
export class LogOutput {
  /** Set once the logger that writes here is there. */
  sayLeftOut: (lines: number) => void = () => {};
  readonly #stream: Writable;
  readonly #bytesMax: number;
  #leftOut = 0;
  #isBroken = false;

  constructor(stream: Writable, bytesMax: number = LOG_BYTES_MAX) {
    this.#stream = stream;
    this.#bytesMax = bytesMax;
    stream.on('error', () => {
      // Nobody reads any more. A broker goes on without its log.
      this.#isBroken = true;
    });
    stream.on('drain', () => {
      const leftOut = this.#leftOut;
      this.#leftOut = 0;
      if (leftOut > 0) this.sayLeftOut(leftOut);
    });
  }

  /** Takes a line with its end. What the stream can take at once has been written when this returns. */
  write(line: string): void {
    if (this.#isBroken) return;
    if (this.#stream.writableLength > this.#bytesMax) {
      this.#leftOut += 1;
      return;
    }
    this.#stream.write(line);
  }
}
