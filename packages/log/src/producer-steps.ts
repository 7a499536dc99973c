import type { ProducerEntry } from './producer-entry.ts';

/** Bytes that the steps of one log may take. */
export const PRODUCER_STEPS_BYTES_MAX = 256 * 1024;
/** What one takes: the copy of a producer with its list of batches, and the oldest of these. */
const STEP_BYTES = 256;
const STEPS_MAX = PRODUCER_STEPS_BYTES_MAX / STEP_BYTES;

/** What a batch that was noted has changed. */
export interface ProducerStep {
  /** The batch's base offset. */
  readonly offset: number;
  readonly producerId: number;
  /** Its producer as it was; undefined when it was not known. */
  readonly before: ProducerEntry | undefined;
}

/**
 * The changes of producer state that may have to be taken back: those of batches that are not committed yet. A follower whose leader
 * changes is ahead of the new one by just those, and its log is cut while producers wait.
 */
export class ProducerSteps {
  readonly #steps: ProducerStep[] = [];
  /** Those before it are forgotten. */
  #first = 0;
  /** The lowest offset to which the steps lead back. */
  #floor = 0;

  note(step: ProducerStep): void {
    this.#steps.push(step);
    if (this.#steps.length - this.#first > STEPS_MAX) this.#forgetFirst();
  }

  /** Forgets the steps of batches that begin below an offset: nobody goes back there. */
  forgetBelow(offset: number): void {
    while (this.#first < this.#steps.length && this.#steps[this.#first]!.offset < offset) this.#forgetFirst();
  }

  /** Forgets all: what is known at `offset` was not noted step by step. */
  beginAt(offset: number): void {
    this.#steps.length = 0;
    this.#first = 0;
    this.#floor = offset;
  }

  leadBackTo(offset: number): boolean {
    return offset >= this.#floor;
  }

  /** Takes the newest step away, if its batch begins at or behind an offset. */
  popFrom(offset: number): ProducerStep | undefined {
    const last = this.#steps.length > this.#first ? this.#steps.at(-1) : undefined;
    if (last === undefined || last.offset < offset) return undefined;
    return this.#steps.pop();
  }

  #forgetFirst(): void {
    this.#floor = this.#steps[this.#first]!.offset + 1;
    this.#first += 1;
    if (this.#first * 2 < this.#steps.length) return;
    this.#steps.splice(0, this.#first);
    this.#first = 0;
  }
}
