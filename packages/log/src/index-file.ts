import { MalformedFileError, systemCodeOf } from './errors.ts';
import type { IndexCache } from './index-cache.ts';
import type { PooledFile } from './open-files.ts';

/** Entries kept in memory before they are written to the file; with the default interval, those of 2 MiB of log. */
export const INDEX_TAIL_ENTRIES_MAX_DEFAULT = 512;
const TAIL_ENTRIES_FIRST = 16;

/** How entries of one kind of index are ordered and what makes them sane. */
export interface IndexFormat {
  readonly entryBytes: number;
  /** What entries are searched by. */
  keyAt(buffer: Buffer, at: number): number;
  /** Whether `at` may follow `previous` (undefined for the first) in an index of a log of `logBytes`. */
  isSane(buffer: Buffer, at: number, previous: number | undefined, logBytes: number): boolean;
}

/**
 * An index of fixed-size entries in ascending order: a file, and in memory the newest entries that are not in it yet. What
 * is in the file is read when somebody searches there, kept in a cache of bounded size, and checked as it is read.
 *
 * Appends and searches are synchronous where no file is needed. Calls that write the file must not overlap; the partition's
 * writer sees to that.
 */
export class IndexFile {
  readonly file: PooledFile;
  readonly #format: IndexFormat;
  readonly #cache: IndexCache;
  /** Entries in the file; undefined until it was looked at. */
  #storedCount: number | undefined;
  #loaded: Buffer | undefined;
  #loading: Promise<Buffer> | undefined;
  #tail: Buffer = EMPTY;
  #tailCount = 0;
  #unsynced = false;
  /** Whether an empty file is known to be there. */
  #isThere = false;

  constructor(file: PooledFile, format: IndexFormat, cache: IndexCache, storedCount?: number) {
    this.file = file;
    this.#format = format;
    this.#cache = cache;
    this.#storedCount = storedCount;
  }

