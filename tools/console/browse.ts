/**
 * `node tools/console/main.ts browse [VERSION]...`: what the page can do, done by hand in a browser, and held to what the cluster has
 * afterwards: on three brokers of ours, or on Apache Kafka where versions are given.
 */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { Admin } from '@millrace/admin';
import { createConsole } from '@millrace/console';
import { Producer } from '@millrace/producer';
import { startCluster } from '@millrace/testing';
import type { Browser, Page } from 'playwright-core';
import { startApacheKafka } from '../kafka/index.ts';
import { openBrowser } from './browser.ts';
import { FAULTLESS, Faults } from './faults.ts';

/** What one case works with. */
interface Desk {
  readonly page: Page;
  readonly admin: Admin;
  readonly producer: Producer;
  readonly bootstrapServers: string;
  /** Opens a page of the cluster. */
  readonly open: (path: string) => Promise<void>;
}

const PATIENCE_MS = 10_000;
const BURST = 300;
const LARGE_BYTES = 900_000;

async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  const limitMs = performance.now() + PATIENCE_MS;
  while (!(await isSo().catch(() => false))) {
    ok(performance.now() < limitMs, `it did not come about: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function endOf({ admin }: Desk, topic: string, partition = 0): Promise<number> {
  const [end] = await admin.listOffsets([{ topic, partition, at: 'latest' }]);
  return end?.offset ?? -1;
}

async function committed({ admin }: Desk, group: string): Promise<(number | undefined)[]> {
  const offsets = await admin.listGroupOffsets(group);
  return offsets.map(({ offset }) => offset ?? undefined);
}

const rows = (page: Page) => page.locator('table.messages tbody tr');
/** What a message is to hold. */
const value = (page: Page) => page.getByRole('dialog').last().locator('textarea').first();
const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });
const inDialog = (page: Page, name: string) =>
  page.getByRole('dialog').last().getByRole('button', { name, exact: true });

async function gone(page: Page): Promise<void> {
  await page.waitForSelector('dialog', { state: 'detached', timeout: PATIENCE_MS });
}

/** Each leaves what the next may need. */
const CASES: Readonly<Record<string, (desk: Desk) => Promise<void>>> = {
  'makes a topic with partitions and a config': async ({ page, admin, open }) => {
    await open('topics');
    await button(page, 'New topic').click();
    await page.getByRole('textbox', { name: 'Name' }).fill('shop');
    await page.getByRole('textbox', { name: 'Partitions' }).fill('2');
    await page.getByRole('button', { name: 'Add a config' }).click();
    await page.getByRole('combobox', { name: 'Name of a config' }).fill('retention.ms');
    await page
      .getByText(/by default:/)
      .first()
      .waitFor();
    await page.getByRole('textbox', { name: 'Value' }).fill('86400000');
    await button(page, 'Create').click();
    await gone(page);
    await until(async () => (await admin.describeTopics(['shop']))[0]?.partitions.length === 2, 'two partitions');
    const [described] = await admin.describeConfigs([{ type: 'topic', name: 'shop' }]);
    equal(described?.entries.find(({ name }) => name === 'retention.ms')?.value, '86400000');
  },
  'sends a message with a header to a partition, keeps it as a template, and sends a tombstone': async (desk) => {
    const { page, open } = desk;
    await open('topics/shop');
    await button(page, 'Send a message').click();
    await page.getByRole('textbox', { name: 'Key' }).fill('k');
    await page.getByRole('textbox', { name: 'Partition' }).fill('1');
    await value(page).fill('{"total":20}');
    await page.getByRole('button', { name: 'Add a header' }).click();
    await page.getByRole('textbox', { name: 'Name', exact: true }).fill('h');
    await page.getByRole('textbox', { name: 'Name of a template' }).fill('twenty');
    await button(page, 'Keep as a template').click();
    await button(page, 'Send').click();
    await gone(page);
    equal(await endOf(desk, 'shop', 1), 1);
    await button(page, 'Send a message').click();
    await page.getByRole('combobox', { name: 'From a template' }).selectOption('twenty');
    equal(await value(page).inputValue(), '{"total":20}');
    await page.getByRole('checkbox', { name: /Tombstone/ }).check();
    await page.getByRole('textbox', { name: 'Partition' }).fill('1');
    await button(page, 'Send').click();
    await gone(page);
    equal(await endOf(desk, 'shop', 1), 2);
    await page.getByText('null', { exact: true }).first().waitFor();
  },
  'finds it by text, expression, path and script': async ({ page, producer, open }) => {
    await producer.send({ topic: 'shop', key: 'other', value: '{"total":5}', partition: 0 });
    for (const [as, search] of [
      ['text', 'TOTAL":20'],
      ['regex', 'total":\\d\\d'],
      ['jsonpath', '$.total > 10'],
      ['javascript', 'value && value.total === 20'],
    ] as const) {
      await open(`topics/shop?from=beginning&as=${as}&q=${encodeURIComponent(JSON.stringify(search))}`);
      await page.getByText(/^\d of 3 looked at/).waitFor();
      await until(async () => (await rows(page).count()) === 1, `one row by ${as}`);
      ok((await rows(page).first().textContent())?.includes('{"total":20}'));
    }
  },
  'reads from an offset, from a time and of one partition': async ({ page, open }) => {
    await open('topics/shop');
    await page.getByRole('combobox', { name: 'Partition' }).selectOption('1');
    await until(async () => (await rows(page).count()) === 2, 'two of partition 1');
    await page.getByRole('combobox', { name: 'From' }).selectOption('offset');
    await page.getByRole('spinbutton', { name: 'Offset' }).fill('1');
    await page.keyboard.press('Enter');
    await until(async () => (await rows(page).count()) === 1, 'one from offset 1');
    await page.getByRole('combobox', { name: 'From' }).selectOption('time');
    await page.getByLabel('Time', { exact: true }).first().fill('2001-01-01T00:00');
    await page.keyboard.press('Enter');
    await until(async () => (await rows(page).count()) === 2, 'two from 2001');
    await page.getByLabel('Time', { exact: true }).first().fill('2999-01-01T00:00');
    await page.keyboard.press('Enter');
    await page.getByText('No message here.').waitFor();
  },
  'shows every record of a burst, live': async ({ page, producer, admin, open }) => {
    await admin.createTopics([{ topic: 'burst', partitions: 1 }]);
    await open('topics/burst');
    await page.getByText('No message here.').waitFor();
    const listening = page.waitForResponse(/live=true/);
    await button(page, 'Live').click();
    await listening;
    // The server has answered when it listens from the end on; the first record shows that it does.
    await until(async () => {
      await producer.send({ topic: 'burst', value: 'probe' });
      return (await rows(page).count()) > 0;
    }, 'a first record');
    const before = await rows(page).count();
    await producer.sendBatch(Array.from({ length: BURST }, (_, n) => ({ topic: 'burst', value: `burst ${n}` })));
    await page.getByText(`burst ${BURST - 1}`).waitFor();
    const shown = await rows(page)
      .filter({ hasText: /burst \d/ })
      .count();
    ok(shown === BURST && before > 0, `${shown} of ${BURST}`);
  },
  'sends again, edits and copies to another topic, and goes to the next': async (desk) => {
    const { page, open } = desk;
    await open('topics/shop?m=1-0');
    await button(page, 'Send again').click();
    await inDialog(page, 'Send').click();
    await until(async () => (await endOf(desk, 'shop', 0)) + (await endOf(desk, 'shop', 1)) === 4, 'a fourth');
    await button(page, 'Edit and send').click();
    await value(page).fill('edited');
    await inDialog(page, 'Send').click();
    await until(async () => (await endOf(desk, 'shop', 0)) + (await endOf(desk, 'shop', 1)) === 5, 'a fifth');
    const before = await endOf(desk, 'burst');
    await button(page, 'Copy to a topic').click();
    await page.getByRole('combobox', { name: 'Topic', exact: true }).fill('burst');
    await inDialog(page, 'Copy').click();
    await until(async () => (await endOf(desk, 'burst')) === before + 1, 'a copy');
    await button(page, 'After →').click();
    await page.getByRole('heading', { name: 'shop 1:1' }).waitFor();
  },
  'shows where a dead letter comes from and why, and sends it back edited': async (desk) => {
    const { page, producer, admin, open } = desk;
    await admin.createTopics([{ topic: 'shop.dead', partitions: 1 }]);
    const headers = {
      'dead-letter-topic': 'burst',
      'dead-letter-partition': '0',
      'dead-letter-offset': '7',
      'dead-letter-error-name': 'TypeError',
      'dead-letter-error-message': 'no total',
    };
    await producer.send({ topic: 'shop.dead', value: '{"totl":1}', headers });
    await open('topics/shop.dead?m=0-0');
    await page.getByText('Dead letter of burst 0:7').waitFor();
    await page.getByText('TypeError: no total').waitFor();
    const before = await endOf(desk, 'burst');
    await button(page, 'Edit and send back').click();
    await value(page).fill('{"total":1}');
    await inDialog(page, 'Send').click();
    await until(async () => (await endOf(desk, 'burst')) === before + 1, 'it is back');
  },
  'opens a large message without holding up the page, and gives the messages as a file': async (desk) => {
    const { page, producer, open } = desk;
    await producer.send({ topic: 'shop', key: 'large', value: 'x'.repeat(LARGE_BYTES), partition: 0 });
    await open('topics/shop?partition=0');
    await page.getByText('large').first().waitFor();
    const download = page.waitForEvent('download');
    await button(page, 'JSON lines').click();
    ok((await (await download).path()).length > 0);
    await page.getByRole('button', { name: `0:${(await endOf(desk, 'shop')) - 1}`, exact: true }).click();
    await page.getByRole('dialog').getByText('879 KiB').first().waitFor();
  },
  'changes a config, and takes it back': async ({ page, admin, open }) => {
    await open('topics/shop?tab=configs');
    const bytesMax = async () =>
      (await admin.describeConfigs([{ type: 'topic', name: 'shop' }]))[0]?.entries.find(
        ({ name }) => name === 'max.message.bytes',
      )?.value;
    await button(page, 'max.message.bytes').click();
    await page.getByRole('textbox', { name: 'Value' }).fill('2000000');
    await inDialog(page, 'Save').click();
    await gone(page);
    await until(async () => (await bytesMax()) === '2000000', 'the value is set');
    await button(page, 'max.message.bytes').click();
    await page.getByRole('checkbox', { name: /Back to the default/ }).check();
    await inDialog(page, 'Save').click();
    await gone(page);
    await until(async () => (await bytesMax()) !== '2000000', 'the default is back');
  },
  'resets a group where it was shown that it would go, forgets a topic, and deletes the group': async (desk) => {
    const { page, admin, open } = desk;
    const places = ['shop', 'burst'].map((topic) => ({ topic, partition: 0, offset: 1 }));
    await admin.alterGroupOffsets('tellers', places);
    await open('groups/tellers');
    await button(page, 'Reset offsets').click();
    await page.getByRole('combobox', { name: 'Topic', exact: true }).selectOption('shop');
    await page.getByRole('combobox', { name: 'To', exact: true }).selectOption('earliest');
    await button(page, 'Show where it goes').click();
    await page.locator('table.plan').waitFor();
    deepEqual((await committed(desk, 'tellers')).toSorted(), [1, 1]);
    await button(page, 'Move the offsets').click();
    await gone(page);
    await until(async () => (await committed(desk, 'tellers')).includes(0), 'the offset has moved');
    await button(page, 'Reset offsets').click();
    await page.getByRole('combobox', { name: 'Topic', exact: true }).selectOption('burst');
    await button(page, 'Forget this topic').click();
    await page.getByRole('dialog').getByRole('textbox').fill('burst');
    await inDialog(page, 'Forget this topic').click();
    await gone(page);
    const topics = async () => [...new Set((await admin.listGroupOffsets('tellers')).map(({ topic }) => topic))];
    await until(async () => (await topics()).join() === 'shop', 'burst is forgotten');
    await button(page, 'Delete').click();
    await page.getByRole('dialog').getByRole('textbox').fill('tellers');
    await inDialog(page, 'Delete').click();
    await page.waitForURL('**/groups');
    await until(async () => !(await admin.listGroups()).some(({ groupId }) => groupId === 'tellers'), 'it is gone');
  },
  'aborts a transaction whose id is typed': async ({ page, bootstrapServers, open }) => {
    const producer = new Producer({ bootstrapServers, transactionalId: 'till' });
    const transaction = await producer.begin();
    await transaction.send({ topic: 'shop', value: 'not yet', partition: 0 });
    await open('transactions');
    await button(page, 'Abort').click();
    await page.getByRole('dialog').getByRole('textbox').fill('till');
    await inDialog(page, 'Abort').click();
    await gone(page);
    ok(
      await transaction.commit().then(
        () => false,
        () => true,
      ),
      'its producer is fenced',
    );
    await producer.close().catch(() => undefined);
  },
  'changes a dynamic config of a broker': async ({ page, admin, open }) => {
    await open('nodes/1');
    await page.getByRole('searchbox').fill('background.threads');
    await button(page, 'background.threads').click();
    await page.getByRole('textbox', { name: 'Value' }).fill('7');
    await inDialog(page, 'Save').click();
    await gone(page);
    await until(async () => {
      const [described] = await admin.describeConfigs([{ type: 'broker', name: '1' }]);
      return described?.entries.find(({ name }) => name === 'background.threads')?.value === '7';
    }, 'seven threads');
  },
  'gives a quota and a user, and takes the user away': async ({ page, admin, open }) => {
    await open('access?part=quotas');
    await button(page, 'New quota').click();
    await page.getByRole('textbox', { name: 'producer_byte_rate' }).fill('1000000');
    await inDialog(page, 'Save').click();
    await gone(page);
    await until(async () => (await admin.describeClientQuotas()).length === 1, 'a quota');
    await open('access?part=users');
    await button(page, 'New user').click();
    await page.getByRole('textbox', { name: 'User' }).fill('eve');
    await page.getByLabel('Password').fill('eve-pw');
    await inDialog(page, 'Set the password').click();
    await gone(page);
    await until(async () => (await admin.describeScramUsers('all')).length === 1, 'a user');
    await button(page, 'Delete SCRAM-SHA-512').click();
    await page.getByRole('dialog').getByRole('textbox').fill('eve');
    await inDialog(page, 'Delete').click();
    await gone(page);
    await until(async () => (await admin.describeScramUsers('all')).length === 0, 'no user');
  },
  'expands and empties a topic whose name is typed': async (desk) => {
    const { page, admin, open } = desk;
    await open('topics/shop');
    await button(page, 'More partitions').click();
    await inDialog(page, 'More partitions').click();
    await gone(page);
    await until(async () => (await admin.describeTopics(['shop']))[0]?.partitions.length === 3, 'three partitions');
    await button(page, 'Empty').click();
    await page.getByRole('dialog').getByRole('textbox').fill('shop');
    await inDialog(page, 'Empty').click();
    await gone(page);
    const [start] = await admin.listOffsets([{ topic: 'shop', partition: 1, at: 'earliest' }]);
    equal(start?.offset, await endOf(desk, 'shop', 1));
  },
};

/** A cluster to be looked at. */
interface Place {
  readonly bootstrapServers: string;
  readonly name: string;
  close(): Promise<unknown>;
}

async function ours(): Promise<Place> {
  const cluster = await startCluster();
  return { bootstrapServers: cluster.bootstrapServers, name: 'Millrace', close: () => cluster.close() };
}

async function kafka(version: string): Promise<Place> {
  const started = await startApacheKafka({ version });
  return { bootstrapServers: started.bootstrap, name: `Kafka ${version}`, close: () => started.stop() };
}

async function on(browser: Browser, { bootstrapServers, name }: Place): Promise<number> {
  await using admin = new Admin({ bootstrapServers });
  await using producer = new Producer({ bootstrapServers });
  const served = await createConsole({ clusters: { tried: { bootstrapServers } } });
  const origin = `http://localhost:${await served.listen({ port: 0 })}/tried`;
  const page = await browser.newPage({ viewport: { width: 1280, height: 844 }, locale: 'en-US' });
  page.setDefaultTimeout(PATIENCE_MS);
  const faults = new Faults();
  faults.watch(page);
  const open = async (path: string): Promise<void> => void (await page.goto(`${origin}/${path}`));
  let failed = 0;
  for (const [what, attempt] of Object.entries(CASES)) {
    try {
      await attempt({ page, admin, producer, bootstrapServers, open });
      deepEqual(faults.take(), FAULTLESS);
      console.log(`ok      ${name}: ${what}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}: ${what}\n        ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  await page.close();
  await served.close();
  return failed;
}

/** Tries everything on each; how much failed. */
export async function browse(versions: readonly string[]): Promise<number> {
  let failed = 0;
  const browser = await openBrowser();
  try {
    for (const start of versions.length === 0 ? [ours] : versions.map((version) => () => kafka(version))) {
      const place = await start();
      try {
        failed += await on(browser, place);
      } finally {
        await place.close();
      }
    }
  } finally {
    await browser.close();
  }
  return failed;
}
