import type { Clock, Timer } from '@millrace/ports';

/** So long a program without a logger waits for its first broker in silence, in milliseconds. */
const SILENCE_MS = 1_000;
/** A broker that stops hangs up on what it is asked first as well; one that does so again and again wants something else. */
const HANG_UPS_MAX = 3;

/**
 * For programs that gave no logger: a broker that is not there would show only when the time of what they asked for is over, a minute
 * later. So it is told once, as a warning of Node's (standard error, `process.on('warning')`), if the first one is not reached soon.
 */
export class SilentStart {
  readonly #clock: Clock;
  #isOver = false;
  #fault = '';
  #hangUps = 0;
  #timer: Timer | undefined;

  /** @param hasLogger Whether somebody is told in any case. */
  constructor(clock: Clock, hasLogger: boolean) {
    this.#clock = clock;
    this.#isOver = hasLogger;
  }

  /** A broker was not reached, and will be tried again. */
  failed(fault: string): void {
    if (this.#isOver) return;
    this.#fault = fault;
    this.#timer ??= this.#clock.schedule(SILENCE_MS, () => this.#tell());
  }

  /** A broker is connected; whether it answers what it is asked is to be seen. */
  connected(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** A broker has hung up on the first thing that it was asked, which will be asked again. */
  hungUp(fault: string): void {
    if (this.#isOver) return;
    this.#fault = fault;
    this.#hangUps += 1;
    if (this.#hangUps >= HANG_UPS_MAX) this.#tell();
  }

  /** There is nothing to be told any more: a broker has answered, or nobody waits for one. */
  end(): void {
    this.#isOver = true;
    this.#timer?.cancel();
  }

  #tell(): void {
    this.end();
    process.emitWarning(
      `${this.#fault}${this.#fault.endsWith('?') ? '' : '.'} It is tried again until it is there; the option logger (console, pino) has the rest told`,
      {
        type: 'MillraceWarning',
        code: 'MILLRACE_BROKER_UNREACHABLE',
      },
    );
  }
}
