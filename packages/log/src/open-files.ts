import type { Disk, DiskFile } from '@millrace/ports';

/**
 * The open files of all partitions, bounded: the least recently used one that nobody is using closes when another one opens.
 * Files in use are never closed, so the number can pass the bound for as long as more calls than that overlap.
 */
export class OpenFiles {
  readonly disk: Disk;
  readonly #openMax: number;
  /** Open and not in use, the least recently used first. */
  readonly #idle = new Set<PooledFile>();
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

  /** @internal For {@link PooledFile}. */
  opened(): void {
    this.#openCount++;
    while (this.#openCount > this.#openMax) {
      const oldest = this.#idle.values().next().value;
      if (oldest === undefined) return;
      oldest.closeIdle();
    }
  }

  /** @internal */
  closed(): void {
    this.#openCount--;
  }

  /** @internal */
  becameIdle(file: PooledFile): void {
    this.#idle.add(file);
    if (this.#openCount > this.#openMax) file.closeIdle();
  }

  /** @internal */
  leftIdle(file: PooledFile): void {
    this.#idle.delete(file);
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
    this.#users++;
    try {
      if (this.#users === 1 && this.#handle !== undefined) this.#pool.leftIdle(this);
      return await run(this.#handle ?? (await this.#open(options?.create === true)));
    } finally {
      this.#users--;
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
    this.#pool.closed();
    // Nothing hangs on the result: what was written was synced by whoever needed it to be, before.
    handle.close().catch(() => {});
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
    const handle = await this.#pool.disk.open(this.#path, { create });
    this.#handle = handle;
    this.#pool.opened();
    return handle;
  }
}
