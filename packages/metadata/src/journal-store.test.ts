import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { ManualClock, MemoryDisk, NodeDisk, systemError } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { type JournalMetadataOptions, JournalMetadataStore } from './journal-store.ts';
import type { MetadataStore, Operation } from './store.ts';

const FOLDER = '/data/metadata';
const bytes = (text: string): Buffer => Buffer.from(text);

function open(disk: MemoryDisk, options: Partial<JournalMetadataOptions> = {}): Promise<JournalMetadataStore> {
  return JournalMetadataStore.open({ folder: FOLDER, disk, clock: new ManualClock(), ...options });
}

/** Every node with its content and version, as text. */
async function contentOf(store: MetadataStore, path = '/'): Promise<string[]> {
  const { data, stat } = await store.get(path);
  const lines = [`${path} ${stat.version} ${stat.czxid} ${data.toString()}`];
  for (const name of (await store.children(path)).toSorted()) {
    lines.push(...(await contentOf(store, path === '/' ? `/${name}` : `${path}/${name}`)));
  }
  return lines;
}

const names = (disk: MemoryDisk): string[] => disk.filesBelow(FOLDER).map(({ path }) => path.slice(FOLDER.length + 1));

describe('the journal engine', () => {
  it('finds everything again after it was closed, with the same stats', async () => {
    const disk = new MemoryDisk();
    const before = await open(disk);
    await before.create('/a', bytes('one'));
    await before.create('/a/s_', bytes(''), { sequential: true });
    await before.create('/a/gone', bytes(''));
    await before.delete('/a/gone', 'any');
    await before.set('/a', Buffer.from([0x7b, 0x00, 0xff, 0x80, 0xc3, 0x28]), 'any');
    const content = await before.get('/a');
    await before.close();
    expect(disk.openCount).toBe(0);

    const after = await open(disk);
    expect(await after.get('/a')).toEqual(content);
    expect(await after.children('/a')).toEqual(['s_0000000000']);
    expect(await after.create('/a/s_', bytes(''), { sequential: true })).toBe('/a/s_0000000002');
    expect((await after.get('/a/s_0000000002')).stat.czxid).toBeGreaterThan(content.stat.mzxid);
    await after.close();
  });

  it('forgets the ephemeral nodes of a process that is gone, and numbers new ones higher', async () => {
    const disk = new MemoryDisk();
    const dead = await open(disk);
    await dead.create('/ids', bytes(''));
    await dead.create('/ids/1', bytes(''), { ephemeral: true });
    const epoch = (await dead.get('/ids/1')).stat.czxid;
    const restarted = await open(disk.crash('none'));
    expect(await restarted.children('/ids')).toEqual([]);
    await restarted.create('/ids/1', bytes(''), { ephemeral: true });
    expect((await restarted.get('/ids/1')).stat.czxid).toBeGreaterThan(epoch);
    await restarted.close();
  });

  it('has one opener at a time and says who is in the way', async () => {
    const disk = new MemoryDisk();
    const first = await open(disk);
    await expect(open(disk)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    await first.close();
    await (await open(disk)).close();
  });

  it('is on the disk, folder and all, when its first write is answered', async () => {
    const disk = new MemoryDisk();
    await (await open(disk)).create('/a', bytes('1'));
    const after = await open(disk.crash('none'));
    expect((await after.get('/a')).data.toString()).toBe('1');
    await after.close();
  });

  it('rolls its journal, and keeps the snapshot before the last with what follows it', async () => {
    const disk = new MemoryDisk();
    const store = await open(disk, { journalBytesMax: 2000 });
    await store.create('/n', bytes(''));
    for (let index = 0; index < 200; index += 1) await store.set('/n', Buffer.alloc(100, String(index)), 'any');
    const content = await contentOf(store);
    await store.close();
    const files = names(disk);
    expect(files.filter((name) => name.endsWith('.snapshot'))).toHaveLength(2);
    expect(files.filter((name) => name.endsWith('.journal'))).toHaveLength(2);
    const after = await open(disk);
    expect(await contentOf(after)).toEqual(content);
    await after.close();
  });

  it('loads tens of thousands of nodes', async () => {
    const disk = new MemoryDisk();
    const before = await open(disk);
    await before.create('/topics', bytes(''));
    const topics = Array.from({ length: 10_000 }, (_, index) => `/topics/topic-${index}`);
    const data = bytes('{"version":1,"leader":1,"leader_epoch":0,"controller_epoch":1,"isr":[1]}');
    for (let at = 0; at < topics.length; at += 1000) {
      await before.multi(
        topics.slice(at, at + 1000).flatMap((path): Operation[] => [
          { type: 'create', path, data },
          { type: 'create', path: `${path}/0`, data },
        ]),
      );
    }
    await before.close();
    const after = await open(disk);
    expect((await after.children('/topics')).length).toBe(10_000);
    expect((await after.get('/topics/topic-9999/0')).data.length).toBe(72);
    await after.close();
  });
});

describe('a store on a real disk', () => {
  it('keeps every write that was answered when the process is killed, and is locked while it lives', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-metadata-'));
    const child = fork(new URL('./testing/test-writer.ts', import.meta.url), [folder], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    let acknowledged = -1;
    await new Promise<void>((resolve) => {
      child.on('message', (index) => {
        acknowledged = index as number;
        if (acknowledged >= 300) resolve();
      });
    });
    await expect(JournalMetadataStore.open({ folder, disk: new NodeDisk() })).rejects.toMatchObject({
      code: 'STORE_LOCKED',
    });
    child.kill('SIGKILL');
    await once(child, 'exit');
    const store = await JournalMetadataStore.open({ folder, disk: new NodeDisk() });
    const value = Number((await store.get('/counter')).data.toString());
    // One write may have become durable without its answer getting through.
    expect(value).toBeGreaterThanOrEqual(acknowledged);
    expect((await store.children('/log')).length).toBe(value + 1);
    await store.close();
    await rm(folder, { recursive: true });
  });
});

describe('a folder that an earlier build kept in LMDB', () => {
  const lmdb = gunzipSync(readFileSync(new URL('../fixtures/lmdb.mdb.gz', import.meta.url)));

  /** A folder as the earlier build left it. */
  async function oldFolder(content = lmdb): Promise<MemoryDisk> {
    const disk = new MemoryDisk();
    await disk.makeFolder(FOLDER);
    for (const above of ['/data', '/']) await disk.syncFolder(above);
    await disk.replaceFile(`${FOLDER}/data.mdb`, content);
    return disk;
  }

  it('is taken over once, with versions and transaction numbers, and the file stays under another name', async () => {
    const disk = await oldFolder();
    const warnings: string[] = [];
    const first = await open(disk, { onWarning: (message) => warnings.push(message) });
    expect(warnings).toEqual([expect.stringContaining('taken over from LMDB')]);
    const { data, stat } = await first.get('/controller_epoch');
    expect([data.toString(), stat.version]).toEqual(['12', 5]);
    await first.create('/new', bytes(''));
    expect((await first.get('/new')).stat.czxid).toBe(177);
    await first.close();
    expect(names(disk)).toContain('data.mdb.old');
    const second = await open(disk, { onWarning: (message) => warnings.push(message) });
    expect(await second.children('/brokers/topics')).toHaveLength(81);
    expect(await second.exists('/new')).toBeDefined();
    expect(warnings).toHaveLength(1);
    await second.close();
  });

  it('is taken over whole wherever a crash comes in between', async () => {
    for (let calls = 0; ; calls += 1) {
      const disk = await oldFolder();
      let left = calls;
      disk.fault = () => {
        left -= 1;
        return left < 0 ? systemError('EIO', 'crash') : undefined;
      };
      const isOpen = await open(disk).then(
        (store) => store.close().then(() => left >= 0),
        () => false,
      );
      const after = await open(disk.crash('none'));
      expect(await after.children('/brokers/topics')).toHaveLength(81);
      await after.close();
      if (isOpen) break;
    }
  });

  it('is refused in words where it is damaged', async () => {
    const disk = await oldFolder(lmdb.subarray(0, 40_000));
    await expect(open(disk)).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      message: expect.stringContaining('data.mdb'),
    });
  });
});

