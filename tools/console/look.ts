/**
 * `node tools/console/main.ts look FOLDER [--records N] [--topics N] [--groups N] [--pages NAME,...]`: the console on three brokers with much in them: how long its
 * lists and searches take, whether axe finds anything that hinders somebody, and a picture of every page in both themes and languages at
 * four widths, for somebody to look at.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Admin } from '@millrace/admin';
import { createConsole } from '@millrace/console';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { startCluster } from '@millrace/testing';
import type { Browser, Page } from 'playwright-core';
import { openBrowser } from './browser.ts';
import { Faults } from './faults.ts';
import { hindrancesOn } from './hindrances.ts';

const OPTIONS = {
  records: { type: 'string', default: '1000000' },
  topics: { type: 'string', default: '2000' },
  groups: { type: 'string', default: '300' },
  pages: { type: 'string', default: '' },
} as const;

/** How much is put into the cluster. */
interface Size {
  readonly records: number;
  readonly topics: number;
  readonly groups: number;
  /** Of each topic; as many as the brokers make by themselves otherwise. */
  readonly replicas?: number | undefined;
}

const TOPICS_AT_ONCE = 100;
const RECORDS_AT_ONCE = 20_000;
const WIDTHS = [390, 820, 1280, 1920];
const HEIGHT = 844;
const LOCALES = ['en-US', 'ko-KR'];

/** A name as teams give them. */
const LONG = 'payments.settlement.reconciliation.daily-batch-v2.dead-letters.retry-03';

/** A page, what is there when it is whole, and what is pressed on it then. */
type Place = readonly [path: string, there: string, press?: string];

const PAGES: Readonly<Record<string, Place>> = {
  overview: ['/big/overview', 'figure'],
  topics: ['/big/topics', 'text=payments.'],
  'new-topic': ['/big/topics', 'text=payments.', '.title .primary'],
  messages: ['/big/topics/orders', 'table.messages tbody tr'],
  produce: ['/big/topics/orders', 'table.messages tbody tr', '.title .primary'],
  message: ['/big/topics/orders?m=0-0', 'dialog pre'],
  odd: [`/big/topics/${LONG}`, 'table.messages tbody tr'],
  'odd-message': [`/big/topics/${LONG}?m=0-2`, 'dialog pre'],
  none: ['/big/topics/orders?q=nothing-of-that-kind&from=offset&at=335000&partition=0', '.empty'],
  partitions: ['/big/topics/orders?tab=partitions', '.replica'],
  configs: ['/big/topics/orders?tab=configs', 'text=retention.ms'],
  config: ['/big/topics/orders?tab=configs', 'text=retention.ms', 'text="retention.ms"'],
  readers: ['/big/topics/orders?tab=readers', 'table tbody tr'],
  groups: ['/big/groups', 'table tbody tr'],
  group: ['/big/groups/group-7', 'table tbody tr'],
  reset: ['/big/groups/group-7', 'table tbody tr', '.actions button >> nth=0'],
  members: [`/big/groups/readers-of-${LONG}`, 'table tbody tr'],
  nodes: ['/big/nodes', 'section.table'],
  node: ['/big/nodes/1', 'text=advertised.listeners'],
  transactions: ['/big/transactions', 'table tbody tr'],
  access: ['/big/access', '.empty'],
  missing: ['/big/topics/no-such-topic', '.empty'],
  palette: ['/big/overview', 'figure', '.palette-button'],
};

/** Does some work, and prints how long it took. */
export async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const beganMs = performance.now();
  const done = await work();
  console.log(
    `${Math.round(performance.now() - beganMs)
      .toString()
      .padStart(7)} ms  ${what}`,
  );
  return done;
}

/** Fills a cluster; what it gives back closes what has been opened there. */
export async function fill(
  bootstrapServers: string,
  { records, topics, groups, replicas }: Size,
): Promise<() => Promise<unknown>> {
  await using admin = new Admin({ bootstrapServers });
  const names = Array.from({ length: topics }, (_, n) => `topic-${n.toString().padStart(5, '0')}`);
  for (let i = 0; i < names.length; i += TOPICS_AT_ONCE) {
    const some = names
      .slice(i, i + TOPICS_AT_ONCE)
      .map((topic) => ({ topic, partitions: 1, replicationFactor: replicas }));
    await admin.createTopics(some, { timeoutMs: 120_000 });
  }
  await using producer = new Producer({ bootstrapServers });
  await sendOrders(producer, records);
  const close = await odd(bootstrapServers, admin, producer);
  for (let n = 0; n < groups; n += 1) {
    const places = [0, 1, 2].map((partition) => ({ topic: 'orders', partition, offset: n * 10 }));
    await admin.alterGroupOffsets(`group-${n}`, places);
  }
  return close;
}

