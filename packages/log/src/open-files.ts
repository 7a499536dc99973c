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

/** One file whose handle comes and goes. It is created when it is opened and not there, unless it was closed for good. */
export class PooledFile {
  readonly #pool: OpenFiles;
  #path: string;
  #handle: DiskFile | undefined;
  #opening: Promise<DiskFile> | undefined;
  #renaming: Promise<void> | undefined;
  #users = 0;
  /** Whether the handle goes when the last user has done. */
  #doomed = false;

  constructor(pool: OpenFiles, path: string) {
    this.#pool = pool;
    this.#path = path;
  }

  get path(): string {
    return this.#path;
  }

  /** Runs `run` with the open file; the file stays open that long. */
  async use<T>(run: (file: DiskFile) => Promise<T>, options?: { create?: boolean }): Promise<T> {
    this.#users += 1;
    try {
      if (this.#users === 1 && this.#handle !== undefined) this.#pool.leftIdle(this);
      return await run(this.#handle ?? (await this.#open(options?.create === true)));
    } finally {
      this.#users -= 1;
      if (this.#users === 0 && this.#handle !== undefined) this.#becomeIdle();
    }
  }

  /** Renames the file on the disk; readers in the middle of it are not disturbed, and who opens it waits. */
  rename(path: string): Promise<void> {
    const renaming = this.#renameNow(path).finally(() => {
      this.#renaming = undefined;
    });
    this.#renaming = renaming;
    return renaming;
  }

  async #renameNow(path: string): Promise<void> {
    await this.#opening?.catch(() => {});
    await this.#pool.disk.rename(this.#path, path);
    this.#path = path;
  }

  /** Notes that the file's folder was renamed. */
  moved(path: string): void {
    this.#path = path;
  }

  /** Closes the handle as soon as nobody uses it. A later use opens the file anew. */
  close(): void {
    if (this.#handle === undefined) return;
    if (this.#users === 0) this.closeIdle();
    else this.#doomed = true;
  }

  /** @internal For {@link OpenFiles}. */
  closeIdle(): void {
    const handle = this.#handle;
    if (handle === undefined) return;
    this.#handle = undefined;
    this.#doomed = false;
    this.#pool.leftIdle(this);
    this.#pool.close(handle);
  }

  #becomeIdle(): void {
    if (this.#doomed) this.closeIdle();
    else this.#pool.becameIdle(this);
  }

  #open(create: boolean): Promise<DiskFile> {
    this.#opening ??= this.#openNow(create).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #openNow(create: boolean): Promise<DiskFile> {
    await this.#renaming?.catch(() => {});
    this.#handle = await this.#pool.open(this.#path, create);
    return this.#handle;
  }
}
