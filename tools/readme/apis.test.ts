/** The README's lists of APIs are what a broker says of itself. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { apiLists } from './api-lists.ts';

it('lists the APIs that a broker advertises, with their versions, and those that it does not', async () => {
  const { served, missing } = await apiLists();
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8').replace(/\n> /g, ' ');
  // `node tools/readme/main.ts` writes both.
  expect(readme).toContain(served);
  expect(readme).toContain(missing);
});
