/**
 * Files as the log sees them. Paths are absolute or relative to the process, with `/` between folders.
 *
 * Every method rejects with the error of the system call (`code` is `ENOENT`, `ENOSPC`, `EIO` ...): what an
 * error means for a partition is the log's decision, never the disk's.
 */
export interface Disk {
  /** Opens a file for reading and writing; creates it (and nothing above it) where `create` is set. */
  open(path: string, options?: { create?: boolean; readOnly?: boolean }): Promise<DiskFile>;
  /** The whole content of a small file (checkpoints, indexes, snapshots). */
  readFile(path: string): Promise<Buffer>;
  /**
   * Replaces a small file so that a crash leaves the old content or the new, never a mixture:
   * writes `path + '.tmp'`, syncs it, renames it over `path`, syncs the folder.
   */
  replaceFile(path: string, content: Uint8Array): Promise<void>;
  /** Names in a folder, sorted. */
  list(folder: string): Promise<string[]>;
  /** Makes a folder and those above it; content with one that exists. */
  makeFolder(folder: string): Promise<void>;
  /** Removes a file; content when it is gone already. */
  remove(path: string): Promise<void>;
  /** Removes a folder and all below it; content when it is gone already. */
  removeFolder(folder: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Makes creations, renames and removals in a folder durable. */
  syncFolder(folder: string): Promise<void>;
  /** Size and free room, in bytes, of the volume that a path lies on; undefined where nobody can tell. */
  volume(path: string): Promise<{ totalBytes: number; usableBytes: number } | undefined>;
  /** Size in bytes and last change, or undefined where there is no such file. */
  stat(path: string): Promise<{ sizeBytes: number; modifiedMs: number } | undefined>;
  /**
   * Takes the lock file of a data folder for this process until `release`; undefined when another holds it.
   * The lock goes with the process, so that `kill -9` leaves none behind.
   */
  lock(path: string): Promise<{ release(): Promise<void> } | undefined>;
}

/** One open file. Calls on one file may overlap; two writes to the same bytes may not. */
export interface DiskFile {
  /**
   * Reads up to `length` bytes at `position`; fewer only at the end of the file. The buffer is the caller's: memory of its own, or
   * the beginning of `memory`, where that is given and large enough.
   */
  read(position: number, length: number, memory?: Buffer): Promise<Buffer>;
  /**
   * Writes all `chunks` one after the other from `position` as one gathered write and, where `sync` is set, one
   * fdatasync: what was written is durable when the promise resolves. The chunks must not change before that.
   * After a rejection the bytes from `position` on are undefined, and after a failed sync so is everything not yet synced.
   */
  write(position: number, chunks: readonly Uint8Array[], options: { sync: boolean }): Promise<void>;
  /** Cuts the file to `sizeBytes`. */
  truncate(sizeBytes: number): Promise<void>;
  /** fdatasync. */
  sync(): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}
