import type { Disk, DiskFile } from './disk.ts';
import { MemoryFolders } from './memory-folders.ts';
import type { MemoryInode } from './memory-inode.ts';
import type { Random } from './random.ts';
import { systemError } from './system-error.ts';

/** One call on a {@link MemoryDisk}, as its fault hook sees it. */
export interface DiskCall {
  readonly kind:
    | 'open'
    | 'read'
    | 'write'
    | 'sync'
    | 'truncate'
    | 'readFile'
    | 'replaceFile'
    | 'list'
    | 'makeFolder'
    | 'remove'
    | 'removeFolder'
    | 'rename'
    | 'syncFolder'
    | 'stat'
    | 'lock';
  readonly path: string;
  /** Bytes read or written; 0 for other calls. */
  readonly sizeBytes: number;
}

/** A write that fails after its first bytes have gone to the file. */
export interface PartialWrite {
  readonly error: Error;
  readonly writtenBytes: number;
}

/** What becomes of a call: undefined lets it through, an error fails it. */
export type DiskOutcome = Error | PartialWrite | undefined;

/** What a fault hook answers; a promise delays the call. */
export type DiskFault = (call: DiskCall) => DiskOutcome | Promise<DiskOutcome>;

/** What a crash leaves of that which was not synced. */
export type CrashKeeps =
  /** All of it: the process died, the machine went on (`kill -9`). */
  | 'all'
  /** None of it: power was lost before anything was written back. */
  | 'none'
  /** Some of it: power was lost; any of the unsynced writes may be there, whole, torn or not at all, in any combination. */
  | Random;

/**
 * A file system in memory that knows what is durable and what is not yet, for tests and simulation.
 *
 * Writes become durable by a sync of their file, names (creations, renames, removals) by a sync of their folder; a
 * {@link crash} loses what is not. Faults come from {@link fault}; {@link capacityBytes} makes it full.
 */
export class MemoryDisk implements Disk {
  /** Asked before every call. Change it at any time. */
  fault: DiskFault | undefined;
  /** Writes that would make the content of all files larger than this fail with ENOSPC. */
  capacityBytes: number = Number.POSITIVE_INFINITY;
  readonly #now: () => number;
  #folders: MemoryFolders;
  readonly #locks = new Set<string>();
  #isDead = false;
  #openCount = 0;

  /** @param now what `modifiedMs` of files is taken from; 0 for all files when left out */
  constructor(now: () => number = () => 0) {
    this.#now = now;
    this.#folders = new MemoryFolders(now);
  }

  /** How many files are open. */
  get openCount(): number {
    return this.#openCount;
  }

  /** Bytes in all files, as a reader sees them now. */
  get usedBytes(): number {
    return this.#folders.usedBytes();
  }

  /**
   * The process dies (`all`) or the machine does: open files and locks are gone, and so is what `keeps` does not keep.
   *
   * @returns the disk as the next process finds it. This one is dead: whatever the old process still tries fails with EIO,
   * so that it cannot reach into the new life.
   */
  crash(keeps: CrashKeeps): MemoryDisk {
    this.#isDead = true;
    if (keeps !== 'all') this.#folders.crash(keeps === 'none' ? undefined : keeps);
    const next = new MemoryDisk(this.#now);
    next.#folders = this.#folders;
    return next;
  }

  /** Every file below a folder, as a reader sees it now, in the order of the names; nothing where there is no such folder. */
  filesBelow(folder: string): { path: string; sizeBytes: number }[] {
    return this.#folders.filesBelow(folder);
  }

  /** What is in a folder, as a reader sees it now, sorted; nothing where there is no such folder. */
  namesIn(folder: string): string[] {
    return this.#folders.stat(folder) === undefined ? [] : this.#folders.list(folder);
  }

  /** The content of a file as a reader sees it now, without a call that a fault could strike. */
  peek(path: string): Buffer {
    return Buffer.from(this.#folders.file(path).content());
  }

  /** Flips one bit of a file, durably, as a bad sector might. */
  flipBit(path: string, position: number, bit: number): void {
    this.#folders.file(path).flipBit(position, bit);
  }

  open(path: string, options: { create?: boolean; readOnly?: boolean } = {}): Promise<DiskFile> {
    return this.#call('open', path, 0, () => {
      const inode = options.create === true ? this.#folders.fileOrNew(path) : this.#folders.file(path);
      this.#openCount += 1;
      return new MemoryFile(inode, path, options.readOnly === true, {
        call: (kind, sizeBytes, effect, failed) => this.#call(kind, path, sizeBytes, effect, failed),
        room: () =>
          this.capacityBytes === Number.POSITIVE_INFINITY ? this.capacityBytes : this.capacityBytes - this.usedBytes,
        closed: () => {
          this.#openCount -= 1;
        },
      });
    });
  }

  readFile(path: string): Promise<Buffer> {
    return this.#call('readFile', path, 0, () => Buffer.from(this.#folders.file(path).content()));
  }

  /** Step by step, as on a real disk: a crash may come between any two. */
  async replaceFile(path: string, content: Uint8Array): Promise<void> {
    await this.#call('replaceFile', path, content.length, () => {});
    const temporary = `${path}.tmp`;
    const file = await this.open(temporary, { create: true });
    try {
      await file.truncate(0);
      await file.write(0, [content], { sync: true });
    } finally {
      await file.close();
    }
    await this.rename(temporary, path);
    await this.syncFolder(parentOf(path));
  }

  list(folder: string): Promise<string[]> {
    return this.#call('list', folder, 0, () => this.#folders.list(folder));
  }

