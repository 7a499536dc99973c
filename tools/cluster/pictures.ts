/**
 * `pnpm cluster pictures [FOLDER]`: what the console of the compose file shows while a broker is killed and comes back: four pictures, into
 * `docs/public` unless another folder is named.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Admin } from '@millrace/admin';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { type Browser, chromium, type Page } from 'playwright-core';
import { ComposeError } from './compose.ts';
import type { Plan, Process } from './plan.ts';
import type { Processes } from './processes.ts';

const PATIENCE_MS = 120_000;
const WIDTH = 1280;
/** All of the page: what stays in its place while one scrolls would be out of it in a picture of more than is seen. */
const HEIGHT = 752;
const VICTIM = 2;
/** What is written while the broker is away: so much that it can be seen to catch up. */
const MISSED_MIB = 192;
const VALUE = Buffer.alloc(1024, 'one cake, two loaves of bread and a pie; ');
const RECORDS_AT_ONCE = 4096;
const TRICKLE_MS = 100;
const TRICKLE_RECORDS = 50;

const TOPICS = [
  { topic: 'orders', partitions: 12, replicationFactor: 3 },
  { topic: 'payments', partitions: 6, replicationFactor: 3 },
  { topic: 'shipments', partitions: 6, replicationFactor: 3 },
];

/** Takes the pictures on a cluster that is up. */
export async function takePictures(
  { processes: all }: Plan,
  processes: Processes,
  folder: string,
  print: (line: string) => void,
): Promise<void> {
  const victim = all.find(({ kind, number }) => kind === 'broker' && number === VICTIM);
  const served = all.find(({ kind }) => kind === 'console');
  if (victim === undefined || served === undefined) throw new ComposeError('The file has no broker 2, or no console');
  mkdirSync(folder, { recursive: true });
  const bootstrapServers = all.filter(({ kind }) => kind === 'broker').map(clientsOf);
  await using life = await beginLife(bootstrapServers);
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  try {
    const page = await logIn(browser, served);
    const take = async (name: string, there: string): Promise<void> => {
      await page.locator(there).first().waitFor({ timeout: PATIENCE_MS });
      await page.screenshot({ path: join(folder, `${name}.png`) });
      print(`${name}.png: ${await page.locator('.health').textContent()}`);
    };
    // How many come in a second is known from the second look on.
    await page.waitForFunction("!document.querySelector('.figures').textContent.includes('–')");
    await take('cluster-whole', '.health.well');
    await processes.end(victim.name, 'SIGKILL');
    await page.locator('.health:not(.well)').waitFor({ timeout: PATIENCE_MS });
    await life.more(MISSED_MIB);
    await take('cluster-killed', '.health.warn');
    await processes.start(victim);
    await take('cluster-catching-up', '.health.warn:not(:has-text("down"))');
    await take('cluster-back', '.health.well');
  } finally {
    await browser.close();
  }
}

/** The listener that is for clients on this machine: the last, as the file has it. */
function clientsOf({ environment }: Process): string {
  return (environment['KAFKA_ADVERTISED_LISTENERS'] ?? '').match(/(?<=:\/\/)[^,]*$/)?.[0] ?? '';
}

/** The first who may log in, by the console's own file. */
async function logIn(browser: Browser, { files, port }: Process): Promise<Page> {
  const [username = '', , password = ''] = [...files.values()].join('\n').trim().split('\n')[0]?.split(':') ?? [];
  const context = await browser.newContext({
    viewport: { width: WIDTH, height: HEIGHT },
    colorScheme: 'light',
    locale: 'en-US',
    httpCredentials: { username, password },
  });
  const page = await context.newPage();
  await page.goto(`http://localhost:${port}/`);
  await page.waitForSelector('figure', { timeout: PATIENCE_MS });
  return page;
}

/** Topics with something in them, records that keep coming, and somebody who reads them. */
async function beginLife(bootstrapServers: readonly string[]) {
  await using admin = new Admin({ bootstrapServers: [...bootstrapServers] });
  const known = await admin.listTopics();
  await admin.createTopics(TOPICS.filter(({ topic }) => !known.includes(topic)));
  // What a broker that was killed before has led it may not have back yet.
  await admin.electLeaders('all');
  const producer = new Producer({ bootstrapServers: [...bootstrapServers] });
  const more = async (mib: number): Promise<void> => {
    const records = Array.from({ length: RECORDS_AT_ONCE }, (_, n) => ({
      topic: TOPICS[n % TOPICS.length]?.topic ?? '',
      key: `customer-${n}`,
      value: VALUE,
    }));
    for (let done = 0; done < mib; done += (RECORDS_AT_ONCE * VALUE.length) / 2 ** 20) {
      await producer.sendBatch(records);
    }
  };
  await more(8);
  const trickle = setInterval(() => {
    for (let n = 0; n < TRICKLE_RECORDS; n += 1) {
      producer.enqueue({ topic: TOPICS[n % TOPICS.length]?.topic ?? '', value: VALUE });
    }
  }, TRICKLE_MS);
  const consumer = new Consumer({ bootstrapServers: [...bootstrapServers], groupId: 'billing' });
  consumer.subscribe(['orders']);
  void consumer.run({ eachBatch: () => undefined }).catch(() => undefined);
  return {
    more,
    async [Symbol.asyncDispose](): Promise<void> {
      clearInterval(trickle);
      await consumer.close();
      await producer.close();
    },
  };
}
