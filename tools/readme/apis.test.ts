/** The lists of APIs of the page on what is compatible are what a broker says of itself. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { apiLists } from './api-lists.ts';

it('lists the APIs that a broker advertises, with their versions, and those that it does not', async () => {
  const { served, missing } = await apiLists();
  const page = readFileSync(new URL('../../docs/compatibility.md', import.meta.url), 'utf8').replace(/\n> /g, ' ');
  // `node tools/readme/main.ts` writes both.
  expect(page).toContain(served);
  expect(page).toContain(missing);
});