  makeFolder(folder: string): Promise<void> {
    return this.#call('makeFolder', folder, 0, () => this.#folders.makeFolder(folder));
  }

  remove(path: string): Promise<void> {
    return this.#call('remove', path, 0, () => this.#folders.remove(path));
  }

  removeFolder(folder: string): Promise<void> {
    return this.#call('removeFolder', folder, 0, () => this.#folders.remove(folder));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#call('rename', from, 0, () => this.#folders.rename(from, to));
  }

  syncFolder(folder: string): Promise<void> {
    return this.#call('syncFolder', folder, 0, () => this.#folders.sync(folder));
  }

  stat(path: string): Promise<{ sizeBytes: number; modifiedMs: number } | undefined> {
    return this.#call('stat', path, 0, () => this.#folders.stat(path));
  }

  /** Its capacity and what is left of it; undefined while it has none. */
  async volume(): Promise<{ totalBytes: number; usableBytes: number } | undefined> {
    const { capacityBytes, usedBytes } = this;
    if (capacityBytes === Number.POSITIVE_INFINITY) return undefined;
    return { totalBytes: capacityBytes, usableBytes: Math.max(capacityBytes - usedBytes, 0) };
  }

  lock(path: string): Promise<{ release(): Promise<void> } | undefined> {
    return this.#call('lock', path, 0, () => {
      if (this.#locks.has(path)) return undefined;
      this.#folders.fileOrNew(path);
      this.#locks.add(path);
      return { release: async () => void this.#locks.delete(path) };
    });
  }

  /** Asks the fault hook, then does what the call does in one go: a crash comes before it or after it. */
  async #call<T>(
    kind: DiskCall['kind'],
    path: string,
    sizeBytes: number,
    effect: () => T,
    failed?: (writtenBytes: number) => void,
  ): Promise<T> {
    const outcome = await this.fault?.({ kind, path, sizeBytes });
    if (this.#isDead) throw systemError('EIO', `the machine crashed while ${path} was in use`);
    if (outcome === undefined) return effect();
    const isPartial = 'writtenBytes' in outcome;
    failed?.(isPartial ? outcome.writtenBytes : 0);
    throw isPartial ? outcome.error : outcome;
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

interface FileHost {
  /** `failed` is called when the hook lets the call fail, before it does. */
  call<T>(
    kind: DiskCall['kind'],
    sizeBytes: number,
    effect: () => T,
    failed?: (writtenBytes: number) => void,
  ): Promise<T>;
  /** Bytes by which files may still grow. */
  room(): number;
  closed(): void;
}

class MemoryFile implements DiskFile {
  readonly #inode: MemoryInode;
  readonly #path: string;
  readonly #readOnly: boolean;
  readonly #host: FileHost;
  #open = true;

  constructor(inode: MemoryInode, path: string, readOnly: boolean, host: FileHost) {
    this.#inode = inode;
    this.#path = path;
    this.#readOnly = readOnly;
    this.#host = host;
  }

  async read(position: number, length: number, memory?: Buffer): Promise<Buffer> {
    return this.#call('read', length, () => {
      const content = this.#inode.content().subarray(position, position + length);
      if (memory === undefined || memory.length < length) return Buffer.from(content);
      // Noise, so that it shows when somebody still looks at what was read here before.
      memory.fill(0xa5);
      return memory.subarray(0, content.copy(memory));
    });
  }

  async write(position: number, chunks: readonly Uint8Array[], options: { sync: boolean }): Promise<void> {
    this.#assertOpen('write');
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const write = (): void => {
      this.#assertWritable();
      const fits = Math.max(this.#inode.sizeBytes - position + this.#host.room(), 0);
      if (fits < length) this.#writeFirst(fits, position, chunks);
      if (fits < length) throw systemError('ENOSPC', `no space left on device, write '${this.#path}'`);
      this.#inode.write(position, chunks);
    };
    await this.#host.call('write', length, write, (written) => this.#writeFirst(written, position, chunks));
    if (options.sync) await this.sync();
  }

  async truncate(sizeBytes: number): Promise<void> {
    return this.#call('truncate', 0, () => {
      this.#assertWritable();
      this.#inode.truncate(sizeBytes);
    });
  }

  async sync(): Promise<void> {
    this.#assertOpen('sync');
    return this.#host.call(
      'sync',
      0,
      () => this.#inode.sync(),
      () => this.#inode.failSync(),
    );
  }

  async size(): Promise<number> {
    return this.#call('stat', 0, () => this.#inode.sizeBytes);
  }

  async close(): Promise<void> {
    if (!this.#open) throw systemError('EBADF', `close '${this.#path}'`);
    this.#open = false;
    this.#host.closed();
  }

  #call<T>(kind: DiskCall['kind'], sizeBytes: number, effect: () => T): Promise<T> {
    this.#assertOpen(kind);
    return this.#host.call(kind, sizeBytes, effect);
  }

  /** A write that stops short has put its first bytes into the file. */
  #writeFirst(count: number, position: number, chunks: readonly Uint8Array[]): void {
    if (count > 0) this.#inode.write(position, [Buffer.concat(chunks).subarray(0, count)]);
  }

  #assertOpen(kind: DiskCall['kind']): void {
    if (!this.#open) throw systemError('EBADF', `${kind} '${this.#path}'`);
  }

  #assertWritable(): void {
    if (this.#readOnly) throw systemError('EBADF', `write '${this.#path}', which is open for reading only`);
  }
}
