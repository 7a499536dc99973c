import { ManualClock, MemoryDisk } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { journalName, snapshotName, storeFiles } from './journal/file-names.ts';
import { olderFileFaults } from './journal/older-files.ts';
import { JournalMetadataStore } from './journal-store.ts';
import { readStore, rewriteStore } from './store-files.ts';

const FOLDER = '/data/metadata';
const bytes = (text: string): Buffer => Buffer.from(text);
const clock = (): ManualClock => new ManualClock();

async function storeOn(disk: MemoryDisk): Promise<JournalMetadataStore> {
  return JournalMetadataStore.open({ folder: FOLDER, disk, clock: clock() });
}

async function filled(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const store = await storeOn(disk);
  await store.create('/a', bytes('1'));
  await store.create('/a/b', bytes('2'));
  await store.set('/a', bytes('3'), 'any');
  await store.create('/c', Buffer.alloc(100));
  return disk.crash('none');
}

/** Damages the journal behind its first transactions. */
function damage(disk: MemoryDisk): void {
  const journal = disk.filesBelow(FOLDER).find(({ path }) => path.endsWith('.journal'));
  disk.flipBit(String(journal?.path), Number(journal?.sizeBytes) - 20, 1);
}

describe('the files of a store', () => {
  it('are read beside the process that has it open', async () => {
    const disk = new MemoryDisk();
    const store = await storeOn(disk);
    await store.create('/a', bytes('1'));
    const tree = await readStore(disk, FOLDER);
    expect(tree.children('/')).toEqual(['a']);
    expect(tree.node('/a')?.data.toString()).toBe('1');
    expect(tree.node('/none')).toBeUndefined();
    expect([...tree.walk('/')].map(({ path }) => path)).toEqual(['/', '/a']);
    await store.close();
  });

  it('are read as far as they are whole, and what is wrong is said', async () => {
    const disk = await filled();
    damage(disk);
    const tree = await readStore(disk, FOLDER);
    expect(tree.fault).toMatch(/is damaged at byte \d+ of \d+: it is whole up to transaction 3/);
    expect(tree.children('/')).toEqual(['a']);
  });

  it('that the present state does not need are looked at too, when that is asked', async () => {
    const disk = new MemoryDisk();
    const store = await JournalMetadataStore.open({ folder: FOLDER, disk, clock: clock(), journalBytesMax: 200 });
    for (let n = 0; n < 30; n += 1) await store.create(`/n${n}`, bytes(`value ${n}`));
    await store.close();
    const files = storeFiles(disk.filesBelow(FOLDER).map(({ path }) => path.slice(FOLDER.length + 1)));
    expect([files.snapshots.length, files.journals.length]).toEqual([2, expect.any(Number)]);
    expect(await olderFileFaults(disk, FOLDER)).toEqual([]);
    const older = [snapshotName(files.snapshots[0]!), journalName(files.journals[0]!)];
    for (const name of older) disk.flipBit(`${FOLDER}/${name}`, 40, 1);
    expect(await olderFileFaults(disk, FOLDER)).toEqual([
      expect.stringMatching(`^The older snapshot ${older[0]}: it is damaged from byte`),
      expect.stringMatching(`^The older journal ${older[1]}: it is damaged from byte`),
    ]);
    const tree = await readStore(disk, FOLDER);
    expect([tree.fault, tree.nodeCount]).toEqual([undefined, 31]);
    // A damaged newest snapshot is told of by whoever reads the state, and what it falls back on is no older file then.
    disk.flipBit(`${FOLDER}/${older[0]}`, 40, 1);
    disk.flipBit(`${FOLDER}/${older[1]}`, 40, 1);
    disk.flipBit(`${FOLDER}/${snapshotName(files.snapshots[1]!)}`, 40, 1);
    expect(await olderFileFaults(disk, FOLDER)).toEqual([]);
  });

  it('are written anew from what is whole, with changes, above every transaction that was, and the former stay', async () => {
    const disk = await filled();
    damage(disk);
    await expect(storeOn(disk)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
    const options = {
      folder: FOLDER,
      disk,
      clock: clock(),
      edit: async (store: { create(path: string, data: Buffer): Promise<string> }) =>
        void (await store.create('/mended', bytes(''))),
    };
    expect((await rewriteStore({ ...options, dryRun: true })).formerFiles).toBeUndefined();
    await expect(storeOn(disk)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
    const result = await rewriteStore(options);
    expect(result.zxid).toBeGreaterThan(clock().now());
    const after = await storeOn(disk.crash('none'));
    expect((await after.children('/')).toSorted()).toEqual(['a', 'mended']);
    expect((await after.get('/a')).stat.version).toBe(1);
    await after.create('/later', bytes(''));
    expect((await after.get('/later')).stat.czxid).toBeGreaterThan(result.zxid);
    expect(disk.filesBelow(String(result.formerFiles)).length).toBeGreaterThan(0);
    await after.close();
  });

  it('tell who changes them how often that was done before', async () => {
    const disk = await filled();
    const told: number[] = [];
    const edit = async (_: unknown, { rewrites }: { rewrites: number }): Promise<void> => void told.push(rewrites);
    for (let at = 0; at < 3; at += 1) await rewriteStore({ folder: FOLDER, disk, clock: clock(), edit });
    expect(told).toEqual([0, 1, 2]);
  });

  it('are written anew from an export, and a failing change leaves them as they were', async () => {
    const disk = await filled();
    const edit = () => Promise.reject(new Error('no'));
    await expect(rewriteStore({ folder: FOLDER, disk, clock: clock(), edit })).rejects.toThrow('no');
    const from = [
      { path: '/x/y', data: bytes('y'), version: 3 },
      { path: '/', data: bytes(''), version: 0 },
      { path: '/x', data: bytes('x'), version: 0 },
    ];
    await rewriteStore({ folder: FOLDER, disk, clock: clock(), from, edit: async () => {} });
    const after = await storeOn(disk);
    expect(await after.children('/')).toEqual(['x']);
    expect((await after.get('/x/y')).stat.version).toBe(3);
    await after.close();
  });

  it('are as they were after a dry run, and no folder is made where there is none', async () => {
    const empty = new MemoryDisk();
    await empty.makeFolder('/data');
    const whole = await filled();
    await whole.remove(`${FOLDER}/.lock`);
    for (const disk of [empty, whole]) {
      const before = [await disk.list('/data'), disk.filesBelow('/data')];
      const edit = async (store: { create(path: string, data: Buffer): Promise<string> }) =>
        void (await store.create('/new', bytes('')));
      const { nodeCount } = await rewriteStore({ folder: FOLDER, disk, clock: clock(), dryRun: true, edit });
      expect(nodeCount).toBe(disk === empty ? 2 : 5);
      expect([await disk.list('/data'), disk.filesBelow('/data')]).toEqual(before);
    }
    const store = await storeOn(whole);
    const locked = rewriteStore({ folder: FOLDER, disk: whole, dryRun: true, edit: async () => {} });
    await expect(locked).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    await store.close();
  });

  it('cannot be where a file is: that is said in words', async () => {
    const disk = new MemoryDisk();
    await disk.makeFolder('/data');
    await (await disk.open(FOLDER, { create: true })).close();
    const fault = {
      code: 'STORE_CORRUPT',
      message: expect.stringMatching(/\/data\/metadata should be a folder and is a file.*Move the file away/),
    };
    await expect(storeOn(disk)).rejects.toMatchObject(fault);
    for (const dryRun of [true, false]) {
      await expect(rewriteStore({ folder: FOLDER, disk, dryRun, edit: async () => {} })).rejects.toMatchObject(fault);
    }
  });

  it('are not written while a process has the store open', async () => {
    const disk = await filled();
    const store = await storeOn(disk);
    await expect(rewriteStore({ folder: FOLDER, disk, edit: async () => {} })).rejects.toMatchObject({
      code: 'STORE_LOCKED',
    });
    await store.close();
  });
});
