import { describe, expect, it } from 'vitest';
import type { Build } from '../build.ts';
import { keepsMemory, linesUpByProducer, readsAnew, takesOldTerms } from '../mutants/term-mutants.ts';
import { moveCoordinator, type Play } from './moved-coordinator.ts';

const PLAYS: readonly Play[] = [
  'in-sync replicas alone change',
  'within an append',
  'a marker comes late',
  'an answer comes late',
  'the id is used anew',
];

describe('a coordinator of transactions that moves away and comes back', () => {
  it.each(PLAYS.flatMap((play) => [false, true].map((isNew) => [play, isNew] as const)))(
    'keeps nothing of its earlier term, and loses nothing: %s; each end raises the epoch: %s',
    async (play, isNew) => {
      expect(await moveCoordinator(play, { seed: 1, isNew })).toEqual([]);
    },
  );

  it.each<readonly [Play, Build, string]>([
    ['within an append', keepsMemory, 'shared-epoch'],
    ['the id is used anew', keepsMemory, 'cannot write'],
    ['a marker comes late', takesOldTerms, 'aborted-read'],
    ['an answer comes late', linesUpByProducer, "stays 'PrepareCommit'"],
    ['in-sync replicas alone change', readsAnew(), 'its coordinator says'],
  ])('is caught where it is broken: %s', async (play, build, found) => {
    const problems = await moveCoordinator(play, { seed: 1, isNew: false, build });
    expect(problems.join('\n')).toContain(found);
  });
});
