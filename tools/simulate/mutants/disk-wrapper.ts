import type { Disk, DiskFile } from '@millrace/ports';

/** What a wrapped disk does otherwise with its open files. */
export interface FileHooks {
  read?(file: DiskFile, position: number, length: number, path: string): Promise<Buffer>;
  write?(
    file: DiskFile,
    position: number,
    chunks: readonly Uint8Array[],
    options: { sync: boolean },
    path: string,
  ): Promise<void>;
  sync?(file: DiskFile, path: string): Promise<void>;
}

/** A disk that passes everything on, but for what its hooks say of open files. */
export class WrappedDisk implements Disk {
  readonly #disk: Disk;
  readonly #hooks: FileHooks;

  constructor(disk: Disk, hooks: FileHooks) {
    this.#disk = disk;
    this.#hooks = hooks;
  }

  async open(path: string, options?: { create?: boolean; readOnly?: boolean }): Promise<DiskFile> {
    const file = await this.#disk.open(path, options);
    const { read, write, sync } = this.#hooks;
    return {
      read: (position, length, memory) => read?.(file, position, length, path) ?? file.read(position, length, memory),
      write: (position, chunks, how) => write?.(file, position, chunks, how, path) ?? file.write(position, chunks, how),
      truncate: (sizeBytes) => file.truncate(sizeBytes),
      sync: () => sync?.(file, path) ?? file.sync(),
      size: () => file.size(),
      close: () => file.close(),
    };
  }

  readFile(path: string): Promise<Buffer> {
    return this.#disk.readFile(path);
  }

  replaceFile(path: string, content: Uint8Array): Promise<void> {
    return this.#disk.replaceFile(path, content);
  }

  list(folder: string): Promise<string[]> {
    return this.#disk.list(folder);
  }

  makeFolder(folder: string): Promise<void> {
    return this.#disk.makeFolder(folder);
  }

  remove(path: string): Promise<void> {
    return this.#disk.remove(path);
  }

  removeFolder(folder: string): Promise<void> {
    return this.#disk.removeFolder(folder);
  }

  rename(from: string, to: string): Promise<void> {
    return this.#disk.rename(from, to);
  }

  syncFolder(folder: string): Promise<void> {
    return this.#disk.syncFolder(folder);
  }

  stat(path: string): Promise<{ sizeBytes: number; modifiedMs: number } | undefined> {
    return this.#disk.stat(path);
  }

  volume(path: string): Promise<{ totalBytes: number; usableBytes: number } | undefined> {
    return this.#disk.volume(path);
  }

  lock(path: string): Promise<{ release(): Promise<void> } | undefined> {
    return this.#disk.lock(path);
  }
}
