/**
 * What a process hears of the world comes through here, so that it can be paused as SIGSTOP pauses it: timers, answers and
 * frames that come meanwhile wait, in their order, until it goes on. Once it is closed for good, nothing comes through any more.
 */
export class Gate {
  #held: (() => void)[] | undefined;
  #isClosed = false;

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get isPaused(): boolean {
    return this.#held !== undefined;
  }

  /** Runs `run` now, when the process goes on, or never. */
  pass(run: () => void): void {
    if (this.#isClosed) return;
    if (this.#held === undefined) run();
    else this.#held.push(run);
  }

  pause(): void {
    this.#held ??= [];
  }

  /** What was held comes now. */
  resume(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const run of held) this.pass(run);
  }

  /** The process is dead. */
  close(): void {
    this.#isClosed = true;
    this.#held = undefined;
  }
}
