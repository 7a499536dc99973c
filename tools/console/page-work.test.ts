/** Work with the page in a browser, and what the cluster has afterwards: reading, sending on, rights, and what goes away meanwhile. */
import { readFile } from 'node:fs/promises';
import { Admin } from '@millrace/admin';
import { type Console, createConsole } from '@millrace/console';
import { Producer } from '@millrace/producer';
import { startBroker, startCluster, type TestBroker } from '@millrace/testing';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Cluster } from '../../apps/console/src/clusters/cluster.ts';
import { readRecord } from '../../apps/console/src/messages/read.ts';
import { DETAIL_BYTES_MAX } from '../../apps/console/src/messages/shown.ts';
import { isElsewhere, openTriedCluster, type TriedCluster } from '../../apps/console/src/testing/test-cluster.ts';
import { has } from '../needs/index.ts';
import { KeptPages, openBrowser, STILL } from './browser.ts';
import { FAULTLESS, Faults } from './faults.ts';
import { hindrancesOn } from './hindrances.ts';

const KEY = Buffer.from([0, 0xff, 0xfe, 1, 2]);
const ORDERS = 120;
/** Of a text, of which the page shows a tenth. */
const LARGE_BYTES = 10 * 1024 * 1024;
/** Somebody who waits for the leader of a partition is told so after this long. */
const PATIENCE = { timeout: 30_000 };