  /** Entries in all; of a file that was not looked at yet, those that came since. */
  get entryCount(): number {
    return (this.#storedCount ?? 0) + this.#tailCount;
  }

  get tailCount(): number {
    return this.#tailCount;
  }

  /** Whether something is in memory only, or in the file but not synced. */
  get isDirty(): boolean {
    return this.#tailCount > 0 || this.#unsynced;
  }

  /** Room for one entry; fill it before anything else is called. */
  push(): { readonly buffer: Buffer; readonly at: number } {
    const { entryBytes } = this.#format;
    if ((this.#tailCount + 1) * entryBytes > this.#tail.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(TAIL_ENTRIES_FIRST * entryBytes, this.#tail.length * 2));
      this.#tail.copy(grown);
      this.#tail = grown;
    }
    return { buffer: this.#tail, at: this.#tailCount++ * entryBytes };
  }

  /** The last entry whose key is at most `key`, given to `take`; `none` when there is no such entry. */
  floor<T>(key: number, logBytes: number, take: (buffer: Buffer, at: number) => T, none: T): T | Promise<T> {
    const inTail = this.#search(this.#tail, this.#tailCount, key);
    if (inTail >= 0) return take(this.#tail, inTail * this.#format.entryBytes);
    if (this.#storedCount === 0) return none;
    const search = (stored: Buffer): T => {
      const found = this.#search(stored, stored.length / this.#format.entryBytes, key);
      return found < 0 ? none : take(stored, found * this.#format.entryBytes);
    };
    if (this.#loaded !== undefined) {
      this.#cache.touch(this);
      return search(this.#loaded);
    }
    return this.#load(logBytes).then(search);
  }

  /** Every entry, oldest first, in one buffer of the caller's own. */
  async all(logBytes: number): Promise<Buffer> {
    const stored = this.#storedCount === 0 ? EMPTY : (this.#loaded ?? (await this.#load(logBytes)));
    const { entryBytes } = this.#format;
    return Buffer.concat([stored, this.#tail.subarray(0, this.#tailCount * entryBytes)]);
  }

  /** Writes the entries that are in memory only, and syncs the file where `sync` is set. */
  async flush(options: { sync: boolean }): Promise<void> {
    if (this.#tailCount > 0) await this.#writeTail();
    if (options.sync && this.#unsynced) {
      await this.file.use((file) => file.sync(), { create: true });
      this.#unsynced = false;
    }
  }

  /** Makes an empty file where there is nothing to write: Kafka's tools want both indexes beside a log. */
  async createEmpty(): Promise<void> {
    if (this.#isThere || this.#storedCount !== 0 || this.#tailCount > 0) return;
    await this.file.use(async () => {}, { create: true });
    this.#isThere = true;
  }

  /** What the file holds, sane or not; nothing when it is not there. */
  async readStored(): Promise<Buffer> {
    try {
      const stored = await this.file.use(async (file) => file.read(0, await file.size()));
      this.#isThere = true;
      return stored;
    } catch (error) {
      if (isUnusableIndex(error)) return EMPTY;
      throw error;
    }
  }

  /** Drops every entry but those in the first `bytes` of the file. */
  async keep(bytes: number): Promise<void> {
    this.#forgetLoaded();
    this.#tailCount = 0;
    this.#storedCount = bytes / this.#format.entryBytes;
    try {
      await this.file.use(async (file) => {
        if ((await file.size()) === bytes) return;
        await file.truncate(bytes);
        this.#unsynced = true;
      });
    } catch (error) {
      // Where there is no file there is nothing to drop.
      if (bytes > 0 || !isUnusableIndex(error)) throw error;
    }
  }

  /** Drops what is in memory; for a segment that is closed or gone. */
  release(): void {
    this.#forgetLoaded();
    this.#tail = EMPTY;
    this.#tailCount = 0;
    this.file.close();
  }

  /** @internal For {@link IndexCache}: the file has it still. */
  evict(): void {
    this.#loaded = undefined;
  }

  async #writeTail(): Promise<void> {
    const { entryBytes } = this.#format;
    const count = this.#tailCount;
    const stored = this.#storedCount ?? (await this.#countStored());
    // A copy, because entries may be pushed, and the buffer replaced, while the write is under way.
    const bytes = Buffer.from(this.#tail.subarray(0, count * entryBytes));
    await this.file.use((file) => file.write(stored * entryBytes, [bytes], { sync: false }), { create: true });
    this.#unsynced = true;
    this.#storedCount = stored + count;
    this.#forgetLoaded();
    this.#tail.copyWithin(0, count * entryBytes, this.#tailCount * entryBytes);
    this.#tailCount -= count;
  }

  async #countStored(): Promise<number> {
    const size = await this.file.use((file) => file.size(), { create: true });
    return Math.floor(size / this.#format.entryBytes);
  }

  #load(logBytes: number): Promise<Buffer> {
    this.#loading ??= this.#loadNow(logBytes).finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #loadNow(logBytes: number): Promise<Buffer> {
    const { entryBytes } = this.#format;
    const known = this.#storedCount;
    const content = await this.file.use(async (file) =>
      file.read(0, known === undefined ? await file.size() : known * entryBytes),
    );
    const count = known ?? content.length / entryBytes;
    const fault = content.length !== count * entryBytes || !Number.isInteger(count) ? 'has a wrong size' : undefined;
    if (fault !== undefined || !this.#isSane(content, logBytes)) {
      throw new MalformedFileError(this.file.path, fault ?? 'its entries are out of order');
    }
    // A write that came in between has moved entries from memory to the file: what was read is not all of it any more.
    if (this.#storedCount === known) {
      this.#storedCount = count;
      this.#loaded = content;
      this.#cache.add(this, content.length);
    }
    return content;
  }

  #isSane(content: Buffer, logBytes: number): boolean {
    const { entryBytes } = this.#format;
    let previous: number | undefined;
    for (let at = 0; at < content.length; at += entryBytes) {
      if (!this.#format.isSane(content, at, previous, logBytes)) return false;
      previous = at;
    }
    return true;
  }

  #forgetLoaded(): void {
    if (this.#loaded === undefined) return;
    this.#loaded = undefined;
    this.#cache.remove(this);
  }

  #search(buffer: Buffer, count: number, key: number): number {
    let low = 0;
    let high = count - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (this.#format.keyAt(buffer, middle * this.#format.entryBytes) <= key) low = middle + 1;
      else high = middle - 1;
    }
    return high;
  }
}

const EMPTY = Buffer.alloc(0);

/** Whether an index has to be rebuilt from its log: it is not there, or not what an index is. */
export function isUnusableIndex(error: unknown): boolean {
  return error instanceof MalformedFileError || systemCodeOf(error) === 'ENOENT';
}
