/**
 * `node tools/console/main.ts look FOLDER [--records N] [--topics N] [--groups N]`: the console on three brokers with much in them: how long its
 * lists and searches take, and a picture of every page in both themes and languages at four widths, for somebody to look at.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Admin } from '@millrace/admin';
import { createConsole } from '@millrace/console';
import { Producer } from '@millrace/producer';
import { startCluster } from '@millrace/testing';
import { type Browser, chromium, type Page } from 'playwright-core';

const OPTIONS = {
  records: { type: 'string', default: '1000000' },
  topics: { type: 'string', default: '2000' },
  groups: { type: 'string', default: '300' },
} as const;

/** How much is put into the cluster. */
interface Size {
  readonly records: number;
  readonly topics: number;
  readonly groups: number;
}

const TOPICS_AT_ONCE = 200;
const RECORDS_AT_ONCE = 20_000;
const WIDTHS = [390, 820, 1280, 1920];
const LOCALES = ['en-US', 'ko-KR'];

/** Each page, and what is there when it is whole. */
const PAGES: Readonly<Record<string, readonly [path: string, there: string]>> = {
  overview: ['/big/overview', 'figure'],
  topics: ['/big/topics', 'table tbody tr'],
  messages: ['/big/topics/orders', 'table.messages tbody tr'],
  message: ['/big/topics/orders?m=0-0', 'dialog pre'],
  partitions: ['/big/topics/orders?tab=partitions', '.replica'],
  configs: ['/big/topics/orders?tab=configs', 'text=retention.ms'],
  readers: ['/big/topics/orders?tab=readers', 'table tbody tr'],
  groups: ['/big/groups', 'table tbody tr'],
  group: ['/big/groups/group-7', 'table tbody tr'],
  nodes: ['/big/nodes', 'section.table'],
  node: ['/big/nodes/1', 'table code'],
  transactions: ['/big/transactions', '.empty'],
  access: ['/big/access', '.empty'],
};

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const beganMs = performance.now();
  const done = await work();
  console.log(
    `${Math.round(performance.now() - beganMs)
      .toString()
      .padStart(7)} ms  ${what}`,
  );
  return done;
}

async function fill(bootstrapServers: string, { records, topics, groups }: Size): Promise<void> {
  await using admin = new Admin({ bootstrapServers });
  const names = Array.from({ length: topics }, (_, n) => `topic-${n.toString().padStart(5, '0')}`);
  for (let i = 0; i < names.length; i += TOPICS_AT_ONCE) {
    const some = names.slice(i, i + TOPICS_AT_ONCE).map((topic) => ({ topic, partitions: 1 }));
    await admin.createTopics(some, { timeoutMs: 120_000 });
  }
  await using producer = new Producer({ bootstrapServers });
  for (let done = 0; done < records; done += RECORDS_AT_ONCE) {
    await producer.sendBatch(
      Array.from({ length: RECORDS_AT_ONCE }, (_, n) => ({
        topic: 'orders',
        key: `customer-${(done + n) % 9973}`,
        value: `{"id":${done + n},"total":${((done + n) * 7) % 1000},"note":"${(done + n) % 250_000 === 77 ? 'needle' : 'hay'}"}`,
      })),
    );
  }
  for (let n = 0; n < groups; n += 1) {
    const places = [0, 1, 2].map((partition) => ({ topic: 'orders', partition, offset: n * 10 }));
    await admin.alterGroupOffsets(`group-${n}`, places);
  }
}

async function figures(page: Page, origin: string): Promise<void> {
  await page.goto(`${origin}/big/overview`);
  await page.waitForSelector('figure');
  await timed('from the click to the list of topics', async () => {
    await page.locator('nav a[href$="/big/topics"]').first().click();
    await page.waitForSelector('text=topic-00000');
  });
  await timed('from the key to one topic found of all', async () => {
    await page.locator('input[type=search]').first().fill('orders');
    await page.waitForSelector('text=topic-00000', { state: 'detached' });
  });
  await timed('from the click on a topic to its first message', async () => {
    await page.getByRole('link', { name: 'orders' }).click();
    await page.waitForSelector('table.messages tbody tr');
  });
  await timed('from the address to the first message', async () => {
    await page.goto(`${origin}/big/topics/orders`);
    await page.waitForSelector('table.messages tbody tr');
  });
  const search = `${origin}/api/clusters/big/topics/orders/messages?from=beginning&limit=500&search=needle`;
  await timed('a search for text through all records', async () => {
    const answer = await fetch(search);
    const { messages, scanned } = (await answer.json()) as { messages: unknown[]; scanned: number };
    console.log(`            found ${messages.length} of ${scanned}`);
  });
  await timed('from the click to the list of groups', async () => {
    await page.locator('nav a[href$="/big/groups"]').first().click();
    await page.waitForSelector('text=group-7');
  });
}

async function pictures(browser: Browser, origin: string, into: string): Promise<void> {
  for (const locale of LOCALES) {
    for (const theme of ['light', 'dark'] as const) {
      const context = await browser.newContext({ colorScheme: theme, locale });
      const page = await context.newPage();
      for (const [name, [path, there]] of Object.entries(PAGES)) {
        await page.goto(origin + path);
        await page.waitForSelector(there, { timeout: 15_000 }).catch(() => console.log(`${path}: nothing there`));
        for (const width of WIDTHS) {
          await page.setViewportSize({ width, height: 844 });
          await page.screenshot({ path: join(into, `${name}-${width}-${theme}-${locale.slice(0, 2)}.png`) });
        }
      }
      await context.close();
    }
  }
}

/** Fills a cluster, measures, and takes the pictures. */
export async function look(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: OPTIONS });
  const [folder = 'console-pictures'] = positionals;
  const size = { records: Number(values.records), topics: Number(values.topics), groups: Number(values.groups) };
  mkdirSync(folder, { recursive: true });
  const cluster = await startCluster({ topics: [{ topic: 'orders', partitions: 3 }] });
  const { bootstrapServers } = cluster;
  const served = await createConsole({ clusters: { big: { bootstrapServers } } });
  try {
    await timed('to fill the cluster', () => fill(bootstrapServers, size));
    const origin = `http://localhost:${await served.listen({ port: 0 })}`;
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
    try {
      const page = await browser.newPage({ viewport: { width: 1280, height: 844 } });
      await figures(page, origin);
      await pictures(browser, origin, folder);
    } finally {
      await browser.close();
    }
  } finally {
    await served.close();
    await cluster.close();
  }
}
