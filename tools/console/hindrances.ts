/** What hinders somebody on a page, as axe finds it. */
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';

/** As it goes into each page that is looked at: half as much to take in. */
const AXE = readFileSync(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

/**
 * All rules are tried on all of the page. Of those that find nothing, axe would describe each element they have looked at, which in a long
 * table takes longer than the looking.
 */
const RUN = `axe.run({ resultTypes: ['violations'] }).then(({ violations }) =>
  violations.map(({ id, nodes }) => id + ': ' + nodes[0]?.html))`;

/** A line for each rule that the page breaks, with the first element that does. */
export async function hindrancesOn(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate<string[]>(RUN);
}
