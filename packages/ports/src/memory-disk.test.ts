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

  it('may keep some sectors of a write and not those before them', async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 200; seed += 1) {
      const disk = await diskWith('');
      await (await disk.open('/d/f')).write(0, [Buffer.alloc(1536, '1')], { sync: false });
      const left = await contentOf(disk.crash(seededRandom(seed)));
      seen.add([0, 512, 1024].map((at) => (left.slice(at, at + 512) === '1'.repeat(512) ? 'x' : '-')).join(''));
    }
    expect(seen).toContain('--x');
    expect(seen).toContain('x-x');
  });

  it('loses what a failed sync was to cover, though a later one succeeds, unless it is written again', async () => {
    const disk = await diskWith('base');
    const file = await disk.open('/d/f');
    await file.write(4, [Buffer.from('lost')], { sync: false });
    disk.fault = ({ kind }) => (kind === 'sync' ? systemError('EIO', 'input/output error') : undefined);
    await expect(file.sync()).rejects.toMatchObject({ code: 'EIO' });
    disk.fault = undefined;
    await file.write(8, [Buffer.from('kept')], { sync: true });
    expect(await contentOf(disk)).toBe('baselostkept');
    const rewritten = disk.crash('all');
    const again = await rewritten.open('/d/f');
    await again.write(4, [Buffer.from('lo')], { sync: true });
    expect(await contentOf(rewritten)).toBe('baselostkept');
    expect(await contentOf(rewritten.crash('none'))).toBe('baselo\0\0kept');
  });

  it('leaves the old content or the new of a file that is being replaced, and maybe a temporary one', async () => {
    const seen = new Set<string>();
    for (let steps = 0; steps < 8; steps += 1) {
      const disk = await diskWith('old');
      let calls = 0;
      disk.fault = () => (calls++ < steps ? undefined : new Promise(() => {}));
      void disk.replaceFile('/d/f', Buffer.from('new'));
      for (let turn = 0; turn < 100; turn += 1) await Promise.resolve();
      const next = disk.crash('all');
      seen.add(`${await contentOf(next)} ${(await next.list('/d')).join(' ')}`);
    }
    expect([...seen]).toEqual(['old f', 'old f f.tmp', 'new f']);
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

  it('leaves the beginning of a write that stops short', async () => {
    const disk = await diskWith('12345678');
    const file = await disk.open('/d/f');
    const error = systemError('EIO', 'input/output error');
    disk.fault = ({ kind }) => (kind === 'write' ? { error, writtenBytes: 2 } : undefined);
    await expect(file.write(0, [Buffer.from('a'), Buffer.from('bc')], { sync: true })).rejects.toBe(error);
    disk.fault = undefined;
    expect(await contentOf(disk)).toBe('ab345678');
    disk.capacityBytes = 10;
    await expect(file.write(8, [Buffer.from('xyz')], { sync: false })).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(await contentOf(disk)).toBe('ab345678xy');
  });

  it('tells the files below a folder', async () => {
    const disk = await diskWith('one');
    await disk.makeFolder('/d/below');
    await disk.replaceFile('/d/below/g', Buffer.from('four'));
    expect(disk.filesBelow('/d')).toEqual([
      { path: '/d/below/g', sizeBytes: 4 },
      { path: '/d/f', sizeBytes: 3 },
    ]);
    expect(disk.filesBelow('/missing')).toEqual([]);
    expect(disk.peek('/d/below/g').toString()).toBe('four');
  });

  it('flips bits for good', async () => {
    const disk = await diskWith('a');
    disk.flipBit('/d/f', 0, 1);
    expect(await contentOf(disk.crash('none'))).toBe('c');
  });
});
