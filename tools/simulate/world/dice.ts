import { type Random, seededRandom } from '@millrace/ports';

/** Chance from one seed. Each part of a world has dice of its own, so that a change in one leaves the others' throws alone. */
export class Dice implements Random {
  readonly #random: Random;
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = seededRandom(seed);
  }

  /** Dice for a part of what these are for. */
  for(part: string): Dice {
    let hash = this.#seed | 0;
    for (let at = 0; at < part.length; at += 1) hash = Math.imul(hash ^ part.charCodeAt(at), 0x01000193) + 0x9e3779b9;
    return new Dice(hash);
  }

  nextInt(bound: number): number {
    return this.#random.nextInt(bound);
  }

  bytes(length: number): Uint8Array {
    return this.#random.bytes(length);
  }

  /** From `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.nextInt(high - low + 1);
  }

  /** A time from `low` to `high`, in steps of a thousandth: events seldom fall on the same instant. */
  time(lowMs: number, highMs: number): number {
    return lowMs + this.nextInt(Math.max(Math.round((highMs - lowMs) * 1000), 1)) / 1000;
  }

  /** True with a probability of `percent`. */
  chance(percent: number): boolean {
    return this.nextInt(10_000) < percent * 100;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.nextInt(choices.length)]!;
  }
}
