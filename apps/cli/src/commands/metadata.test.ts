import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrokerProcess, startBrokerProcess } from '@millrace/broker-app';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { millrace, type TestRun } from '../testing/test-cli.ts';

const RECORDS = 12;
/** A data folder with two topics, closed in order; every test works on a copy. */
let original: string;
let root: string;
let data: string;
let running: BrokerProcess | undefined;

async function start(folder: string): Promise<BrokerProcess> {
  running = await startBrokerProcess({
    env: {},
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    overrides: { 'log.dirs': folder, listeners: 'PLAINTEXT://127.0.0.1:0', 'millrace.http.port': '' },
  });
  return running;
}

const bootstrapOf = ({ endpoints }: BrokerProcess): string => `127.0.0.1:${endpoints[0]?.port}`;
const metadata = (...args: string[]): Promise<TestRun> => millrace(undefined, ['metadata', ...args, '--data', data]);

async function stop(): Promise<void> {
  await running?.stop();
  running = undefined;
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'millrace-cli-metadata-'));
  original = join(root, 'original');
  const bootstrap = bootstrapOf(await start(original));
  await millrace(bootstrap, ['topics', 'create', 'orders', '--partitions', '3', '--config', 'retention.ms=-1']);
  await millrace(bootstrap, ['topics', 'create', 'other']);
  const lines = Array.from({ length: RECORDS }, (_, index) => `line ${index}\n`).join('');
  await millrace(bootstrap, ['produce', 'orders'], { stdin: lines });
  await millrace(bootstrap, ['consume', 'orders', '--group', 'g', '--from-beginning', '--exit-at-end']);
  await stop();
}, 60_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

beforeEach(() => {
  data = join(mkdtempSync(join(root, 'case-')), 'data');
  cpSync(original, data, { recursive: true });
});
afterEach(stop);

const storeFolder = (): string => join(data, '__millrace_metadata');

/** Damages every file of the store, so that no copy is left. */
function damageAll(): void {
  for (const name of readdirSync(storeFolder())) {
    if (name === '.lock') continue;
    const path = join(storeFolder(), name);
    const bytes = readFileSync(path);
    for (let at = 0; at < bytes.length; at += 40) bytes[at] = (bytes[at] ?? 0) ^ 0x55;
    writeFileSync(path, bytes);
  }
}

describe('looking into a metadata store', () => {
  it('lists, prints and dumps nodes', async () => {
    expect((await metadata('ls', '/brokers/topics')).stdout.split('\n')).toContain('orders');
    const topic = await metadata('get', '/brokers/topics/orders');
    expect(JSON.parse(topic.stdout)).toMatchObject({ version: 3, partitions: { 0: [1], 1: [1], 2: [1] } });
    expect(topic.stderr).toMatch(/version 0, .*transaction \d+/);
    expect((await metadata('dump', '/config/topics')).stdout).toContain(
      '/config/topics/orders  {"version":1,"config":{"retention.ms":"-1"}}',
    );
  });

  it('says where the nearest node is when there is none of the name', async () => {
    const { exitCode, stderr } = await metadata('get', '/brokers/topics/order');
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/no node \/brokers\/topics\/order[^s].*metadata ls \/brokers\/topics/s);
  });

  it('says that a broker runs, and shows what its files hold', async () => {
    await start(data);
    const { stdout, stderr } = await metadata('ls', '/brokers/topics');
    expect(stderr).toContain('A broker has');
    expect(stdout).toContain('orders');
  });

  it('says where to look when there is no store', async () => {
    rmSync(storeFolder(), { recursive: true });
    const { exitCode, stderr } = await metadata('ls');
    expect(exitCode).not.toBe(0);
    expect(stderr).toMatch(/There is no metadata store in .*--data/);
  });
});

