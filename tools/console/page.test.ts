/** The page in a browser: each page without a fault, usable by everybody, in both themes and widths. */
import { Admin } from '@millrace/admin';
import { type Console, createConsole } from '@millrace/console';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { startCluster, type TestCluster } from '@millrace/testing';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isElsewhere, openTriedCluster, type TriedCluster } from '../../apps/console/src/testing/test-cluster.ts';
import { has } from '../needs/index.ts';
import { KeptPages, type Look, openBrowser } from './browser.ts';
import { FAULTLESS, Faults } from './faults.ts';
import { hindrancesOn } from './hindrances.ts';

const SCRIPT = '<script>document.title = "ran"</script><img src=x onerror="document.title = \'ran\'">';

/** What changes by itself is looked at every few seconds. */
const LIVE = { timeout: 20_000 };

/** What can be pressed above every page and is not in sight; of the pages' names, which may be scrolled, the one where one is. */
const OUTSIDE = `[...document.querySelectorAll('header.bar button, header.bar .brand, header.bar [aria-current]')]
  .filter((each) => each.getBoundingClientRect().left < 0 || each.getBoundingClientRect().right > innerWidth)
  .map((each) => each.textContent)`;
/** Short texts of tables that take more than one line. */
const BROKEN = `[...document.querySelectorAll('td')].flatMap((cell) => {
  const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  const broken = [];
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(node);
    const tops = new Set([...range.getClientRects()].map(({ top }) => Math.round(top)));
    if (/^\\S{1,22}$/.test(node.data) && tops.size > 1) broken.push(node.data);
  }
  return broken;
})`;
/** By how much the widest of the tables is wider than its place. */
const TABLES_OVERFLOW =
  "Math.max(...[...document.querySelectorAll('section.table')].map((each) => each.scrollWidth - each.clientWidth))";
/** Columns that the last line of figures leaves empty. */
const LONELY_FIGURES = `(() => {
  const lines = Map.groupBy(document.querySelectorAll('.figures > div'), (each) => each.offsetTop);
  return Math.max(0, ...[...lines.values()].map(({ length }) => length)) - ([...lines.values()].at(-1)?.length ?? 0);
})()`;

/** The cards of the map in their order, each with the brokers of its lines. */
const MAP_PLACES = `[...document.querySelectorAll('.map figure')].map((card) =>
  [card.querySelector('figcaption').textContent, ...[...card.querySelectorAll('.line small')].map((each) => each.textContent)].join(' '))`;
const ownLast = (a = '', b = ''): number =>
  Number(a.startsWith('__')) - Number(b.startsWith('__')) || a.localeCompare(b);

