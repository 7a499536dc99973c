/**
 * `node tools/console/main.ts large [--bytes N] [--rounds N] [--program FILE]`: a message of 10 MB in Chromium: listed, found by a text at its very
 * end, opened, copied to the clipboard and to another topic, and sent on with another key. For each the longest task of the page's thread,
 * and the longest time between two frames: a page that is held up answers nobody.
 */
import { equal, ok } from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { Admin } from '@millrace/admin';
import { Producer } from '@millrace/producer';
import type { BrowserContext, Page } from 'playwright-core';
import { Cluster } from '../../apps/console/src/clusters/cluster.ts';
import { readRecord } from '../../apps/console/src/messages/read.ts';
import { openBrowser } from './browser.ts';
import { PROGRAM, spreadOf, startBrokerProgram } from './programs.ts';

const OPTIONS = {
  bytes: { type: 'string', default: String(10 * 1024 * 1024) },
  rounds: { type: 'string', default: '5' },
  program: { type: 'string', default: PROGRAM },
} as const;

/** What people do not notice yet: the bound of the web's own measure of answers (Interaction to Next Paint). */
const HELD_UP_MS_MAX = 200;
/** How long anything is waited for where the machine has much else to do. */
const PATIENCE_MS = 180_000;
const NEEDLE = 'at-the-very-end';

/** Watches the thread of the page: tasks of more than 50 ms, as the browser tells them, and frames. */
const WATCH = `(() => {
  window.held = { task: 0, frame: 0 };
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) held.task = Math.max(held.task, duration);
  }).observe({ type: 'longtask', buffered: true });
  let before;
  const frame = (ms) => {
    if (before !== undefined) held.frame = Math.max(held.frame, ms - before);
    before = ms;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})()`;

/** How long the page was held up at most, in milliseconds. */
interface Held {
  readonly task: number;
  readonly frame: number;
}

/** What is done with the message, in this order, each where the one before has led to. */
interface Step {
  readonly what: string;
  act(desk: Desk): Promise<unknown>;
}

interface Desk {
  readonly page: Page;
  readonly origin: string;
  /** One for each round: the message that is sent on stays there too. */
  readonly topic: string;
  readonly bytes: number;
}

const rows = (page: Page) => page.locator('table.messages tbody tr');
const dialog = (page: Page) => page.getByRole('dialog').last();
const inDialog = (page: Page, name: string) => dialog(page).getByRole('button', { name, exact: true });

const STEPS: readonly Step[] = [
  {
    what: 'listed beside others',
    act: async ({ page, origin, topic }) => {
      await page.goto(`${origin}/local/topics/${topic}`);
      await rows(page).nth(1).waitFor();
    },
  },
  {
    what: 'found by a text at its end',
    act: async ({ page }) => {
      await page.getByRole('searchbox').fill(NEEDLE);
      await page.keyboard.press('Enter');
      await page.getByText(/^2 of 2 looked at/).waitFor();
      await rows(page).first().waitFor();
      equal(await rows(page).count(), 1);
    },
  },
  {
    what: 'opened',
    act: async ({ page }) => {
      await page.getByRole('button', { name: '0:0', exact: true }).click();
      await dialog(page).locator('pre').nth(1).waitFor();
    },
  },
  {
    what: 'scrolled to the end of what is shown',
    act: async ({ page }) => {
      await dialog(page).locator('pre').nth(1).evaluate('(value) => value.scrollIntoView(false)');
      await page.keyboard.press('End');
    },
  },
  {
    what: 'copied whole to the clipboard',
    act: async ({ page, bytes }) => {
      await inDialog(page, 'Copy').nth(1).click();
      const length = () =>
        page.evaluate<number>(
          'navigator.clipboard.read().then(async ([item]) => (await item.getType("text/plain")).size)',
        );
      const limitMs = performance.now() + PATIENCE_MS;
      // JSON that is not cut is copied as it is shown, with a line for each value.
      while ((await length().catch(() => 0)) < bytes) ok(performance.now() < limitMs, 'the clipboard has not got it');
    },
  },
  {
    what: 'copied to another topic',
    act: async ({ page }) => {
      await page.getByRole('button', { name: 'Copy to a topic' }).click();
      await dialog(page).getByRole('combobox', { name: 'Topic', exact: true }).fill('copies');
      await inDialog(page, 'Copy').click();
      await page.getByRole('dialog').nth(1).waitFor({ state: 'detached' });
    },
  },
  {
    what: 'sent on with another key',
    act: async ({ page }) => {
      await page.getByRole('button', { name: 'Edit and send' }).click();
      await dialog(page).getByRole('textbox', { name: 'Key' }).fill('edited');
      await inDialog(page, 'Send').click();
      await page.getByRole('dialog').nth(1).waitFor({ state: 'detached' });
    },
  },
];

