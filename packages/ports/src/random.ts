import { randomFillSync } from 'node:crypto';

/** Randomness as the core sees it, so that a run can be repeated from one seed. */
export interface Random {
  /** An integer from 0 up to, but not including, `bound` (1 to 2^31 - 1). */
  nextInt(bound: number): number;
  /** `length` random bytes; used for UUIDs and member ids. */
  bytes(length: number): Uint8Array;
}

/** The machine's cryptographic randomness. */
export const systemRandom: Random = {
  nextInt(bound) {
    return Math.floor(Math.random() * bound);
  },
  bytes(length) {
    return randomFillSync(new Uint8Array(length));
  },
};

/** A repeatable sequence from a 32-bit seed (mulberry32); for tests and simulation, not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  const nextUint32 = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    nextInt: (bound) => Math.floor((nextUint32() / 2 ** 32) * bound),
    bytes: (length) => Uint8Array.from({ length }, () => nextUint32() & 0xff),
  };
}