/** So many orders, of which one in 250,000 has a needle. */
export async function sendOrders(producer: Producer, records: number): Promise<void> {
  for (let done = 0; done < records; done += RECORDS_AT_ONCE) {
    await producer.sendBatch(
      Array.from({ length: RECORDS_AT_ONCE }, (_, n) => ({
        topic: 'orders',
        key: `customer-${(done + n) % 9973}`,
        value: `{"id":${done + n},"total":${((done + n) * 7) % 1000},"note":"${(done + n) % 250_000 === 77 ? 'needle' : 'hay'}"}`,
      })),
    );
  }
}

/** What is not as one would have it: long names, values of every kind, a dead letter, a transaction that is open. */
async function odd(bootstrapServers: string, admin: Admin, producer: Producer): Promise<() => Promise<unknown>> {
  await admin.createTopics([{ topic: LONG, partitions: 12 }]);
  const origin = { 'dead-letter-topic': 'orders', 'dead-letter-partition': '0', 'dead-letter-offset': '7' };
  await producer.sendBatch([
    { topic: LONG, partition: 0, key: 'a', value: Buffer.from([255, 254, 0, 1, 2, 3]) },
    { topic: LONG, partition: 0, key: 'b', value: null },
    {
      topic: LONG,
      partition: 0,
      key: 'a-key-that-somebody-has-made-of-several-others/2026-11-29/customer-123456789/order-987654321',
      value: JSON.stringify({ items: Array.from({ length: 40 }, (_, n) => ({ id: n, name: `a thing ${n}` })) }),
      headers: {
        ...origin,
        'dead-letter-error-name': 'TypeError',
        'dead-letter-error-message': 'no total',
        traceparent: `00-${'4bf9'.repeat(8)}-01`,
      },
    },
    { topic: LONG, partition: 0, value: '한국어로 쓴 주문입니다 🎂' },
  ]);
  const open = new Producer({ bootstrapServers, transactionalId: `copies-${LONG}` });
  const transaction = await open.begin();
  await transaction.send({ topic: LONG, partition: 0, value: 'not decided' });
  const reader = new Consumer({
    bootstrapServers,
    groupId: `readers-of-${LONG}`,
    clientId: 'order-service-7d9f8b6c5-x2x4z',
  });
  reader.subscribe(LONG);
  void reader.run({ eachRecord: () => Promise.resolve() }).catch(() => undefined);
  await reader.joined;
  return () => Promise.allSettled([reader.close(), open.close()]);
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

/** Pictures of each page; how many faults of the page, and of what axe looks for, there were. */
async function pictures(browser: Browser, origin: string, into: string, pages: readonly string[]): Promise<number> {
  let told = 0;
  const tell = (what: string): void => {
    told += 1;
    console.log(what);
  };
  for (const locale of LOCALES) {
    for (const theme of ['light', 'dark'] as const) {
      const context = await browser.newContext({ colorScheme: theme, locale });
      const page = await context.newPage();
      const faults = new Faults();
      faults.watch(page);
      for (const [name, [path, there, press]] of Object.entries(PAGES)) {
        if (pages.length > 0 && !pages.includes(name)) continue;
        await page.setViewportSize({ width: WIDTHS.at(-1) ?? 0, height: HEIGHT });
        await page.goto(origin + path);
        await page.waitForSelector(there, { timeout: 15_000 }).catch(() => tell(`${path}: nothing there`));
        if (press !== undefined) {
          await page.locator(press).first().click();
          await page.waitForSelector('dialog').catch(() => tell(`${path}: nothing opened`));
        }
        for (const width of WIDTHS) {
          await page.setViewportSize({ width, height: HEIGHT });
          await page.screenshot({ path: join(into, `${name}-${width}-${theme}-${locale.slice(0, 2)}.png`) });
        }
        const hindrances = await hindrancesOn(page);
        if (name === 'missing') faults.provoke(/404 .*\/no-such-topic/);
        const { unprovoked, missing } = faults.take();
        for (const fault of [...unprovoked, ...missing]) tell(fault);
        for (const each of hindrances) tell(`${name}, ${theme}, ${locale}: ${each}`);
      }
      await context.close();
    }
  }
  return told;
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
  let leave: (() => Promise<unknown>) | undefined;
  try {
    leave = await timed('to fill the cluster', () => fill(bootstrapServers, size));
    const origin = `http://localhost:${await served.listen({ port: 0 })}`;
    const browser = await openBrowser();
    try {
      const page = await browser.newPage({ viewport: { width: 1280, height: 844 } });
      await figures(page, origin);
      const faults = await pictures(
        browser,
        origin,
        folder,
        values.pages.split(',').filter((name) => name !== ''),
      );
      console.log(`${faults} faults of the page, and of what axe looks for`);
      process.exitCode = faults === 0 ? 0 : 1;
    } finally {
      await browser.close();
    }
  } finally {
    await served.close();
    await leave?.();
    await cluster.close();
  }
}