describe('where ZooKeeper keeps the metadata', () => {
  it.each([['check'], ['restore', '--execute']])('there are no files to look into: %j', async (...args) => {
    const { exitCode, stdout, stderr } = await metadata(...args, '--override', 'zookeeper.connect=127.0.0.1:1/here');
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/zookeeper\.connect=127\.0\.0\.1:1\/here .*\n.*`millrace metadata ls`/);
  });
});

describe('a file in the place of the store', () => {
  it('is called one by every command and by a start, with what to do', async () => {
    rmSync(storeFolder(), { recursive: true });
    writeFileSync(storeFolder(), 'x');
    const said = /__millrace_metadata should be a folder and is a file.*Move the file away/;
    for (const args of [['ls'], ['check'], ['restore'], ['restore', '--execute']]) {
      expect(await metadata(...args)).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(said) });
    }
    await expect(start(data)).rejects.toMatchObject({
      code: 'START_METADATA_DAMAGED',
      message: expect.stringMatching(said),
    });
  });
});

describe('a file in the place of the data', () => {
  it('is called one by every command, and nobody is told to restore what it lacks', async () => {
    rmSync(data, { recursive: true });
    writeFileSync(data, 'x');
    for (const args of [['ls'], ['get', '/'], ['check'], ['export'], ['restore'], ['restore', '--execute']]) {
      const { exitCode, stderr } = await metadata(...args);
      expect([exitCode, stderr]).toEqual([
        1,
        expect.stringContaining(`${data} is a file, and no log folder. Say where the data is, as for a start: --data`),
      ]);
    }
  });
});

describe('a restoration that is only looked at', () => {
  /** Every name below a folder, with its size and its last change. */
  const namesBelow = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .sort()
      .map((name) => {
        const stats = statSync(join(folder, name));
        return `${name} ${stats.size} ${stats.mtimeMs}`;
      });

  it('leaves the disk as it was', async () => {
    rmSync(join(storeFolder(), '.lock'));
    const before = namesBelow(data);
    for (const args of [['restore'], ['check'], ['ls']]) {
      expect((await metadata(...args)).exitCode).toBe(0);
      expect(namesBelow(data)).toEqual(before);
    }
    rmSync(storeFolder(), { recursive: true });
    const without = namesBelow(data);
    expect((await metadata('restore')).stdout).toContain('orders: would be taken from its logs, 3 partitions');
    expect(namesBelow(data)).toEqual(without);
  });

  it('takes no folder and no file of somebody for a partition, and a start passes over such a folder', async () => {
    mkdirSync(join(data, 'notes-2024'));
    mkdirSync(join(data, 'mail-7'));
    writeFileSync(join(data, 'mail-7', 'inbox.log'), 'hello');
    await start(data);
    await stop();
    writeFileSync(join(data, 'list-3'), 'hello');
    const { stdout, exitCode } = await metadata('restore');
    expect([exitCode, stdout]).toEqual([0, expect.not.stringMatching(/notes|mail|list/)]);
    expect(readdirSync(join(data, 'notes-2024'))).toEqual([]);
  }, 60_000);
});