describe.skipIf(!has('chromium', import.meta.url))('work in a browser', () => {
  let broker: TriedCluster<TestBroker>;
  let admin: Admin;
  let browser: Browser;
  let pages: KeptPages;
  let origin: string;
  const consoles: Console[] = [];
  const contexts: BrowserContext[] = [];
  const faults = new Faults();

  beforeAll(async () => {
    // Its records are older than what a broker keeps by default.
    const orders = { topic: 'orders', configs: { 'retention.ms': -1 } };
    const large = { topic: 'large', configs: { 'max.message.bytes': LARGE_BYTES + 1000 } };
    const topics = [orders, 'dead', 'mended', 'gone', 'small', large];
    broker = await openTriedCluster(() => startBroker({ topics }), topics);
    const { bootstrapServers } = broker;
    admin = new Admin({ bootstrapServers });
    await using producer = new Producer({ bootstrapServers });
    await producer.sendBatch(
      Array.from({ length: ORDERS }, (_, n) => ({
        topic: 'orders',
        key: `k${n}`,
        value: `{"id":${n}}`,
        timestamp: Date.UTC(2026, 0, 1, 0, n),
      })),
    );
    const headers = [
      { key: 'dead-letter-topic', value: 'mended' },
      { key: 'none', value: null },
    ];
    await producer.send({ topic: 'dead', key: KEY, value: '{"totl":1}', headers });
    await producer.send({ topic: 'small', value: 'x' });
    await using carrier = new Producer({ bootstrapServers, requestBytesMax: LARGE_BYTES * 2 });
    await carrier.send({ topic: 'large', value: 'x'.repeat(LARGE_BYTES) });
    origin = await serve({ clusters: { local: { bootstrapServers } } });
    browser = await openBrowser();
    pages = new KeptPages(browser, faults);
  }, 120_000);

  afterAll(async () => {
    await browser.close();
    for (const each of consoles) await each.close();
    await admin.close();
    await broker.close();
  });

  afterEach(async () => {
    for (const context of contexts.splice(0)) await context.close();
    await pages.clear();
    expect(faults.take()).toEqual(FAULTLESS);
  });

  async function serve(options: Parameters<typeof createConsole>[0]): Promise<string> {
    const served = await createConsole(options);
    consoles.push(served);
    return `http://localhost:${await served.listen({ port: 0 })}`;
  }

  /** A page that is kept, or where it takes another context, one of that for this test. */
  async function open(path: string, options: BrowserContextOptions & { at?: string } = {}): Promise<Page> {
    const { at = origin, ...rest } = options;
    if (Object.keys(rest).length === 0) return pages.open(at + path);
    const viewport = { width: 1280, height: 844 };
    const context = await browser.newContext({ ...STILL, locale: 'en-US', viewport, ...rest });
    contexts.push(context);
    const page = await context.newPage();
    faults.watch(page);
    await page.goto(at + path);
    return page;
  }

  /** Nothing that axe finds hinders anybody. */
  async function faultless(page: Page, what: string): Promise<void> {
    expect(await hindrancesOn(page), what).toEqual([]);
  }

  const rows = (page: Page) => page.locator('table.messages tbody tr');
  const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });

  it('a dead letter goes back with the value that was written, and all else as the bytes it was', async () => {
    const page = await open('/local/topics/dead?m=0-0');
    await button(page, 'Edit and send back').click();
    const dialog = page.getByRole('dialog', { name: 'Send a message: mended' });
    await dialog.getByText('Goes as it is (hex, 5 B)').waitFor();
    await dialog.getByRole('textbox', { name: 'Value' }).first().fill('{"total":1}');
    await dialog.getByRole('button', { name: 'Send', exact: true }).click();
    await dialog.waitFor({ state: 'detached' });
    const cluster = new Cluster('local', { bootstrapServers: broker.bootstrapServers });
    const { rawKey, rawValue, headers } = await readRecord(cluster, { topic: 'mended', partition: 0, offset: 0 });
    await cluster.close();
    expect({ rawKey, rawValue: String(rawValue) }).toEqual({ rawKey: KEY, rawValue: '{"total":1}' });
    expect(headers.map(({ key, value }) => ({ key, value }))).toEqual([{ key: 'none', value: null }]);
  });

  it.skipIf(isElsewhere)(
    'says that a leader does not answer, and reads on when it does',
    async () => {
      const hold = broker.ours.holdNext('Fetch', { times: 1000 });
      const page = await open('/local/topics/orders?from=beginning&q=%22id%22');
      await page.getByText('The leader does not answer: partition 0.').waitFor(PATIENCE);
      expect(await page.getByText('Nothing that was looked at matches').count()).toBe(0);
      hold.remove();
      await button(page, 'Read on').click();
      await expect.poll(() => rows(page).count()).toBe(50);
      expect(await page.getByText('The leader does not answer').count()).toBe(0);
    },
    120_000,
  );

  it.skipIf(isElsewhere)('ends a search where it is, and says how far it was', async () => {
    const page = await open('/local/topics/small');
    await expect.poll(() => rows(page).count()).toBe(1);
    const hold = broker.ours.holdNext('Fetch', { times: 1000 });
    const ended = page.waitForEvent('requestfailed', (request) => request.url().includes('/stream'));
    await page.getByRole('searchbox').fill('nothing');
    await page.keyboard.press('Enter');
    await page.getByText('0 of 1 looked at').waitFor();
    await button(page, 'Stop').click();
    await ended;
    await page.getByText('0 of 1 looked at').waitFor();
    expect(await button(page, 'Stop').count()).toBe(0);
    hold.remove();
  });

  it('has a time, a page of messages, a live tail and the order of a table in addresses that mean the same elsewhere', async () => {
    const seoul = await open('/local/topics/orders', { timezoneId: 'Asia/Seoul' });
    await seoul.getByRole('combobox', { name: 'From' }).selectOption('time');
    // A quarter past ten in Seoul is a quarter past one in Greenwich.
    await seoul.getByLabel('Time', { exact: true }).first().fill('2026-01-01T10:15');
    await seoul.keyboard.press('Enter');
    await expect.poll(() => rows(seoul).first().textContent()).toContain('k75');
    const york = await open('/', { timezoneId: 'America/New_York' });
    await york.goto(seoul.url());
    await expect.poll(() => rows(york).first().textContent()).toContain('k75');
    expect(await york.getByLabel('Time', { exact: true }).first().inputValue()).toContain('2025-12-31T20:15');
    await york.goto(`${origin}/local/topics/orders?from=beginning`);
    await button(york, 'More').click();
    await expect.poll(() => rows(york).first().textContent()).toContain('k50');
    await york.reload();
    await expect.poll(() => rows(york).first().textContent()).toContain('k50');
    await york.goBack();
    await expect.poll(() => rows(york).first().textContent()).toContain('k0');
    await button(york, 'Live').click();
    await york.reload();
    await york.locator('button.live.on').waitFor();
  });

  it('sorts a list, and the address says by what, and which topics there are', async () => {
    const page = await open('/local/topics');
    const first = page.locator('table tbody tr td:first-child a').first();
    await expect.poll(() => first.textContent()).toBe('dead');
    await button(page, 'Records').click();
    await expect.poll(() => first.textContent()).toBe('orders');
    await page.getByRole('checkbox', { name: 'Internal topics' }).check();
    await page.reload();
    await expect.poll(() => first.textContent()).toBe('orders');
    expect(await page.locator('th[aria-sort=descending]').textContent()).toContain('Records');
    expect(await page.getByRole('checkbox', { name: 'Internal topics' }).isChecked()).toBe(true);
    await page
      .getByRole('button', { name: 'Topic', exact: false })
      .filter({ hasText: /^Topic$/ })
      .click();
    await expect.poll(() => first.textContent()).toBe('dead');
  });

  it('has what is looked for among configs, and the one that is open, in the address', {
    timeout: 120_000,
  }, async () => {
    const page = await open('/local/topics/orders?tab=configs');
    await page.getByRole('searchbox').fill('retention');
    await page.getByRole('checkbox', { name: 'Only what was set' }).check();
    await button(page, 'retention.ms').click();
    const dialog = page.getByRole('dialog', { name: 'retention.ms' });
    await dialog.waitFor();
    await page.reload();
    await dialog.waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    expect(await page.getByRole('searchbox').inputValue()).toBe('retention');
    expect(await page.getByRole('checkbox', { name: 'Only what was set' }).isChecked()).toBe(true);
    expect(await page.locator('main tbody tr').count()).toBe(1);
    // What is opened is a step: one goes back from it.
    await button(page, 'retention.ms').click();
    await dialog.waitFor();
    await page.goBack();
    await dialog.waitFor({ state: 'detached' });
    await page.goto(`${origin}/local/nodes/1?q=threads&config=background.threads`);
    await page.getByRole('dialog', { name: 'background.threads' }).waitFor();
  });

  it('says at the field what the cluster would not take, before a topic is made', { timeout: 120_000 }, async () => {
    const page = await open('/local/topics');
    await button(page, 'New topic').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('textbox', { name: 'Name' }).fill('checked');
    const replicas = dialog.getByRole('textbox', { name: 'Replicas' });
    await replicas.fill('9');
    faults.provoke(/400 .*\/api\/clusters\/local\/topics$/);
    await page.keyboard.press('Tab');
    await expect.poll(() => replicas.getAttribute('aria-invalid'), PATIENCE).toBe('true');
    const said = async (id: string | null) => page.locator(`[id="${id}"]`).textContent();
    expect(await said(await replicas.getAttribute('aria-describedby'))).toMatch(/replication factor/i);
    await faultless(page, 'a topic that would not be made');
    await replicas.fill('1');
    expect(await replicas.getAttribute('aria-invalid')).toBeNull();
    await dialog.getByRole('button', { name: 'Add a config' }).click();
    await dialog.getByRole('combobox', { name: 'Name of a config' }).fill('retention.ms');
    const value = dialog.getByRole('textbox', { name: 'Value' });
    await value.fill('never');
    await page.keyboard.press('Tab');
    await expect.poll(() => value.getAttribute('aria-invalid'), PATIENCE).toBe('true');
    expect(await said(await value.getAttribute('aria-describedby'))).toContain('never');
    expect(await admin.listTopics()).not.toContain('checked');
    await value.fill('86400000');
    await button(page, 'Create').click();
    await dialog.waitFor({ state: 'detached' });
    await expect.poll(() => admin.listTopics()).toContain('checked');
    await admin.deleteTopics(['checked']);
  });

  it('makes a quota for a user and a client together', async () => {
    const page = await open('/local/access?part=quotas');
    await button(page, 'New quota').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('combobox', { name: 'For' }).selectOption('user + client-id');
    await dialog.getByRole('textbox', { name: 'Name: user' }).fill('eve');
    await dialog.getByRole('textbox', { name: 'Name: client-id' }).fill('app');
    await dialog.getByRole('textbox', { name: 'producer_byte_rate' }).fill('1000');
    await button(page, 'Save').click();
    await dialog.waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'user eve · client-id app' }).waitFor();
    const entity = [
      { type: 'user' as const, name: 'eve' },
      { type: 'client-id' as const, name: 'app' },
    ];
    await expect
      .poll(() => admin.describeClientQuotas())
      .toMatchObject([{ entity: expect.arrayContaining(entity), values: { producer_byte_rate: 1000 } }]);
    await admin.alterClientQuotas([{ entity, unset: ['producer_byte_rate'] }]);
  });

  it('is led to the search by a slash, which is a slash where one types', async () => {
    const page = await open('/local/topics');
    const search = page.getByRole('searchbox');
    await search.waitFor();
    await page.locator('main').focus();
    await page.keyboard.press('/');
    await page.locator('input[type=search]:focus').waitFor();
    await page.keyboard.type('a/b');
    expect(await search.inputValue()).toBe('a/b');
  });

  it('gives the messages that are on the page as files', async () => {
    const page = await open('/local/topics/dead');
    await expect.poll(() => rows(page).count()).toBe(1);
    const fileOf = async (name: string): Promise<string> => {
      const download = page.waitForEvent('download');
      await button(page, name).click();
      return readFile(await (await download).path(), 'utf8');
    };
    expect(JSON.parse(await fileOf('JSON lines'))).toMatchObject({
      ...{ partition: 0, offset: 0, key: '00fffe0102', keyAs: 'hex', value: '{"totl":1}' },
      headers: [
        ['dead-letter-topic', 'mended'],
        ['none', null],
      ],
    });
    const [head, line] = (await fileOf('CSV')).split('\r\n');
    expect(head).toBe('partition,offset,timestamp,key,value,headers,notes');
    expect(line).toMatch(/^0,0,\d+,00fffe0102,"\{""totl"":1\}","\[\[""dead-letter-topic"",""mended""\],.*",key hex$/);
  });

  it('shows of a text of 10 MB a part, and copies all of it', async () => {
    const page = await open('/local/topics/large', { permissions: ['clipboard-read', 'clipboard-write'] });
    await button(page, '0:0').click();
    const shown = page.getByRole('dialog').locator('pre');
    await shown.waitFor();
    expect((await shown.textContent())?.length).toBe(DETAIL_BYTES_MAX);
    await button(page, 'Copy').click();
    const copied = () =>
      page.evaluate<number>(
        "navigator.clipboard.read().then(async ([item]) => (await item?.getType('text/plain'))?.size ?? 0)",
      );
    await expect.poll(copied, PATIENCE).toBe(LARGE_BYTES);
    await page.context().close();
  });

  it('gives all that a search finds as a file, which is more than the page, and says how far it is', async () => {
    const page = await open('/local/topics/orders?from=beginning');
    await expect.poll(() => rows(page).count()).toBe(50);
    await button(page, 'Everything as a file').click();
    const dialog = page.getByRole('dialog');
    const download = page.waitForEvent('download');
    await dialog.getByRole('button', { name: 'Download' }).click();
    const file = await download;
    expect(file.suggestedFilename()).toBe('orders.jsonl');
    const text = await readFile(await file.path(), 'utf8');
    const ids = text.trimEnd().split('\n');
    expect(ids.map((line) => (JSON.parse(line) as { key: string }).key)).toEqual(
      Array.from({ length: ORDERS }, (_, n) => `k${n}`),
    );
    await dialog.getByText(`The file is whole: ${ORDERS} messages`).waitFor();
    await page.setViewportSize({ width: 390, height: 844 });
    expect(await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
    await faultless(page, 'a file that is whole');
  });

  it.skipIf(isElsewhere)('stops a file that is being written, and says that it is not whole', async () => {
    const page = await open('/local/topics/small');
    await expect.poll(() => rows(page).count()).toBe(1);
    const hold = broker.ours.holdNext('Fetch', { times: 1000 });
    await button(page, 'Everything as a file').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('combobox', { name: 'Format' }).selectOption('csv');
    await dialog.getByRole('button', { name: 'Download' }).click();
    await dialog.getByText('0 of 1 looked at').waitFor();
    await dialog.getByRole('button', { name: 'Stop' }).click();
    await dialog.getByText('the file is not whole').waitFor();
    hold.remove();
  });

  it('says that a topic is deleted while one looks at it', async () => {
    const page = await open('/local/topics/gone');
    await page.getByText('No message here.').waitFor();
    faults.provoke(/404 .*\/topics\/gone/);
    await admin.deleteTopics(['gone']);
    await page.getByText('There is no topic gone in local').waitFor(PATIENCE);
  });

  it('offers what somebody may do, and nothing else', async () => {
    const users = [
      { name: 'eve', password: 'pw', role: 'viewer' as const },
      { name: 'ed', password: 'pw', role: 'editor' as const },
    ];
    const clusters = { local: { bootstrapServers: broker.bootstrapServers } };
    const [asked, shown] = [await serve({ clusters, users }), await serve({ clusters, isReadOnly: true })];
    const offered = async (at: string, username?: string): Promise<string[]> => {
      const httpCredentials = username === undefined ? {} : { httpCredentials: { username, password: 'pw' } };
      const page = await open('/local/topics/small?m=0-0', { at, ...httpCredentials });
      await page.locator('dialog pre').first().waitFor();
      const names = await page.locator('.actions button, dialog footer button').allTextContents();
      if (username === undefined) await page.getByText('read-only', { exact: true }).waitFor();
      // Who it is stands above every page, whichever way he has logged in.
      expect(await page.locator('header .who').allTextContents()).toEqual(username === undefined ? [] : [username]);
      return names;
    };
    expect(await offered(asked, 'eve')).toEqual([]);
    expect(await offered(asked, 'ed')).toEqual(['Send a message', 'Send again', 'Edit and send', 'Copy to a topic']);
    expect(await offered(shown)).toEqual([]);
    expect((await fetch(asked, { headers: { authorization: `Basic ${btoa('eve:wrong')}` } })).status).toBe(401);
  });

  it.skipIf(isElsewhere)('makes a rule of access and takes it away, whole and no other', async () => {
    await using secure = await startBroker({
      users: { root: 'root-pw' },
      acls: [
        { user: 'root', operation: 'all', cluster: true },
        { user: 'root', operation: 'all', topic: '*' },
      ],
    });
    const connection = {
      bootstrapServers: secure.bootstrapServers,
      sasl: { mechanism: 'PLAIN', username: 'root', password: 'root-pw' } as const,
    };
    await using root = new Admin(connection);
    const before = await root.describeAcls();
    const page = await open('/secure/access', { at: await serve({ clusters: { secure: connection } }) });
    await button(page, 'New rule').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('textbox', { name: 'Who' }).fill('User:eve');
    await dialog.getByRole('combobox', { name: 'Permission' }).selectOption('deny');
    await dialog.getByRole('combobox', { name: 'What', exact: true }).selectOption('write');
    await dialog.getByRole('textbox', { name: 'Name', exact: true }).fill('orders-');
    await dialog.getByRole('checkbox', { name: 'Every name that begins so' }).check();
    await dialog.getByRole('button', { name: 'Create' }).click();
    await dialog.waitFor({ state: 'detached' });
    const made = { resourceName: 'orders-', patternType: 'prefixed', operation: 'write', permission: 'deny' };
    expect(await root.describeAcls({ principal: 'User:eve' })).toMatchObject([made]);
    await page.getByRole('row', { name: /User:eve/ }).waitFor();
    await page.getByRole('searchbox').fill('orders-');
    await page.reload();
    await page.getByRole('row', { name: /User:eve/ }).waitFor();
    expect(await page.getByRole('searchbox').inputValue()).toBe('orders-');
    await faultless(page, 'rules');
    await page
      .getByRole('row', { name: /User:eve/ })
      .getByRole('button', { name: 'Delete' })
      .click();
    await dialog.getByText('User:eve deny write topic orders-* *').waitFor();
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('row', { name: /User:eve/ }).waitFor({ state: 'detached' });
    expect(await root.describeAcls()).toEqual(before);
    await root.alterClientQuotas([{ entity: [{ type: 'user', name: 'eve' }], set: { producer_byte_rate: 1e6 } }]);
    await page.getByRole('link', { name: 'Quotas' }).click();
    await page.getByRole('row', { name: /eve/ }).waitFor();
    await faultless(page, 'quotas');
    await pages.clear();
  });

  it.skipIf(isElsewhere)(
    'goes on to show what comes when the broker is gone that it came from',
    async () => {
      await using brokers = await startCluster({ topics: ['tailed'] });
      const { bootstrapServers } = brokers;
      const page = await open('/three/topics/tailed?live=true', {
        at: await serve({ clusters: { three: { bootstrapServers } } }),
      });
      await using producer = new Producer({ bootstrapServers });
      await expect
        .poll(async () => {
          await producer.send({ topic: 'tailed', value: 'before' });
          return rows(page).count();
        })
        .toBeGreaterThan(0);
      await brokers.kill(await brokers.leaderOf('tailed'));
      await producer.send({ topic: 'tailed', value: 'after' });
      await rows(page).filter({ hasText: 'after' }).waitFor(PATIENCE);
      await pages.clear();
    },
    120_000,
  );

  it('says of a burst how much of it has left the page, and goes on after a cut with what has come meanwhile', async () => {
    const { bootstrapServers } = broker;
    const clusters = { local: { bootstrapServers } };
    await admin.createTopics([{ topic: 'cut', partitions: 1 }]);
    const first = await createConsole({ clusters });
    const port = await first.listen({ port: 0 });
    const page = await open('/local/topics/cut?live=true', { at: `http://localhost:${port}` });
    await using producer = new Producer({ bootstrapServers });
    const send = (from: number, count: number) =>
      producer.sendBatch(Array.from({ length: count }, (_, n) => ({ topic: 'cut', value: `number ${from + n}` })));
    let sent = 0;
    await expect
      .poll(async () => {
        await send(sent, 1);
        sent += 1;
        return rows(page).count();
      }, PATIENCE)
      .toBeGreaterThan(0);
    // Those that came before anybody listened are not of the tail.
    const unheard = sent - (await rows(page).count());
    await send(sent, 700);
    sent += 700;
    await rows(page)
      .filter({ hasText: `number ${sent - 1}` })
      .waitFor(PATIENCE);
    expect(await rows(page).count()).toBe(500);
    await page.getByText(`${sent - unheard - 500} older messages are not on the page any more`).waitFor();
    // The server is gone for a while, and another one in its place, which knows of the tail what the browser tells.
    await first.close();
    await send(sent, 30);
    sent += 30;
    faults.provoke(/net::ERR_/);
    const second = await createConsole({ clusters });
    consoles.push(second);
    await second.listen({ port });
    await rows(page)
      .filter({ hasText: `number ${sent - 1}` })
      .waitFor(PATIENCE);
    await page.getByText(`${sent - unheard - 500} older messages are not on the page any more`).waitFor();
    const shown = await rows(page).allTextContents();
    expect(shown.map((text) => Number(/number (\d+)/.exec(text)?.[1]))).toEqual(
      Array.from({ length: 500 }, (_, n) => sent - 1 - n),
    );
  }, 120_000);

  it.each([
    ['light', 390],
    ['dark', 1280],
  ] as const)(
    'is for everybody in %s at %d, with its dialogs open too',
    async (colorScheme, width) => {
      await admin.alterGroupOffsets('billing', [{ topic: 'orders', partition: 0, offset: 1 }]);
      const page = await open('/local/topics', { colorScheme, viewport: { width, height: 844 } });
      for (const path of [
        '/local/overview',
        '/local/topics',
        '/local/groups/billing',
        '/local/nodes',
        '/local/access',
      ]) {
        await page.goto(origin + path);
        await page.locator('main table, main .empty').first().waitFor();
        await faultless(page, path);
      }
      const dialogs: readonly (readonly [path: string, press: () => Promise<void>])[] = [
        ['/local/topics', () => button(page, 'New topic').click()],
        ['/local/topics/orders', () => button(page, 'Send a message').click()],
        ['/local/topics/dead?m=0-0', () => button(page, 'Edit and send').click()],
        ['/local/topics/orders?tab=configs', () => button(page, 'retention.ms').click()],
        ['/local/groups/billing', () => button(page, 'Reset offsets').click()],
        ['/local/topics', () => page.keyboard.press('Control+k')],
      ];
      for (const [path, press] of dialogs) {
        await page.goto(origin + path);
        await page.locator('main table').first().waitFor();
        await press();
        await page.getByRole('dialog').last().waitFor();
        await faultless(page, `a dialog on ${path}`);
      }
    },
    120_000,
  );
});