describe.skipIf(!has('chromium', import.meta.url))('in a browser', () => {
  let cluster: TriedCluster<TestCluster>;
  let served: Console;
  let browser: Browser;
  let pages: KeptPages;
  let admin: Admin;
  let origin: string;
  const faults = new Faults();

  beforeAll(async () => {
    const topics = [{ topic: 'orders', partitions: 3 }, 'hostile', 'sold'];
    cluster = await openTriedCluster(() => startCluster({ topics }), topics);
    const { bootstrapServers } = cluster;
    admin = new Admin({ bootstrapServers });
    await using producer = new Producer({ bootstrapServers });
    const orders = Array.from({ length: 120 }, (_, n) => ({ topic: 'orders', key: `k${n}`, value: `{"id":${n}}` }));
    await producer.sendBatch([
      ...orders,
      { topic: 'hostile', key: SCRIPT, value: SCRIPT, headers: { [SCRIPT]: SCRIPT } },
    ]);
    await using transactional = new Producer({ bootstrapServers, transactionalId: 'shop' });
    const transaction = await transactional.begin();
    await transaction.send({ topic: 'sold', value: 'never mind' });
    await transaction.abort();
    await admin.alterGroupOffsets('billing', [{ topic: 'orders', partition: 0, offset: 1 }]);
    await admin.alterGroupOffsets('warehouse-of-the-whole-north', [{ topic: 'orders', partition: 0, offset: 0 }]);
    served = await createConsole({ clusters: { local: { bootstrapServers } } });
    origin = `http://localhost:${await served.listen({ port: 0 })}`;
    browser = await openBrowser();
    pages = new KeptPages(browser, faults);
  }, 60_000);

  afterAll(async () => {
    await browser.close();
    await served.close();
    await admin.close();
    await cluster.close();
  });

  afterEach(async () => {
    await pages.clear();
    expect(faults.take()).toEqual(FAULTLESS);
  });

  const open = (path: string, look?: Look): Promise<Page> => pages.open(origin + path, look);

  it.each([
    ['/local/overview', 'figure'],
    ['/local/topics', 'text=orders'],
    ['/local/topics/orders', 'table.messages tbody tr'],
    ['/local/topics/orders?tab=partitions', '.replica'],
    ['/local/topics/orders?tab=configs', 'text=retention.ms'],
    ['/local/topics/orders?tab=readers', 'text=billing'],
    ['/local/topics/hostile?m=0-0', 'dialog pre'],
    ['/local/topics/sold', 'tr.aborted .outcome'],
    ['/local/topics/sold?m=0-0', 'text=transaction aborted', 'text=트랜잭션 중단됨'],
    ['/local/topics/sold?m=0-1', 'text=Abort marker', 'text=중단 마커'],
    ['/local/groups', 'text=billing'],
    ['/local/groups/billing', 'text=orders'],
    ['/local/nodes/1', 'table code'],
    ['/local/nodes', 'section.table + h2 + section.table'],
    ['/local/transactions', 'text=shop'],
    ['/local/access', '.empty'],
  ])(
    '%s is whole, without a fault, for everybody, on a desk and in a hand',
    async (path, there, thereInKorean = there) => {
      for (const [look, seen] of [
        [{}, there],
        [{ theme: 'dark', width: 390, locale: 'ko-KR' }, thereInKorean],
      ] as const) {
        const page = await open(path, look);
        await page.waitForSelector(seen);
        const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
        expect(overflow).toBeLessThanOrEqual(0);
        expect(await hindrancesOn(page)).toEqual([]);
      }
    },
  );

  it.each(['en-US', 'ko-KR'])('has all its buttons within the page at every width, in %s', async (locale) => {
    const page = await open('/local/nodes/1', { locale });
    await page.waitForSelector('table code');
    for (const width of [320, 390, 600, 720, 820, 1000, 1080, 1280, 1920]) {
      await page.setViewportSize({ width, height: 844 });
      await expect.poll(() => page.evaluate<string[]>(OUTSIDE), { message: `at ${width}` }).toEqual([]);
    }
  });

  it('breaks no short word or number of a table, and no figure stands alone, in a hand or on a tablet', async () => {
    const page = await open('/local/topics/orders?tab=configs');
    for (const [path, there] of [
      ['/local/topics/orders?tab=configs', 'text=retention.ms'],
      ['/local/topics/orders?tab=partitions', '.replica'],
      ['/local/overview', 'figure'],
      ['/local/nodes', 'section.table + h2 + section.table'],
    ] as const) {
      await page.goto(origin + path);
      await page.waitForSelector(there);
      for (const width of [390, 820]) {
        await page.setViewportSize({ width, height: 844 });
        expect(await page.evaluate<string[]>(BROKEN), `${path} at ${width}`).toEqual([]);
        expect(await page.evaluate<number>(LONELY_FIGURES), `${path} at ${width}`).toBe(0);
      }
    }
  });

  it('has what a topic lags within its table at every width, in a hand by the slowest group and how many more there are', async () => {
    const page = await open('/local/topics', { width: 390 });
    await page.getByText('+1', { exact: true }).filter({ visible: true }).waitFor();
    for (const width of [390, 820, 1280]) {
      await page.setViewportSize({ width, height: 844 });
      expect(await page.evaluate<number>(TABLES_OVERFLOW), `at ${width}`).toBeLessThanOrEqual(0);
    }
    await page.setViewportSize({ width: 390, height: 844 });
    // Whose it is stays in the name of the link.
    await page.getByRole('link', { name: /^warehouse-of-the-whole-north \d+$/ }).click();
    await page.waitForURL('**/groups/warehouse-of-the-whole-north');
  });

  it('tells what a config means where it cannot be changed, and what its numbers stand for', async () => {
    const page = await open('/local/nodes/1');
    // A list is drawn as far as it is seen, and other brokers have more in it.
    await page.getByRole('searchbox').first().fill('broker.id');
    await page.getByRole('button', { name: 'broker.id', exact: true }).click();
    const dialog = page.getByRole('dialog', { name: 'broker.id' });
    await dialog.locator('.note').waitFor();
    expect(await dialog.getByRole('button').count()).toBe(1);
    await page.goto(`${origin}/local/topics/orders?tab=configs`);
    await page.getByRole('row', { name: 'retention.ms 604800000 7 d' }).first().waitFor();
  });

  it('tells the times of lists in UTC to who has a keyboard or a finger alone, and the next time too', async () => {
    const page = await open('/local/topics/orders', { width: 390 });
    const time = page.locator('table.messages tbody time').first();
    const shown = async (): Promise<string> => (await time.textContent()) ?? '';
    await time.waitFor();
    expect(await shown()).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/);
    const inUtc = (await time.getAttribute('title'))?.replace('T', ' ') ?? '';
    await page.getByRole('button', { name: 'Times in UTC' }).focus();
    await page.keyboard.press('Enter');
    await expect.poll(shown).toBe(inUtc);
    expect(await page.evaluate<number>(TABLES_OVERFLOW)).toBeLessThanOrEqual(0);
    await page.goto(`${origin}/local/groups/billing`);
    await page.getByRole('button', { name: 'Times in UTC', pressed: true }).waitFor();
    await expect.poll(() => page.locator('td time').first().textContent()).toMatch(/Z$/);
    await page.goto(`${origin}/local/transactions`);
    await page.getByRole('button', { name: 'Times in UTC', pressed: true }).click();
    await page.goto(`${origin}/local/topics/orders`);
    await time.waitFor();
    expect(await shown()).not.toMatch(/Z$/);
  });

  it('shows values that are scripts as text', async () => {
    const page = await open('/local/topics/hostile?m=0-0');
    await page.waitForSelector('dialog pre');
    expect(await page.locator('dialog pre').allTextContents()).toEqual([SCRIPT, SCRIPT]);
    expect(await page.title()).not.toBe('ran');
  });

  it('opens a message wherever its row is clicked', async () => {
    const page = await open('/local/topics/hostile');
    await page.locator('table.messages tbody tr').first().locator('td').last().click();
    await page.waitForSelector('dialog pre');
    expect(page.url()).toMatch(/[?&]m=0-\d/);
  });

  it('makes a topic, sends a message to it and deletes it by its name, and the cluster knows', async () => {
    // The cluster is asked what it would not take when a field is left.
    faults.excuse(/400 .*\/api\/clusters\/local\/topics$/);
    const page = await open('/local/topics');
    await page.getByRole('button', { name: 'New topic' }).click();
    await page.getByRole('textbox', { name: 'Name' }).fill('by-hand');
    await page.getByRole('button', { name: 'Add a config' }).click();
    const config = page.getByRole('combobox', { name: 'Name of a config' });
    // What it may be called is offered, what it does and what holds without it are told, and the number is told in words.
    await page.locator('datalist option[value="retention.ms"]').waitFor({ state: 'attached' });
    await config.fill('retention.mss');
    await page.getByText('knows no config of that name').waitFor();
    await config.fill('retention.ms=172800000');
    await page.getByText('2 d.', { exact: false }).waitFor();
    await page.getByText('by default: 604800000').waitFor();
    await page.getByRole('button', { name: 'Create' }).click();
    await page.getByRole('link', { name: 'by-hand' }).click();
    const [made] = await admin.describeConfigs([{ type: 'topic', name: 'by-hand' }]);
    expect(made?.entries.find(({ name }) => name === 'retention.ms')).toMatchObject({
      value: '172800000',
      source: 'topic',
    });
    await page.getByRole('button', { name: 'Send a message' }).click();
    await page.getByRole('textbox', { name: 'Value' }).fill('hello');
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.waitForSelector('dialog', { state: 'detached' });
    const ends = await admin.listOffsets([{ topic: 'by-hand', partition: 0, at: 'latest' }]);
    expect(ends[0]?.offset).toBe(1);
    // The list is read from a stream, which ended before it was sent.
    await page.locator('table.messages').getByText('hello').waitFor();
    await page.getByRole('button', { name: 'Delete' }).click();
    const really = page.getByRole('dialog').getByRole('button', { name: 'Delete' });
    expect(await really.isDisabled()).toBe(true);
    await page.getByRole('dialog').getByRole('textbox').fill('by-hand');
    // On a busy machine the page may ask for the topic once more before it hears that it is gone.
    faults.excuse(/404 .*\/topics\/by-hand/);
    await really.click();
    await page.waitForURL('**/local/topics');
    await expect.poll(() => admin.listTopics()).not.toContain('by-hand');
  });

  it('lists and searches all topics before anybody has counted what is in them', async () => {
    const page = await open('/');
    await page.route('**/topic-figures', () => undefined);
    await page.goto(`${origin}/local/topics`);
    await page.getByRole('link', { name: 'orders' }).waitFor();
    await page.getByRole('searchbox').fill('hos');
    await page.getByRole('link', { name: 'orders' }).waitFor({ state: 'detached' });
    await page.getByRole('link', { name: 'hostile' }).waitFor();
  });

  it('offers nothing to do with a topic that there is not, and leads to those that there are', async () => {
    const page = await open('/local/topics/no-such-topic');
    await page.getByText(/There is no topic no-such-topic/).waitFor();
    expect(await page.locator('main button').allTextContents()).toEqual([]);
    await page.locator('main').getByRole('link').click();
    await page.waitForURL('**/local/topics');
    faults.provoke(/404 .*\/topics\/no-such-topic/);
  });

  it('shows keys beside their values where there is no room for a column of their own', async () => {
    const page = await open('/local/topics/orders', { width: 420 });
    await page.waitForSelector('table.messages tbody tr');
    const shown = page.locator('table.messages td code').filter({ visible: true });
    await expect
      .poll(async () => (await shown.allTextContents()).filter((text) => /^\s*k\d+$/.test(text)).length)
      .toBe(50);
    expect(await shown.count()).toBe(100);
  });

  it("draws a partition's lag when it is chosen, and the address says which", async () => {
    const page = await open('/local/groups/billing');
    await page.getByRole('link', { name: 'Lag of orders 0' }).click();
    await page.getByRole('heading', { name: 'Lag of orders 0' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Lag of orders 0' }).waitFor();
    await page.setViewportSize({ width: 390, height: 844 });
    expect(await page.evaluate<number>(TABLES_OVERFLOW)).toBeLessThanOrEqual(0);
    await page.getByRole('link', { name: 'Whole group' }).click();
    await page.waitForURL('**/local/groups/billing');
  });

  it('has lags of groups come on by themselves, and tells none from one that is not known', async () => {
    const { bootstrapServers } = cluster;
    const [end] = await admin.listOffsets([{ topic: 'orders', partition: 0, at: 'latest' }]);
    const last = end?.offset ?? 0;
    const commit = (offset: number) => admin.alterGroupOffsets('moving', [{ topic: 'orders', partition: 0, offset }]);
    await commit(last - 3);
    const consumer = new Consumer({ bootstrapServers, groupId: 'unsure', autoCommit: false });
    consumer.subscribe('sold');
    const reading = consumer[Symbol.asyncIterator]().next();
    await consumer.joined;
    const page = await open('/local/groups');
    const lagOf = (group: string) =>
      page.getByRole('row').filter({ hasText: group }).locator('td').nth(3).textContent();
    await expect.poll(() => lagOf('moving'), LIVE).toBe('3');
    await expect.poll(() => lagOf('unsure'), LIVE).toBe('?');
    await commit(last);
    await expect.poll(() => lagOf('moving'), LIVE).toBe('0');
    expect(await lagOf('unsure')).toBe('?');
    await consumer.close();
    await reading.catch(() => undefined);
    await admin.deleteGroups(['moving']);
  });

  it('moves offsets only where it was shown that they would go', async () => {
    const page = await open('/local/groups/billing');
    await page.getByRole('button', { name: 'Reset offsets' }).click();
    const apply = page.getByRole('button', { name: 'Move the offsets' });
    await page.getByRole('button', { name: 'Show where it goes' }).click();
    await page.locator('table.plan').waitFor();
    await expect.poll(() => apply.isEnabled()).toBe(true);
    await page.getByRole('combobox', { name: 'To', exact: true }).selectOption('time');
    await expect.poll(() => apply.isEnabled()).toBe(false);
    // A time that can be changed, and not one of the year 2000 that nobody sees.
    expect(await page.getByRole('textbox', { name: 'Time' }).inputValue()).toMatch(/^20[2-9]\d-/);
  });

  it('moves no offset elsewhere than was shown: it says so, and shows where it would go now', async () => {
    const commit = (offset: number) => admin.alterGroupOffsets('shown', [{ topic: 'orders', partition: 0, offset }]);
    await commit(1);
    const page = await open('/local/groups/shown');
    await page.getByRole('button', { name: 'Reset offsets' }).click();
    await page.getByRole('combobox', { name: 'To', exact: true }).selectOption('earliest');
    await page.getByRole('button', { name: 'Show where it goes' }).click();
    const first = page.locator('table.plan tbody tr').first();
    await expect.poll(() => first.textContent()).toBe('010');
    await commit(2);
    await page.getByRole('button', { name: 'Move the offsets' }).click();
    await page.getByRole('alert').getByText('Nothing was moved: partition 0 of orders').waitFor();
    await expect.poll(() => first.textContent()).toBe('020');
    expect(await admin.listGroupOffsets('shown')).toMatchObject([{ partition: 0, offset: 2 }]);
    faults.provoke(/409 .*\/reset$/);
    await page.getByRole('button', { name: 'Move the offsets' }).click();
    await page.waitForSelector('dialog', { state: 'detached' });
    const offsets = await admin.listGroupOffsets('shown');
    expect(offsets.find(({ partition }) => partition === 0)?.offset).toBe(0);
    await admin.deleteGroups(['shown']);
  });

  it('forgets what a group has committed in a topic when its name is typed', async () => {
    await admin.alterGroupOffsets('forgets', [{ topic: 'orders', partition: 0, offset: 1 }]);
    const page = await open('/local/groups/forgets');
    await page.getByRole('button', { name: 'Reset offsets' }).click();
    await page.getByRole('button', { name: 'Forget this topic' }).click();
    const dialog = page.getByRole('dialog', { name: 'Forget this topic' });
    const really = dialog.getByRole('button', { name: 'Forget this topic' });
    expect(await really.isDisabled()).toBe(true);
    await dialog.getByRole('textbox').fill('orders');
    await really.click();
    await expect.poll(async () => (await admin.listGroupOffsets('forgets')).length).toBe(0);
    // Without commits and members there is no such group any more; Kafka 4 keeps it.
    const isGone = !(await admin.listGroups()).some(({ groupId }) => groupId === 'forgets');
    expect(isGone || isElsewhere).toBe(true);
    if (isGone) {
      faults.provoke(/404 .*\/groups\/forgets/);
      await page.getByText('There is no group forgets').waitFor();
    }
  });

  it('has the offset of each partition to be changed, and moves those that were', async () => {
    const page = await open('/local/groups/billing');
    await page.getByRole('button', { name: 'Reset offsets' }).click();
    await page.getByRole('combobox', { name: 'To', exact: true }).selectOption('each');
    const offset = page.getByRole('spinbutton', { name: 'Offset 0' });
    expect(await offset.inputValue()).toBe('1');
    await offset.fill('3');
    await page.getByRole('button', { name: 'Show where it goes' }).click();
    await page.locator('table.plan:not(.each) tbody').waitFor();
    expect(await page.locator('table.plan:not(.each) tbody tr').allTextContents()).toEqual(['013']);
    await page.getByRole('button', { name: 'Move the offsets' }).click();
    await page.waitForSelector('dialog', { state: 'detached' });
    expect(await admin.listGroupOffsets('billing')).toMatchObject([{ topic: 'orders', partition: 0, offset: 3 }]);
  });

  it('offers the topics that there are to who copies a message', async () => {
    const page = await open('/local/topics/orders?m=0-0');
    await page.getByRole('button', { name: 'Copy to a topic' }).click();
    const topic = page.getByRole('combobox', { name: 'Topic', exact: true });
    await topic.fill('HOS');
    await expect
      .poll(() =>
        page.locator('dialog datalist option').evaluateAll((all) => all.map((each) => each.getAttribute('value'))),
      )
      .toEqual(['hostile']);
  });

  it('leads to a topic by keyboard alone', async () => {
    const page = await open('/local/overview');
    await page.waitForSelector('figure');
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: /Go to/ }).fill('hostile');
    await page.getByRole('option', { name: 'hostile' }).waitFor();
    await page.keyboard.press('Enter');
    await page.waitForURL('**/local/topics/hostile');
  });

  it('leads to groups whatever they are called, and shows what nobody would see in a name', async () => {
    const long = '길'.repeat(2500);
    const names = ['..', ' ', '~a/b?%2e#', `x\u{202E}y\u{200B}z`, long];
    for (const name of names) await admin.alterGroupOffsets(name, [{ topic: 'orders', partition: 1, offset: 2 }]);
    const page = await open('/local/groups');
    const headings = ['..', '" "', '~a/b?%2e#', 'x‹U+202E›y‹U+200B›z', `${'길'.repeat(160)}…`];
    for (const heading of headings) {
      await page.getByRole('link', { name: heading, exact: true }).click();
      await page.getByRole('heading', { level: 1, name: heading, exact: true }).waitFor();
      // An address stands by itself.
      await page.reload();
      await page.getByRole('heading', { level: 1, name: heading, exact: true }).waitFor();
      await page.getByRole('link', { name: 'Groups', exact: true }).click();
    }
    await page.getByRole('link', { name: headings[3] ?? '', exact: true }).click();
    await page.getByRole('button', { name: 'Delete' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('textbox').fill(headings[3] ?? '');
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await page.waitForURL('**/local/groups');
    expect(await admin.listGroups()).not.toContainEqual(expect.objectContaining({ groupId: names[3] }));
    await admin.deleteGroups(names.filter((_, index) => index !== 3));
  });

  it('answers addresses of what there is not in words, and never with a number that is none', async () => {
    const page = await open('/local/nodes');
    faults.provoke(/404 .*\/brokers\/77\//, /404 .*\/groups\/nobodys/, /400 .*partition=abc/);
    for (const [path, said] of [
      ['/local/nodes/abc', 'There is no such broker'],
      ['/local/nodes/77', 'Broker 77 is not in local'],
      ['/local/groups/nobodys', 'There is no group nobodys'],
      ['/local/topics/orders?m=abc', 'There is no such message'],
      ['/local/topics/orders?tab=abc', 'JSON lines'],
      ['/local/topics/orders?partition=abc', 'partition: is no number'],
    ] as const) {
      await page.goto(origin + path);
      await page.locator(`main >> text=${said}`).filter({ visible: true }).first().waitFor();
      expect(await page.locator('body').textContent(), path).not.toMatch(/NaN|undefined/);
    }
  });

  it('says in Korean what the server and the cluster refuse, with their own words beside it where they have no others', async () => {
    const page = await open('/local/groups/nobodys', { locale: 'ko-KR' });
    faults.provoke(/404 .*\/groups\/nobodys/, /400 .*\/local\/topics$/);
    await page.getByText('local에 nobodys 그룹이 없습니다').waitFor();
    await page.goto(`${origin}/local/topics/orders?q=total&as=jsonpath`);
    await page.getByText('경로는 $.customer.id = 7처럼 $로 시작합니다').waitFor();
    await page.goto(`${origin}/local/topics`);
    await page.getByRole('button', { name: '새 토픽' }).click();
    await page.getByRole('textbox', { name: '이름' }).fill('orders');
    await page.getByRole('dialog').getByRole('button', { name: '만들기' }).click();
    await page.getByRole('alert').getByText('같은 이름의 토픽이 이미 있습니다.').waitFor();
    await page.getByRole('alert').locator('[lang=en]').getByText('orders').waitFor();
  });

  it('takes no name of a user by whom nobody can log in', async () => {
    const page = await open('/local/access?part=users');
    await page.getByRole('button', { name: 'New user' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Password').fill('secret');
    await dialog.getByLabel('User', { exact: true }).fill('은영');
    await dialog.getByText('Nobody can log in by this name').waitFor();
    expect(await dialog.getByRole('button', { name: 'Set the password' }).isEnabled()).toBe(false);
    await dialog.getByLabel('User', { exact: true }).fill('eun-yeong');
    expect(await dialog.getByRole('button', { name: 'Set the password' }).isEnabled()).toBe(true);
  });

  it.skipIf(isElsewhere)(
    'says that a broker is gone while one looks, without being asked anew, and nothing of the map moves',
    async () => {
      // The only one that is not in trouble then, and the first.
      await admin.createTopics([{ topic: 'apart', assignments: [[1]] }]);
      const page = await open('/local/overview');
      await page.waitForSelector('figure');
      const places = () => page.evaluate<string[]>(MAP_PLACES);
      const before = await places();
      await cluster.ours.kill(3);
      await page.waitForSelector('.tag.bad', { timeout: 30_000 });
      await page.waitForSelector('.cell.down', { timeout: 30_000 });
      // What it led is led by others, which the map says in words too.
      const leaders = () =>
        page.locator('.map [role=img]').evaluateAll((all) => all.map((each) => each.ariaLabel).join(', '));
      await expect.poll(leaders, { timeout: 30_000 }).not.toMatch(/: (?:3|–)(?:,|$)/);
      expect(await leaders()).toMatch(/: [12](?:,|$)/);
      await page.getByText(/^1 of 3 brokers is down\. [1-9]\d* partitions lack replicas/).waitFor();
      expect(await places()).toEqual(before);
      expect(before.map((place) => place.split(' ')[0])).toEqual(
        before.map((place) => place.split(' ')[0]).toSorted(ownLast),
      );
    },
  );
});
