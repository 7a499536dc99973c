import fs from 'node:fs';
import { mkdtemp, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { DiskFile } from './disk.ts';
import { NodeDisk } from './node-disk.ts';

const disk = new NodeDisk();
let folder: string;
let count = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'node-file-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function withFile(run: (file: DiskFile, path: string) => Promise<void>): Promise<void> {
  const path = join(folder, `file-${count++}`);
  const file = await disk.open(path, { create: true });
  try {
    await run(file, path);
  } finally {
    await file.close();
  }
}

describe('a file of this machine', () => {
  it('holds what was written, whichever writes were synced and wherever it was cut', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('write' as const), bytes: fc.uint8Array({ maxLength: 50 }), sync: fc.boolean() }),
      fc.record({ kind: fc.constant('cut' as const), at: fc.nat(100) }),
      fc.record({ kind: fc.constant('sync' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        await withFile(async (file, path) => {
          let expected = Buffer.alloc(0);
          for (const next of steps) {
            if (next.kind === 'sync') await file.sync();
            if (next.kind === 'cut') {
              const sizeBytes = Math.min(next.at, expected.length);
              await file.truncate(sizeBytes);
              expected = expected.subarray(0, sizeBytes);
            }
            if (next.kind === 'write') {
              const half = next.bytes.length >> 1;
              const chunks = [next.bytes.subarray(0, half), next.bytes.subarray(half)];
              await file.write(expected.length, chunks, { sync: next.sync });
              expected = Buffer.concat([expected, next.bytes]);
            }
          }
          expect(await readFile(path)).toEqual(expected);
          expect(await file.size()).toBe(expected.length);
        });
      }),
      { numRuns: 50 },
    );
  });

  it('syncs with a write what an earlier opening had written and not synced', async () => {
    await withFile(async (earlier, path) => {
      await earlier.write(0, [Buffer.from('unsynced')], { sync: false });
      const file = await disk.open(path);
      const sync = vi.spyOn(fs, 'fdatasync');
      try {
        await file.write(8, [Buffer.from('synced')], { sync: true });
        expect(sync).toHaveBeenCalledTimes(1);
      } finally {
        sync.mockRestore();
        await file.close();
      }
    });
  });

  it('writes more chunks than the system takes at once', async () => {
    await withFile(async (file) => {
      const chunks = Array.from({ length: 2500 }, (_, i) => Buffer.from([i & 0xff]));
      await file.write(0, chunks, { sync: true });
      expect(await file.read(0, 2500)).toEqual(Buffer.concat(chunks));
    });
  });

  it('keeps writing to the same file after it was renamed and its name given to another', async () => {
    await withFile(async (file, path) => {
      await disk.rename(path, `${path}.deleted`);
      await (await disk.open(path, { create: true })).close();
      await file.write(0, [Buffer.from('synced')], { sync: true });
      expect((await readFile(`${path}.deleted`)).toString()).toBe('synced');
      expect((await readFile(path)).length).toBe(0);
    });
  });

  it('takes synced writes that overlap, to different places', async () => {
    await withFile(async (file) => {
      await Promise.all(Array.from({ length: 20 }, (_, i) => file.write(i, [Buffer.from([i])], { sync: i % 2 === 0 })));
      expect(await file.read(0, 20)).toEqual(Buffer.from(Array.from({ length: 20 }, (_, i) => i)));
    });
  });

  it('reads up to the end and no further', async () => {
    await withFile(async (file, path) => {
      await file.write(0, [Buffer.alloc(100)], { sync: false });
      await truncate(path, 60);
      expect((await file.read(50, 100)).length).toBe(10);
      expect((await file.read(60, 1)).length).toBe(0);
    });
  });

  it("rejects with the system's error code", async () => {
    await expect(disk.open(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
    const readOnly = await disk.open(join(folder, 'file-0'), { readOnly: true });
    await expect(readOnly.write(0, [Buffer.from('x')], { sync: false })).rejects.toMatchObject({ code: 'EBADF' });
    await readOnly.close();
    if (process.platform === 'linux') {
      const full = await disk.open('/dev/full');
      for (const sync of [true, false]) {
        await expect(full.write(0, [Buffer.from('x')], { sync })).rejects.toMatchObject({ code: 'ENOSPC' });
      }
      await full.close();
    }
  });
});
