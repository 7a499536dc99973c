import { describe, expect, it } from 'vitest';
import { runCampaign } from '../campaign.ts';
import type { Anomaly } from '../checker/violation.ts';
import { runSeed } from '../run-seed.ts';
import { mutants } from './index.ts';

/** A mutant must be caught within this many seeds. */
const MUTANT_SEEDS = 400;
/** One of replication or of the controller by its rule, within this many. */
const RULED_MUTANT_SEEDS = 60;
/** Each takes seconds, if the machine has them to give. */
const MUTANT_MS_MAX = 240_000;

const CAMPAIGN = {
  length: 1,
  faults: undefined,
  jobs: 1,
  keepsGoing: false,
  seconds: undefined,
  from: 1,
  seeds: MUTANT_SEEDS,
} as const;

describe('a broker that is broken on purpose', () => {
  const ruled = mutants.filter(({ rule }) => rule !== undefined);
  const others = mutants.filter(({ rule }) => rule === undefined);

  it.each(others.map(({ name, what, brokers = 1 }) => [name, what, brokers] as const))(
    'is caught: %s (%s)',
    async (buildName, _, brokers) => {
      const { failures } = await runCampaign({ ...CAMPAIGN, brokers, buildName });
      expect(failures).not.toEqual([]);
    },
    MUTANT_MS_MAX,
  );

  it.each(ruled.map((build) => [build.name, build.what, build.rule, build] as const))(
    'is caught: %s (%s) by %s',
    async (_, __, rule, build) => {
      const { brokers = 1, faults, seed: first = 1 } = build;
      const found = new Set<Anomaly>();
      for (let seed = first; seed < first + RULED_MUTANT_SEEDS && !found.has(rule!); seed += 1) {
        const { violations } = await runSeed(seed, { brokers, faults, build, lookedFor: rule });
        for (const { anomaly } of violations) found.add(anomaly);
      }
      expect([...found]).toContain(rule);
    },
    MUTANT_MS_MAX,
  );

  it('has a name of its own, by which it is run', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  });

  it('comes in twenty kinds and more of replication and control, and of transactions', () => {
    const [transactions = [], others = []] = [true, false].map((has) =>
      ruled.filter(({ hasTransactions = false }) => hasTransactions === has),
    );
    expect(others.length).toBeGreaterThanOrEqual(20);
    expect(transactions.length).toBeGreaterThanOrEqual(20);
  });
});
