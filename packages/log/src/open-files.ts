import type { Disk, DiskFile } from '@millrace/ports';

/**
 * The open files of all partitions, bounded: the least recently used one that nobody is using closes when another one is to open,
 * and when all are in use, it waits. Nobody may use a file while using another, or the two could wait for each other.
 */
export class OpenFiles {
  readonly disk: Disk;
  readonly #openMax: number;
  /** Open and not in use, the least recently used first. */
  readonly #idle = new Set<PooledFile>();
  /** Those who wait to open a file, the longest first. */
  readonly #waiting: (() => void)[] = [];
  /** Open, about to open, or not yet closed. */
  #openCount = 0;

  constructor(disk: Disk, openMax: number) {
    this.disk = disk;
    this.#openMax = openMax;
  }

  /** How many files are open. */
  get openCount(): number {
    return this.#openCount;
  }

  /** A file that opens when it is first used. */
  file(path: string): PooledFile {
    return new PooledFile(this, path);
  }

  /** @internal For {@link PooledFile}: opens a file as soon as there is a place for it. */
  async open(path: string, create: boolean): Promise<DiskFile> {
    await this.#place();
    try {
      return await this.disk.open(path, { create });
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  /** @internal */
  close(handle: DiskFile): void {
    const leave = (): void => this.#leave();
    // Nothing hangs on the result: what was written was synced by whoever needed it to be, before.
    handle.close().then(leave, leave);
  }

  /** @internal */
  becameIdle(file: PooledFile): void {
    this.#idle.add(file);
    if (this.#waiting.length > 0) file.closeIdle();
  }

  /** @internal */
  leftIdle(file: PooledFile): void {
    this.#idle.delete(file);
  }

  /** Resolves when there is a place for one more file, and takes it. */
  #place(): Promise<void> | undefined {
    if (this.#openCount < this.#openMax) {
      this.#openCount += 1;
      return undefined;
    }
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#idle.values().next().value?.closeIdle();
    });
  }

  /** Gives a place to the next who waits. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#openCount -= 1;
    else next();
  }
}

/** A handle, and who uses it. */
class Opened {
  handle: DiskFile | undefined;
  opening: Promise<DiskFile> | undefined;
  users = 0;
  /** Whether the handle goes when the last user has done. */
  isDoomed = false;
}

/** One file whose handle comes and goes. It is created when it is opened and not there, unless it was closed for good. */
export class PooledFile {
  readonly #pool: OpenFiles;
  #path: string;
  #opened = new Opened();
  #renaming: Promise<void> | undefined;

  constructor(pool: OpenFiles, path: string) {
    this.#pool = pool;
    this.#path = path;
  }

  get path(): string {
    return this.#path;
  }

  /** Runs `run` with the open file; the file stays open that long. */
  async use<T>(run: (file: DiskFile) => Promise<T>, options?: { create?: boolean }): Promise<T> {
    const opened = this.#opened;
    opened.users += 1;
    try {
      if (opened.users === 1 && opened.handle !== undefined) this.#pool.leftIdle(this);
      return await run(opened.handle ?? (await this.#open(opened, options?.create === true)));
    } finally {
      opened.users -= 1;
      if (opened.users === 0 && opened.handle !== undefined) this.#settle(opened);
    }
  }

  /** Renames the file on the disk; readers in the middle of it are not disturbed, and who opens it waits. */
  rename(path: string): Promise<void> {
    return this.#whileRenaming(this.#renameNow(path));
  }

  async #renameNow(path: string): Promise<void> {
    await this.#opened.opening?.catch(() => {});
    await this.#pool.disk.rename(this.#path, path);
    this.#path = path;
  }

  /** Has the file another name once its folder is renamed; who opens it waits for that. */
  folderRenamed(renaming: Promise<void>, path: string): void {
    const renamed = renaming.then(() => {
      this.#path = path;
    });
    this.#whileRenaming(renamed).catch(() => {});
  }

  async #whileRenaming(renaming: Promise<void>): Promise<void> {
    this.#renaming = renaming;
    try {
      await renaming;
    } finally {
      if (this.#renaming === renaming) this.#renaming = undefined;
    }
  }

  /** From now on the file is its copy at another place. Who is in the middle of the old one goes on there. */
  replacedBy(path: string): void {
    const old = this.#opened;
    this.#opened = new Opened();
    this.#path = path;
    if (old.handle === undefined || old.users > 0) return;
    this.#pool.leftIdle(this);
    this.#pool.close(old.handle);
  }

  /** Closes the handle as soon as nobody uses it. A later use opens the file anew. */
  close(): void {
    if (this.#opened.handle === undefined) return;
    if (this.#opened.users === 0) this.closeIdle();
    else this.#opened.isDoomed = true;
  }

  /** @internal For {@link OpenFiles}. */
  closeIdle(): void {
    const opened = this.#opened;
    const { handle } = opened;
    if (handle === undefined) return;
    opened.handle = undefined;
    opened.isDoomed = false;
    this.#pool.leftIdle(this);
    this.#pool.close(handle);
  }

  #settle(opened: Opened): void {
    if (opened !== this.#opened) this.#pool.close(opened.handle!);
    else if (opened.isDoomed) this.closeIdle();
    else this.#pool.becameIdle(this);
  }

  #open(opened: Opened, create: boolean): Promise<DiskFile> {
    opened.opening ??= this.#openNow(opened, create).finally(() => {
      opened.opening = undefined;
    });
    return opened.opening;
  }

  async #openNow(opened: Opened, create: boolean): Promise<DiskFile> {
    await this.#renaming?.catch(() => {});
    const path = this.#path;
    try {
      opened.handle = await this.#pool.open(path, create);
    } catch (error) {
      // The file is another one by now: what was to be read of the old one is in it.
      if (opened === this.#opened || this.#path === path) throw error;
      opened.handle = await this.#pool.open(this.#path, create);
    }
    return opened.handle;
  }
}
