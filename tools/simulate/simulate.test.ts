import { describe, expect, it } from 'vitest';
import { mutants } from './mutants/index.ts';
import { runSeed } from './run-seed.ts';

const SEEDS = 120;
/** A broken build has so many worlds to be caught in. */
const SEEDS_TO_CATCH = 100;

describe('the simulator', () => {
  it('finds nothing wrong in the broker as it is', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { violations } = await runSeed(seed);
      expect(violations, `pnpm simulate --seed ${seed}`).toEqual([]);
    }
  });

  it('runs a seed the same way each time', async () => {
    for (const seed of [3, 17]) expect((await runSeed(seed)).hash).toBe((await runSeed(seed)).hash);
  });

  it.each(mutants)('catches a build that is broken: $name', async (build) => {
    for (let seed = 1; seed <= SEEDS_TO_CATCH; seed++) {
      if ((await runSeed(seed, { build })).violations.length > 0) return;
    }
    expect.unreachable(`no violation within ${SEEDS_TO_CATCH} seeds`);
  });
});
