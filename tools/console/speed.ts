/**
 * `node tools/console/main.ts speed [--topics N] [--records N] [--rounds N]`: how long somebody waits, in Chromium, on three brokers with
 * 10,000 topics: from his click to the list of them, from his key to what he searches among them, and from his click to the first message.
 * Each is taken from the browser's own event to the frame in which it stands there.
 */
import { parseArgs } from 'node:util';
import { startCluster } from '@millrace/testing';
import type { Page } from 'playwright-core';
import { openBrowser } from './browser.ts';
import { fill, timed } from './look.ts';
import { PROGRAM, startConsole } from './programs.ts';

const OPTIONS = {
  topics: { type: 'string', default: '10000' },
  records: { type: 'string', default: '100000' },
  groups: { type: 'string', default: '100' },
  rounds: { type: 'string', default: '7' },
  program: { type: 'string', default: PROGRAM },
} as const;

/** Longer than the server gives the same look to everybody: each round has the cluster asked anew. */
const REST_MS = 4000;
/** How long a page is waited for where the machine has much else to do. */
const PATIENCE_MS = 120_000;

/** What is waited for: after which event, what is there then, and how long it may take. */
interface Wait {
  readonly what: string;
  readonly event: 'click' | 'input';
  /** An expression of the page. */
  readonly isThere: string;
  readonly msMax: number;
  act(page: Page): Promise<unknown>;
}

const ROWS = '[...document.querySelectorAll("main tbody a[href*=\'/topics/\']")]';

/** In this order, each on the page that the one before has led to. */
const WAITS: readonly Wait[] = [
  {
    what: 'from the click to the list of topics',
    event: 'click',
    isThere: `${ROWS}.length > 10`,
    msMax: 1000,
    act: (page) => page.locator('nav a[href$="/big/topics"]').click(),
  },
  {
    what: 'from the key to what is searched among them',
    event: 'input',
    isThere: `${ROWS}.length > 0 && ${ROWS}.every((each) => each.textContent.includes('orders'))`,
    msMax: 1000,
    act: (page) => page.getByRole('searchbox').fill('orders'),
  },
  {
    what: 'from the click to the first message of a topic',
    event: 'click',
    isThere: 'document.querySelector("table.messages tbody tr") !== null',
    msMax: 300,
    act: (page) => page.getByRole('link', { name: 'orders', exact: true }).click(),
  },
];

/** Milliseconds from the event that `act` brings about to the frame that shows what is waited for. */
async function waited(page: Page, { event, isThere, act }: Wait): Promise<number> {
  await page.evaluate(`void (window.waited = new Promise((resolve) => addEventListener('${event}', ({ timeStamp }) => {
    const look = () => (${isThere}) ? requestAnimationFrame((ms) => resolve(ms - timeStamp)) : requestAnimationFrame(look);
    requestAnimationFrame(look);
  }, { capture: true, once: true })))`);
  await act(page);
  return page.evaluate<number>('window.waited');
}

function tell({ what, msMax }: Wait, taken: readonly number[]): boolean {
  const sorted = taken.toSorted((a, b) => a - b).map(Math.round);
  const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  console.log(
    `${what}: ${median} ms (${sorted[0]} to ${sorted.at(-1)}, ${sorted.length} rounds), at most ${msMax} wanted`,
  );
  return median <= msMax;
}

/** Fills a cluster and measures; ends with 1 where the median of a wait is longer than it may be. */
export async function speed(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: OPTIONS });
  const [topics, records, groups, rounds] = [values.topics, values.records, values.groups, values.rounds].map(
    Number,
  ) as [number, number, number, number];
  const cluster = await startCluster({ topics: [{ topic: 'orders', partitions: 3 }] });
  const { bootstrapServers } = cluster;
  // A process of its own, as people have it: what the brokers do here beside it does not hold it up.
  const { child, origin } = await startConsole(values.program, { name: 'big', bootstrapServers });
  let leave: (() => Promise<unknown>) | undefined;
  try {
    const size = { records, topics, groups, replicas: 1 };
    leave = await timed('to fill the cluster', () => fill(bootstrapServers, size));
    // In a checkout the page is built when it is first asked for.
    await (await fetch(origin)).text();
    await using browser = await openBrowser();
    const taken = WAITS.map((): number[] => []);
    for (let round = 0; round < rounds; round += 1) {
      const page = await browser.newPage({ viewport: { width: 1280, height: 844 }, locale: 'en-US' });
      page.setDefaultTimeout(PATIENCE_MS);
      await page.goto(`${origin}/big/overview`);
      await page.waitForSelector('figure');
      await page.waitForTimeout(REST_MS);
      for (const [index, wait] of WAITS.entries()) taken[index]?.push(await waited(page, wait));
      await page.close();
    }
    const isWithin = WAITS.map((wait, index) => tell(wait, taken[index] ?? []));
    process.exitCode = isWithin.every(Boolean) ? 0 : 1;
  } finally {
    child.kill();
    await leave?.();
    await cluster.close();
  }
}
