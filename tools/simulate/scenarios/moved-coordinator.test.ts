import { describe, expect, it } from 'vitest';
import type { Build } from '../build.ts';
import {
  answersEarly,
  endsTheNext,
  keepsExhausted,
  keepsMemory,
  linesUpByProducer,
  readsAnew,
  takesOldTerms,
} from '../mutants/term-mutants.ts';
import { losesEnds, moveCoordinator, type Play } from './moved-coordinator.ts';

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

  it('takes no marker of a transaction that raised the epoch for one of the next, when it comes late in the term of its coordinator', async () => {
    expect(await moveCoordinator('a marker comes late in its own term', { seed: 1, isNew: true })).toEqual([]);
  });

  it.each([false, true])(
    'begins no transaction where a marker of the one before is slow; each end raises the epoch: %s',
    async (isNew) => {
      expect(await moveCoordinator('a marker is slow', { seed: 1, isNew })).toEqual([]);
    },
  );

  it.each([undefined, losesEnds])(
    'gives a producer whose epochs are exhausted another id at the end of a transaction, in whichever term: %j',
    async (build) => {
      expect(await moveCoordinator('epochs are exhausted', { seed: 1, isNew: true, ...(build && { build }) })).toEqual(
        [],
      );
    },
  );

  it.each<readonly [Play, Build, boolean, string]>([
    ['within an append', keepsMemory, false, 'shared-epoch'],
    ['the id is used anew', keepsMemory, false, 'cannot write'],
    ['a marker comes late', takesOldTerms, false, 'aborted-read'],
    ['a marker comes late in its own term', endsTheNext, true, 'aborted-read'],
    ['an answer comes late', linesUpByProducer, false, "stays 'PrepareCommit'"],
    ['in-sync replicas alone change', readsAnew(), false, 'its coordinator says'],
    ['a marker is slow', answersEarly, true, 'aborted-read'],
    ['epochs are exhausted', keepsExhausted, true, 'cannot write'],
  ])('is caught where it is broken: %s', async (play, build, isNew, found) => {
    const problems = await moveCoordinator(play, { seed: 1, isNew, build });
    expect(problems.join('\n')).toContain(found);
  });
});