/** Goes through all steps on a page of its own; how long each held it up. */
async function round(context: BrowserContext, desk: Omit<Desk, 'page'>): Promise<Held[]> {
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await page.addInitScript(WATCH);
  // The browser's own start, and that of the page, are not of the message.
  await page.goto(`${desk.origin}/local/topics`);
  await page.getByRole('link', { name: desk.topic }).waitFor();
  const held: Held[] = [];
  for (const { what, act } of STEPS) {
    await page.evaluate('Object.assign(held, { task: 0, frame: 0 })');
    try {
      await act({ ...desk, page });
    } catch (cause) {
      const shown = (await page.locator('body').textContent())?.slice(0, 2000);
      throw new Error(`It was not ${what}. The page says:\n${shown}`, { cause });
    }
    // What the last press has brought about comes to its end, and is counted with it.
    await page.waitForTimeout(300);
    held.push(await page.evaluate<Held>('held'));
  }
  await page.close();
  return held;
}

/** Holds a record to the message that was sent, by its key and every byte. */
async function checkSent(
  cluster: Cluster,
  place: { topic: string; offset: number },
  key: string,
  value: Buffer,
): Promise<void> {
  const { rawKey, rawValue } = await readRecord(cluster, { ...place, partition: 0 });
  equal(String(rawKey), key);
  ok(rawValue?.equals(value), `${place.topic} has another value than was sent`);
}

function tell(taken: readonly (readonly Held[])[]): boolean {
  let isWell = true;
  for (const [index, { what }] of STEPS.entries()) {
    const of = (kind: keyof Held) => spreadOf(taken.map((each) => Math.round(each[index]?.[kind] ?? Number.NaN)));
    const [task, frame] = [of('task'), of('frame')];
    console.log(
      `${what}: longest task ${task.median} ms (at most ${task.most}), longest between frames ${frame.median} ms (at most ${frame.most})`,
    );
    isWell &&= task.median <= HELD_UP_MS_MAX && frame.median <= HELD_UP_MS_MAX;
  }
  console.log(`medians of ${taken.length} rounds; the page held up by at most ${HELD_UP_MS_MAX} ms wanted`);
  return isWell;
}

/** The message, and a small one beside it, to each of the topics. */
async function send(bootstrapServers: string, topics: readonly string[], bytes: number): Promise<Buffer> {
  await using admin = new Admin({ bootstrapServers });
  const configs = { 'max.message.bytes': String(bytes + 1000) };
  await admin.createTopics(
    [...topics, 'copies'].map((topic) => ({ topic, partitions: 1, replicationFactor: 1, configs })),
  );
  await using producer = new Producer({ bootstrapServers, requestBytesMax: bytes * 2 });
  const head = '{"note":"large","text":"';
  const tail = `${NEEDLE}"}`;
  const text = '0123456789 abcdef '.repeat(bytes / 10).slice(0, bytes - head.length - tail.length);
  const value = Buffer.from(`${head}${text}${tail}`);
  equal(value.length, bytes);
  for (const topic of topics) {
    await producer.send({ topic, key: 'big', value });
    await producer.send({ topic, key: 'small', value: 'x' });
  }
  return value;
}

/** Sends the message, and works with it; ends with 1 where the page was held up. */
export async function large(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: OPTIONS });
  const [bytes, rounds] = [Number(values.bytes), Number(values.rounds)];
  const broker = await startBrokerProgram(values.program);
  let cluster: Cluster | undefined;
  try {
    const { bootstrapServers, origin } = broker;
    const topics = Array.from({ length: rounds }, (_, n) => `large-${n}`);
    const value = await send(bootstrapServers, topics, bytes);
    cluster = new Cluster('checked', { bootstrapServers });
    // In a checkout the page is built when it is first asked for.
    await (await fetch(origin)).text();
    await using browser = await openBrowser();
    const taken: Held[][] = [];
    for (const topic of topics) {
      const context = await browser.newContext({ locale: 'en-US', viewport: { width: 1280, height: 844 } });
      await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin });
      taken.push(await round(context, { origin, topic, bytes }));
      await context.close();
      await checkSent(cluster, { topic, offset: 2 }, 'edited', value);
      await checkSent(cluster, { topic: 'copies', offset: taken.length - 1 }, 'big', value);
    }
    process.exitCode = tell(taken) ? 0 : 1;
  } finally {
    await cluster?.close();
    await broker.stop();
  }
}
