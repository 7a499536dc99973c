import fs from 'node:fs';
import { dirname } from 'node:path';
import type { Disk, DiskFile } from './disk.ts';
import { lockFile } from './lock-file.ts';

/** Chunks given to one gathered write; Linux takes no more (IOV_MAX). */
const CHUNKS_PER_WRITE_MAX = 1024;

/** Windows knows no fsync of a folder; its file system journals what this is for. */
const FOLDERS_SYNC = process.platform !== 'win32';

type Done<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

/**
 * A promise of a callback call. The log makes many small calls, and node:fs/promises costs about twice as much per call
 * because every handle and every result goes through more objects.
 */
function call<T>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error === null || error === undefined ? resolve(value) : reject(error)));
  });
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** The file system of this machine. */
export class NodeDisk implements Disk {
  async open(path: string, options: { create?: boolean; readOnly?: boolean } = {}): Promise<DiskFile> {
    const { O_RDONLY, O_RDWR, O_CREAT } = fs.constants;
    const flags = options.readOnly === true ? O_RDONLY : O_RDWR | (options.create === true ? O_CREAT : 0);
    return new NodeFile(await call<number>((done) => fs.open(path, flags, 0o644, done)));
  }

  readFile(path: string): Promise<Buffer> {
    return call<Buffer>((done) => fs.readFile(path, done));
  }

  async replaceFile(path: string, content: Uint8Array): Promise<void> {
    const temporary = `${path}.tmp`;
    const descriptor = await call<number>((done) => fs.open(temporary, 'w', 0o644, done));
    const file = new NodeFile(descriptor);
    try {
      await file.write(0, [content], { sync: true });
    } finally {
      await file.close();
    }
    await this.rename(temporary, path);
    await this.syncFolder(dirname(path));
  }

  async list(folder: string): Promise<string[]> {
    return (await call<string[]>((done) => fs.readdir(folder, done))).sort();
  }

  async makeFolder(folder: string): Promise<void> {
    await call<string | undefined>((done) => fs.mkdir(folder, { recursive: true }, done));
  }

  async remove(path: string): Promise<void> {
    try {
      await call<void>((done) => fs.unlink(path, done as (error: NodeJS.ErrnoException | null) => void));
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  async removeFolder(folder: string): Promise<void> {
    await call<void>((done) =>
      fs.rm(folder, { recursive: true, force: true }, done as (error: NodeJS.ErrnoException | null) => void),
    );
  }

  async rename(from: string, to: string): Promise<void> {
    await call<void>((done) => fs.rename(from, to, done as (error: NodeJS.ErrnoException | null) => void));
  }

  async syncFolder(folder: string): Promise<void> {
    if (!FOLDERS_SYNC) return;
    const descriptor = await call<number>((done) => fs.open(folder, fs.constants.O_RDONLY, done));
    try {
      await call<void>((done) => fs.fsync(descriptor, done as (error: NodeJS.ErrnoException | null) => void));
    } finally {
      await call<void>((done) =>
        fs.close(descriptor, done as (error: NodeJS.ErrnoException | null | undefined) => void),
      );
    }
  }

  async stat(path: string): Promise<{ sizeBytes: number; modifiedMs: number } | undefined> {
    try {
      const stats = await call<fs.Stats>((done) => fs.stat(path, done));
      return { sizeBytes: stats.size, modifiedMs: stats.mtimeMs };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async lock(path: string): Promise<{ release(): Promise<void> } | undefined> {
    return lockFile(path);
  }
}

class NodeFile implements DiskFile {
  readonly #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  async read(position: number, length: number): Promise<Buffer> {
    // The slab of Buffer.allocUnsafe would keep 8 KiB alive for every small view that a cache holds on to.
    const buffer = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    while (filled < length) {
      const count = await call<number>((done) =>
        fs.read(this.#descriptor, buffer, filled, length - filled, position + filled, done),
      );
      if (count === 0) break;
      filled += count;
    }
    return filled === length ? buffer : buffer.subarray(0, filled);
  }

  async write(position: number, chunks: readonly Uint8Array[], options: { sync: boolean }): Promise<void> {
    let at = position;
    let pending = chunks;
    while (pending.length > 0) {
      const group = pending.length > CHUNKS_PER_WRITE_MAX ? pending.slice(0, CHUNKS_PER_WRITE_MAX) : pending;
      const count = await call<number>((done) => fs.writev(this.#descriptor, group as Uint8Array[], at, done));
      at += count;
      pending = withoutFirst(pending, count);
    }
    if (options.sync) await this.sync();
  }

  async truncate(sizeBytes: number): Promise<void> {
    await call<void>((done) =>
      fs.ftruncate(this.#descriptor, sizeBytes, done as (error: NodeJS.ErrnoException | null) => void),
    );
  }

  async sync(): Promise<void> {
    await call<void>((done) => fs.fdatasync(this.#descriptor, done as (error: NodeJS.ErrnoException | null) => void));
  }

  async size(): Promise<number> {
    return (await call<fs.Stats>((done) => fs.fstat(this.#descriptor, done))).size;
  }

  async close(): Promise<void> {
    await call<void>((done) =>
      fs.close(this.#descriptor, done as (error: NodeJS.ErrnoException | null | undefined) => void),
    );
  }
}

/** What is left of `chunks` after the first `count` bytes: a write may stop short, at a full disk for one. */
function withoutFirst(chunks: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skipped = 0;
  let index = 0;
  for (let chunk = chunks[index]; chunk !== undefined; chunk = chunks[++index]) {
    if (skipped + chunk.length > count) {
      return [chunk.subarray(count - skipped), ...chunks.slice(index + 1)];
    }
    skipped += chunk.length;
  }
  return [];
}
