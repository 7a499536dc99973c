import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryDisk } from './memory-disk.ts';
import { seededRandom } from './random.ts';
import { systemError } from './system-error.ts';

async function diskWith(content: string): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.makeFolder('/d');
  await disk.syncFolder('/');
  const file = await disk.open('/d/f', { create: true });
  await file.write(0, [Buffer.from(content)], { sync: true });
  await disk.syncFolder('/d');
  return disk;
}

async function contentOf(disk: MemoryDisk, path = '/d/f'): Promise<string> {
  return (await disk.readFile(path)).toString('latin1');
}

describe('a MemoryDisk that crashes', () => {
  it('loses what was not synced when power goes, and nothing when only the process dies', async () => {
    const killed = await diskWith('one');
    await (await killed.open('/d/f')).write(1, [Buffer.from('XYZ')], { sync: false });
    expect(await contentOf(killed.crash('all'))).toBe('oXYZ');
    const unplugged = await diskWith('one');
    const file = await unplugged.open('/d/f');
    await file.write(1, [Buffer.from('XYZ')], { sync: false });
    await file.truncate(2);
    expect(await contentOf(unplugged.crash('none'))).toBe('one');
  });

  it('forgets files and renames whose folder was not synced', async () => {
    const disk = await diskWith('one');
    const fresh = await disk.open('/d/new', { create: true });
    await fresh.write(0, [Buffer.from('x')], { sync: true });
    await disk.rename('/d/f', '/d/g');
    expect(await disk.list('/d')).toEqual(['g', 'new']);
    expect(await disk.crash('none').list('/d')).toEqual(['f']);
  });

  it('may keep any part of what was not synced, and always what was', async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const disk = await diskWith('base');
        const file = await disk.open('/d/f');
        await file.write(4, [Buffer.from('1111')], { sync: false });
        await file.write(8, [Buffer.from('2222')], { sync: false });
        const left = await contentOf(disk.crash(seededRandom(seed)));
        expect(left).toMatch(/^base([1\0]{0,4}|[1\0]{4}[2\0]{0,4})$/);
        seen.add(left.replaceAll('\0', '0'));
      }),
      { numRuns: 200 },
    );
    expect(seen).toContain('base');
    expect(seen).toContain('base11112222');
    expect(seen.size).toBeGreaterThan(10);
  });

  it('is dead for the process that used it', async () => {
    const disk = await diskWith('one');
    const file = await disk.open('/d/f');
    await disk.lock('/d/.lock');
    const next = disk.crash('none');
    await expect(file.write(0, [Buffer.from('x')], { sync: true })).rejects.toMatchObject({ code: 'EIO' });
    await expect(disk.list('/d')).rejects.toMatchObject({ code: 'EIO' });
    expect(await next.lock('/d/.lock')).toBeDefined();
  });
});

describe('a MemoryDisk with faults', () => {
  it('fails, delays and lets through calls as its hook says', async () => {
    const disk = await diskWith('one');
    const file = await disk.open('/d/f');
    disk.fault = ({ kind }) => (kind === 'sync' ? systemError('EIO', 'input/output error') : undefined);
    await file.write(0, [Buffer.from('x')], { sync: false });
    await expect(file.sync()).rejects.toMatchObject({ code: 'EIO' });
    let release = (): void => {};
    disk.fault = () => new Promise((resolve) => (release = () => resolve(undefined)));
    let isDone = false;
    const read = file.read(0, 1).then(() => (isDone = true));
    await Promise.resolve();
    expect(isDone).toBe(false);
    release();
    await read;
  });

  it('is full at its capacity and takes what does not grow it', async () => {
    const disk = await diskWith('12345678');
    disk.capacityBytes = 10;
    const file = await disk.open('/d/f');
    await expect(file.write(8, [Buffer.from('abc')], { sync: false })).rejects.toMatchObject({ code: 'ENOSPC' });
    await file.write(6, [Buffer.from('abcd')], { sync: false });
    expect(disk.usedBytes).toBe(10);
  });

  it('flips bits for good', async () => {
    const disk = await diskWith('a');
    disk.flipBit('/d/f', 0, 1);
    expect(await contentOf(disk.crash('none'))).toBe('c');
  });
});
