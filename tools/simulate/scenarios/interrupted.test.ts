import { describe, expect, it } from 'vitest';
import { verbs } from './interrupted-verbs.ts';
import { interruptEach } from './interruptions.ts';

const TEST_MS_MAX = 120_000;

/** Nothing half done, nothing left over, nothing lost, whichever of its writes it was. */
async function expectWhole(verb: string, ...blow: ['death' | 'loss', 'before' | 'after']): Promise<void> {
  const { writes, hasMet, problems } = await interruptEach(verb, ...blow);
  expect(problems).toEqual([]);
  expect(writes).toBeGreaterThan(0);
  expect(hasMet).toBe(true);
}

const names = Object.keys(verbs);
const removing = names.filter((name) => /deletion|move|replica/.test(name));
/** The others are struck in this way by `pnpm simulate interrupted`. */
const unheard = ['creation of a topic', 'deletion of a topic', 'move of one replica', 'move that is cancelled'];

describe('a controller that dies at any of its writes leaves nothing half done', () => {
  it.each(names)('%s, after the write is applied', (verb) => expectWhole(verb, 'death', 'after'), TEST_MS_MAX);

  it.each(removing)('%s, before the write is applied', (verb) => expectWhole(verb, 'death', 'before'), TEST_MS_MAX);
});

describe('a controller that hears no answer to any of its writes, and lives, leaves nothing half done', () => {
  it.each([...unheard, 'change of controllers', 'ordered stop of a leader'])(
    '%s, though the write was applied',
    (verb) => expectWhole(verb, 'loss', 'after'),
    TEST_MS_MAX,
  );
});
