import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Disk } from './disk.ts';
import { MemoryDisk } from './memory-disk.ts';
import { NodeDisk } from './node-disk.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-disk-'));
afterAll(() => rmSync(folder, { recursive: true }));

const inline = new NodeDisk();
inline.readsInline = true;

const disks: [name: string, disk: Disk, root: string][] = [
  ['NodeDisk', new NodeDisk(), `${folder}/queued`],
  ['NodeDisk that reads in the calling thread', inline, `${folder}/inline`],
  ['MemoryDisk', new MemoryDisk(), '/root'],
];

it('says that a folder cannot be made where the system has it neither be made nor be there', async () => {
  await expect(new NodeDisk().makeFolder('/proc/no-such-process/data')).rejects.toThrow();
  await expect(new NodeDisk().makeFolder(`${import.meta.filename}/data`)).rejects.toThrow();
});

describe.each(disks)('%s', (_name, disk, root) => {
  const path = (name: string): string => `${root}/${name}`;

  it('writes chunks one after the other and reads them back in any cut', async () => {
    await disk.makeFolder(path('a/b'));
    const file = await disk.open(path('a/b/file'), { create: true });
    await file.write(0, [Buffer.from('hello '), Buffer.from(''), Buffer.from('world')], { sync: true });
    await file.write(11, [Buffer.from('!')], { sync: false });
    expect((await file.read(6, 5)).toString()).toBe('world');
    expect((await file.read(6, 100)).toString()).toBe('world!');
    expect(await file.read(12, 5)).toHaveLength(0);
    expect(await file.size()).toBe(12);
    await file.close();
  });

  it('takes more chunks at once than the system does', async () => {
    await disk.makeFolder(root);
    const file = await disk.open(path('many'), { create: true });
    const chunks = Array.from({ length: 3000 }, (_, index) => Buffer.from(`${index % 10}`));
    await file.write(0, chunks, { sync: false });
    expect((await file.read(0, 4000)).toString()).toBe(Buffer.concat(chunks).toString());
    await file.close();
  });

  it('cuts and extends files, with zeros in between', async () => {
    await disk.makeFolder(root);
    const file = await disk.open(path('cut'), { create: true });
    await file.write(0, [Buffer.from('abcdef')], { sync: false });
    await file.truncate(2);
    await file.write(4, [Buffer.from('x')], { sync: false });
    expect((await file.read(0, 10)).toString('latin1')).toBe('ab\0\0x');
    await file.close();
  });

  it('says ENOENT for what is not there, and is content to remove it', async () => {
    await disk.makeFolder(root);
    await expect(disk.open(path('nothing'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(disk.readFile(path('nothing'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(disk.open(path('no/folder'), { create: true })).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(disk.list(path('nothing'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(disk.rename(path('nothing'), path('x'))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await disk.stat(path('nothing'))).toBeUndefined();
    await disk.remove(path('nothing'));
    await disk.removeFolder(path('nothing'));
  });

  it('replaces small files and leaves nothing beside them', async () => {
    await disk.makeFolder(path('checkpoints'));
    await disk.replaceFile(path('checkpoints/x'), Buffer.from('one, which is longer'));
    await disk.replaceFile(path('checkpoints/x'), Buffer.from('two'));
    expect((await disk.readFile(path('checkpoints/x'))).toString()).toBe('two');
    expect(await disk.list(path('checkpoints'))).toEqual(['x']);
    expect(await disk.stat(path('checkpoints/x'))).toMatchObject({ sizeBytes: 3 });
  });

  it('lists, renames and removes folders', async () => {
    await disk.makeFolder(path('t-0'));
    await disk.makeFolder(path('t-0'));
    for (const name of ['b', 'a', 'c']) await (await disk.open(path(`t-0/${name}`), { create: true })).close();
    await disk.rename(path('t-0'), path('t-0.x-delete'));
    await disk.syncFolder(root);
    expect(await disk.list(path('t-0.x-delete'))).toEqual(['a', 'b', 'c']);
    await disk.removeFolder(path('t-0.x-delete'));
    expect(await disk.list(root)).not.toContain('t-0.x-delete');
  });

  it('goes on reading an open file that was renamed and removed', async () => {
    await disk.makeFolder(root);
    const file = await disk.open(path('old'), { create: true });
    await file.write(0, [Buffer.from('still here')], { sync: false });
    await disk.rename(path('old'), path('old.deleted'));
    await disk.remove(path('old.deleted'));
    expect((await file.read(0, 10)).toString()).toBe('still here');
    await file.close();
  });

  it('gives a lock to one at a time', async () => {
    await disk.makeFolder(root);
    const lock = await disk.lock(path('.lock'));
    expect(await disk.lock(path('.lock'))).toBeUndefined();
    await lock?.release();
    const again = await disk.lock(path('.lock'));
    expect(again).toBeDefined();
    await again?.release();
  });
});

describe('NodeDisk', () => {
  it('tells how large a volume is and what room is left; nothing of a path that is not there', async () => {
    const volume = await new NodeDisk().volume(folder);
    expect(volume?.totalBytes).toBeGreaterThan(0);
    expect(volume?.usableBytes).toBeLessThanOrEqual(volume?.totalBytes ?? 0);
    expect(await new NodeDisk().volume(`${folder}/nowhere`)).toBeUndefined();
  });
});
