import { describe, expect, it } from 'vitest';
import { interrupt, verbs, type When } from './interrupted.ts';

/** More writes than anything takes. */
const WRITES_MAX = 60;
const TEST_MS_MAX = 120_000;

describe('a controller that dies at any of its writes leaves nothing half done', () => {
  it.each(Object.keys(verbs).flatMap((verb) => (['before', 'after'] as const).map((when) => [verb, when] as const)))(
    '%s, %s the write is applied',
    async (verb: string, when: When) => {
      const problems: string[] = [];
      let write = 1;
      for (let hasStruck = true; hasStruck && write < WRITES_MAX; write += 1) {
        const outcome = await interrupt(verb, write, when);
        hasStruck = outcome.hasStruck;
        problems.push(...outcome.problems.map((problem) => `write ${write}: ${problem}`));
      }
      expect(problems).toEqual([]);
      // The last attempt met no write any more.
      expect(write - 2).toBeGreaterThan(0);
      expect(write).toBeLessThan(WRITES_MAX);
    },
    TEST_MS_MAX,
  );
});
