import type { Socket } from 'node:net';

/**
 * Sends what is written to a socket until the code that runs has run, with the promises that it has settled, as one piece: each write by itself is a
 * call of the system, which costs more than the encoding of what is in it.
 */
export class GatheredWrites {
  readonly #socket: Socket;
  #isGathering = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  write(frame: Buffer): void {
    if (!this.#isGathering) {
      this.#isGathering = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#isGathering = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(frame);
  }
}
