import fs from 'node:fs';
import { dirname } from 'node:path';
import type { Disk, DiskFile } from './disk.ts';
import { InlineReads } from './inline-reads.ts';
import { lockFile } from './lock-file.ts';
import { makeFolders } from './make-folders.ts';
import { call, callVoid } from './node-call.ts';
import { NodeFile } from './node-file.ts';
import { Turnstile } from './turnstile.ts';

/** Windows knows no fsync of a folder; its file system journals what this is for. */
const FOLDERS_SYNC = process.platform !== 'win32';

/**
 * Calls at a time that open a file for themselves. More would not be faster, for libuv's threads are fewer, but each of thousands
 * would hold a descriptor while it waits for them.
 */
const SHORT_OPENS_MAX = 32;

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** The file system of this machine. */
export class NodeDisk implements Disk {
  readonly #inline = new InlineReads();
  readonly #shortOpens = new Turnstile(SHORT_OPENS_MAX);

  /**
   * Whether small reads are made in the calling thread as long as they need not wait for the disk. For a start, when there is
   * nothing else to do; false by default.
   */
  get readsInline(): boolean {
    return this.#inline.isOn;
  }

  set readsInline(readsInline: boolean) {
    this.#inline.isOn = readsInline;
  }

  async open(path: string, options: { create?: boolean; readOnly?: boolean } = {}): Promise<DiskFile> {
    const { O_RDONLY, O_RDWR, O_CREAT } = fs.constants;
    const flags = options.readOnly === true ? O_RDONLY : O_RDWR | (options.create === true ? O_CREAT : 0);
    const descriptor = await this.#inline.run(
      () => fs.openSync(path, flags, 0o644),
      () => call<number>((done) => fs.open(path, flags, 0o644, done)),
    );
    return new NodeFile(descriptor, this.#inline);
  }

  async readFile(path: string): Promise<Buffer> {
    try {
      return await this.#inline.run(
        () => fs.readFileSync(path),
        () => this.#shortOpens.pass(() => call<Buffer>((done) => fs.readFile(path, done))),
      );
    } catch (error) {
      throw withPath(error, path);
    }
  }

  async replaceFile(path: string, content: Uint8Array): Promise<void> {
    await this.#shortOpens.pass(() => this.#writeAside(path, content));
    await this.rename(`${path}.tmp`, path);
    await this.syncFolder(dirname(path));
  }

  async #writeAside(path: string, content: Uint8Array): Promise<void> {
    const temporary = `${path}.tmp`;
    const descriptor = await call<number>((done) => fs.open(temporary, 'w', 0o644, done));
    const file = new NodeFile(descriptor, this.#inline);
    try {
      // Not as a synced write: those pay for themselves from the second on.
      await file.write(0, [content], { sync: false });
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async list(folder: string): Promise<string[]> {
    const names = await this.#inline.run(
      () => fs.readdirSync(folder),
      () => call<string[]>((done) => fs.readdir(folder, done)),
    );
    return names.sort();
  }

  async makeFolder(folder: string): Promise<void> {
    await makeFolders(folder);
  }

  async remove(path: string): Promise<void> {
    try {
      await callVoid((done) => fs.unlink(path, done));
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  async removeFolder(folder: string): Promise<void> {
    await callVoid((done) => fs.rm(folder, { recursive: true, force: true }, done));
  }

  async rename(from: string, to: string): Promise<void> {
    await callVoid((done) => fs.rename(from, to, done));
  }

  async syncFolder(folder: string): Promise<void> {
    if (FOLDERS_SYNC) await this.#shortOpens.pass(() => this.#syncFolder(folder));
  }

  async #syncFolder(folder: string): Promise<void> {
    const descriptor = await call<number>((done) => fs.open(folder, fs.constants.O_RDONLY, done));
    try {
      await callVoid((done) => fs.fsync(descriptor, done));
    } finally {
      await callVoid((done) => fs.close(descriptor, done));
    }
  }

  async stat(path: string): Promise<{ sizeBytes: number; modifiedMs: number } | undefined> {
    try {
      const stats = await this.#inline.run(
        () => fs.statSync(path),
        () => call<fs.Stats>((done) => fs.stat(path, done)),
      );
      return { sizeBytes: stats.size, modifiedMs: stats.mtimeMs };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async volume(path: string): Promise<{ totalBytes: number; usableBytes: number } | undefined> {
    try {
      const { bsize, blocks, bavail } = await call<fs.StatsFs>((done) => fs.statfs(path, done));
      return { totalBytes: bsize * blocks, usableBytes: bsize * bavail };
    } catch {
      return undefined;
    }
  }

  async lock(path: string): Promise<{ release(): Promise<void> } | undefined> {
    return lockFile(path);
  }
}

/** A folder is opened like a file, and only the read fails, whose error names none. */
function withPath(error: unknown, path: string): unknown {
  if (error instanceof Error && (error as NodeJS.ErrnoException).path === undefined) {
    error.message += ` '${path}'`;
    Object.assign(error, { path });
  }
  return error;
}
