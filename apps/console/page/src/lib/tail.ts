/** What a live tail shows: the newest of what has come, and how many have left it. */
import type { Message, TailGap } from '../../../src/api/contract.ts';

/** Messages that a live tail keeps: older ones leave the page, not the topic. */
export const TAIL_MAX = 500;

/** A live tail so far, the newest first. */
export interface Tailed {
  readonly messages: readonly Message[];
  /** How many were shown and are not any more. */
  readonly left: number;
  /** What was not told of times without a connection: so many at most, and whether there was more that nobody knows. */
  readonly gap: { readonly records: number; readonly isKnown: boolean } | undefined;
}

/** With some more; the oldest leave where there are too many. */
export function withMore<T extends Tailed>(before: T, some: readonly Message[]): T {
  const all = [...some.toReversed(), ...before.messages];
  return { ...before, messages: all.slice(0, TAIL_MAX), left: before.left + Math.max(0, all.length - TAIL_MAX) };
}

/** With what the server does not tell of the time without a connection. */
export function withGap<T extends Tailed>(before: T, { records }: TailGap): T {
  const { gap } = before;
  return {
    ...before,
    gap: { records: (gap?.records ?? 0) + (records ?? 0), isKnown: gap?.isKnown !== false && records !== null },
  };
}

/** What has been told, so that it is told once: a tail that goes on begins with what was being told when it was cut off. */
export class Told {
  readonly #last = new Map<number, number>();
  /** Where the partitions were when the tail was cut off. */
  #before = new Map<number, number>();

  /** The connection is there again: what comes may have come before. */
  again(): void {
    this.#before = new Map(this.#last);
  }

  /** Offsets may have begun anew. */
  anew(): void {
    this.#before.clear();
    this.#last.clear();
  }

  /** Those of them that have not been told yet. */
  new(some: readonly Message[]): readonly Message[] {
    const fresh = some.filter(({ partition, offset }) => offset > (this.#before.get(partition) ?? -1));
    for (const { partition, offset } of fresh) {
      this.#last.set(partition, offset);
      this.#before.delete(partition);
    }
    return fresh;
  }
}