describe('a damaged metadata store', () => {
  it('is called damaged by the check, and whole when it is', async () => {
    expect(await metadata('check')).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('is whole') });
    damageAll();
    const check = await metadata('check');
    expect(check.exitCode).toBe(1);
    expect(check.stdout).toMatch(/snapshot .* is damaged.*is damaged\. The journal .*Whole are/s);
  });

  it('is told of in files that nothing needs today, and is called whole all the same', async () => {
    const snapshots = readdirSync(storeFolder())
      .filter((name) => name.endsWith('.snapshot'))
      .sort();
    // Started and stopped once more, so that there is an older one.
    if (snapshots.length < 2) {
      await start(data);
      await stop();
    }
    const [older = ''] = readdirSync(storeFolder())
      .filter((name) => name.endsWith('.snapshot'))
      .sort();
    const path = join(storeFolder(), older);
    const bytes = readFileSync(path);
    bytes[40] = (bytes[40] ?? 0) ^ 0x55;
    writeFileSync(path, bytes);
    const { exitCode, stdout } = await metadata('check');
    expect([exitCode, stdout]).toEqual([
      0,
      expect.stringMatching(/The older snapshot .*Nothing is lost by that.*is whole/s),
    ]);
  });

  it('comes back from the logs: topics with their ids, records and groups', async () => {
    const idBefore = JSON.parse((await metadata('get', '/brokers/topics/orders')).stdout).topic_id;
    damageAll();
    await expect(start(data)).rejects.toMatchObject({ code: 'START_METADATA_DAMAGED' });
    const dry = await metadata('restore');
    expect(dry.stdout).toContain('orders: would be taken from its logs, 3 partitions');
    expect(dry.stderr).toContain('Nothing has been changed');
    await expect(start(data)).rejects.toMatchObject({ code: 'START_METADATA_DAMAGED' });
    expect((await metadata('restore', '--execute')).exitCode).toBe(0);
    expect(JSON.parse((await metadata('get', '/brokers/topics/orders')).stdout).topic_id).toBe(idBefore);

    const bootstrap = bootstrapOf(await start(data));
    const read = await millrace(bootstrap, ['consume', 'orders', '--from-beginning', '--exit-at-end']);
    expect(read.stdout.trim().split('\n')).toHaveLength(RECORDS);
    const group = await millrace(bootstrap, ['groups', 'describe', 'g']);
    expect(group.stdout).toMatch(/Lag\s+0 records/);
    expect((await millrace(bootstrap, ['produce', 'orders'], { stdin: 'one more\n' })).exitCode).toBe(0);
  }, 60_000);

  it('whose folder is gone keeps the broker from starting, until it is restored', async () => {
    rmSync(storeFolder(), { recursive: true });
    await expect(start(data)).rejects.toMatchObject({
      code: 'START_METADATA_DAMAGED',
      message: expect.stringContaining('metadata restore'),
    });
    expect((await metadata('restore', '--execute')).exitCode).toBe(0);
    const bootstrap = bootstrapOf(await start(data));
    expect((await millrace(bootstrap, ['topics', 'list'])).stdout).toContain('orders');
  }, 60_000);

  it('comes back from an export with its configs, and with the topics that were made since', async () => {
    const file = join(data, '..', 'export.jsonl');
    expect((await metadata('export', file)).exitCode).toBe(0);
    const bootstrap = bootstrapOf(await start(data));
    await millrace(bootstrap, ['topics', 'create', 'later']);
    await stop();
    damageAll();
    const restored = await metadata('restore', '--from', file, '--execute');
    expect(restored.stdout).toContain('later: taken from its logs, 1 partition');
    const again = bootstrapOf(await start(data));
    expect((await millrace(again, ['configs', 'describe', 'topic', 'orders'])).stdout).toMatch(/retention\.ms\s+-1/);
    expect((await millrace(again, ['topics', 'list'])).stdout).toContain('later');
  }, 60_000);

  it('has no share in a damaged partition.metadata: the log stays with its topic', async () => {
    const path = join(data, 'orders-1', 'partition.metadata');
    const text = readFileSync(path, 'utf8');
    const at = text.indexOf('topic_id: ') + 'topic_id: '.length;
    const other = text[at] === 'A' ? 'B' : 'A';
    writeFileSync(path, text.slice(0, at) + other + text.slice(at + 1));
    const bootstrap = bootstrapOf(await start(data));
    const read = await millrace(bootstrap, ['consume', 'orders', '--from-beginning', '--exit-at-end']);
    expect(read.stdout.trim().split('\n')).toHaveLength(RECORDS);
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  it('is not restored beside a running broker', async () => {
    await start(data);
    const { exitCode, stderr } = await metadata('restore', '--execute');
    expect(exitCode).not.toBe(0);
    expect(stderr).toMatch(/another process has it open/);
  });
});
