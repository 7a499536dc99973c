import { type Disk, MemoryDisk } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { OpenFiles } from './open-files.ts';

/** A disk that counts the files that are open. */
function countingDisk(): { disk: Disk; open: () => number; most: () => number } {
  const disk = new MemoryDisk();
  let open = 0;
  let most = 0;
  const openFile = disk.open.bind(disk);
  disk.open = async (path, options) => {
    // The real number: a file that is being opened takes its place in the process' table before the caller has it.
    most = Math.max(most, ++open);
    try {
      const file = await openFile(path, options);
      const close = file.close.bind(file);
      file.close = async () => {
        await close();
        open -= 1;
      };
      return file;
    } catch (error) {
      open -= 1;
      throw error;
    }
  };
  return { disk, open: () => open, most: () => most };
}

describe('the open files', () => {
  it('are never more than may be, however many are used at once, and each gets its turn', async () => {
    const { disk, most } = countingDisk();
    const pool = new OpenFiles(disk, 3);
    const files = Array.from({ length: 40 }, (_, n) => pool.file(`/file-${n}`));
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(
        files.map((file, n) =>
          file.use((handle) => handle.write(round, [Buffer.from([n])], { sync: false }), { create: true }),
        ),
      );
    }
    expect(most()).toBe(3);
    expect(pool.openCount).toBeLessThanOrEqual(3);
    for (const [n, file] of files.entries()) {
      expect(await file.use((handle) => handle.read(0, 10))).toEqual(Buffer.from([n, n, n]));
    }
  });

  it('stay open while there is room, and close when they are told to', async () => {
    const { disk, open } = countingDisk();
    const pool = new OpenFiles(disk, 3);
    const file = pool.file('/file');
    const touch = () => file.use(async () => {}, { create: true });
    await touch();
    await touch();
    expect([open(), pool.openCount]).toEqual([1, 1]);
    file.close();
    await expect.poll(() => [open(), pool.openCount]).toEqual([0, 0]);
    await touch();
    expect(open()).toBe(1);
  });

  it('leave their place to the next when they cannot be opened', async () => {
    const { disk } = countingDisk();
    const pool = new OpenFiles(disk, 1);
    const missing = Array.from({ length: 5 }, (_, n) => pool.file(`/missing-${n}`).use(async () => {}));
    const there = pool.file('/there').use(async () => 'used', { create: true });
    for (const each of missing) await expect(each).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await there).toBe('used');
  });

  it('serve who uses a file while it is opening for another', async () => {
    const pool = new OpenFiles(new MemoryDisk(), 1);
    const file = pool.file('/file');
    const other = pool.file('/other');
    const used = await Promise.all(
      [file, other, file, other, file].map((each, n) => each.use(async () => n, { create: true })),
    );
    expect(used).toEqual([0, 1, 2, 3, 4]);
  });
});
