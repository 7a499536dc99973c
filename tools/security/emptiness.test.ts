import { expect, it } from 'vitest';
import { emptinessOf } from './emptiness.ts';

it.each([
  ["it('holds', run);", undefined],
  ["it.each(rows)('holds', run);", undefined],
  ["it.skipIf(!has('kcat', here))('holds', run);", undefined],
  ["it('does something else', run);", 'no such test'],
  ["// it('holds', run);", 'no such test'],
  ["/* it('holds', run); */", 'no such test'],
  ["it~skip('holds', run);", '.skip'],
  ["it~todo('holds');", '.todo'],
  ["it~fails('holds', run);", '.fails'],
  ["describe~skip('it all', () => {\n  it('holds', run);\n});", '.skip'],
  ["it('holds', (context) => context.skip());", '.skip'],
  ["it.skipIf(true)('holds', run);", 'skipIf(true)'],
  ["it.runIf(false)('holds', run);", 'runIf(false)'],
  ["xit('holds', run);", 'xit'],
])('are held by tests that are run: %s', (text, emptiness) => {
  // In the rows the dot is another sign, so that none of them counts as a test of this file.
  const found = emptinessOf(text.replaceAll('~', '.'), 'holds');
  if (emptiness === undefined) expect(found).toBeUndefined();
  else expect(found).toContain(emptiness);
});