describe('a disk that does not take a write', () => {
  it('fails the store for good', async () => {
    const disk = new MemoryDisk();
    const failures: unknown[] = [];
    const store = await open(disk, { onFailed: (error) => failures.push(error) });
    disk.fault = ({ kind }) => (kind === 'write' ? systemError('EIO', 'broken') : undefined);
    await expect(store.create('/a', bytes(''))).rejects.toMatchObject({ code: 'STORE_FAILED' });
    disk.fault = undefined;
    await expect(store.create('/b', bytes(''))).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(failures).toMatchObject([{ code: 'STORE_FAILED' }]);
    await store.close();
    expect(disk.openCount).toBe(0);
    const after = await open(disk.crash('none'));
    expect(await after.children('/')).toEqual([]);
    await after.close();
  });

  it('does not keep the store from closing its files, and from letting go of its lock', async () => {
    const disk = new MemoryDisk();
    const store = await open(disk);
    await store.create('/session', bytes(''), { ephemeral: true });
    disk.fault = ({ kind }) => (kind === 'write' ? systemError('EIO', 'broken') : undefined);
    await expect(store.close()).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(disk.openCount).toBe(0);
    disk.fault = undefined;
    await (await open(disk)).close();
  });

  it('is waited for where it is full, when the program says so', async () => {
    const disk = new MemoryDisk();
    const clock = new ManualClock();
    const shortages: unknown[] = [];
    const store = await open(disk, { clock, onShortage: (error) => shortages.push(error) });
    store.sitsOutShortages = true;
    disk.capacityBytes = disk.usedBytes + 30;
    const written = store.create('/a', Buffer.alloc(1000, 'a'));
    while (shortages.length === 0) await new Promise((resolve) => setImmediate(resolve));
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    await clock.advance(10_000);
    await written;
    await store.close();
    const after = await open(disk.crash('none'));
    expect((await after.get('/a')).data.length).toBe(1000);
    await after.close();
  });

  it('goes on in the old journal where a new one cannot be begun, and tries again', async () => {
    const disk = new MemoryDisk();
    const warnings: string[] = [];
    const store = await open(disk, { journalBytesMax: 1000, onWarning: (message) => warnings.push(message) });
    await store.create('/n', bytes(''));
    disk.fault = ({ kind, path }) =>
      kind === 'replaceFile' && path.includes('.journal') ? systemError('ENOSPC', 'full') : undefined;
    for (let index = 0; index < 30; index += 1) await store.set('/n', Buffer.alloc(100, String(index)), 'any');
    expect(warnings.length).toBeGreaterThan(0);
    disk.fault = undefined;
    for (let index = 0; index < 30; index += 1) await store.set('/n', Buffer.alloc(100, String(index)), 'any');
    const content = await contentOf(store);
    await store.close();
    expect(names(disk).some((name) => name.endsWith('.snapshot'))).toBe(true);
    const after = await open(disk.crash('none'));
    expect(await contentOf(after)).toEqual(content);
    await after.close();
  });
});
