/** A file system on a loop device whose power can be cut: what it had not written to the device by then is lost. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Those that can be shut down in the middle of everything (the ioctl FS_IOC_SHUTDOWN). */
export const FILE_SYSTEMS = ['ext4', 'xfs'] as const;
/** One of {@link FILE_SYSTEMS}. */
export type FileSystem = (typeof FILE_SYSTEMS)[number];

const SIZE_BYTES = 4 * 1024 ** 3;
const MAKE_OPTIONS: Readonly<Record<FileSystem, readonly string[]>> = { ext4: ['-q', '-F'], xfs: ['-q', '-f'] };
const UNMOUNT_TRIES_MAX = 100;
const UNMOUNT_PAUSE_MS = 50;

/** An image file that takes as much room as what is written to it. Only root may mount it. */
export class LoopDisk {
  /** Where it is mounted. */
  readonly folder: string;
  readonly #base: string;
  readonly #image: string;

  /** @throws Error when there is no loop device, or this user may not mount it, or Debian's `xfsprogs` is missing */
  constructor(fileSystem: FileSystem, parent: string = tmpdir()) {
    this.#base = mkdtempSync(join(parent, `millrace-${fileSystem}-`));
    this.folder = join(this.#base, 'disk');
    this.#image = join(this.#base, 'image');
    mkdirSync(this.folder);
    try {
      writeFileSync(this.#image, '');
      truncateSync(this.#image, SIZE_BYTES);
      run(`mkfs.${fileSystem}`, ...MAKE_OPTIONS[fileSystem], this.#image);
      this.#mount();
    } catch (error) {
      rmSync(this.#base, { recursive: true, force: true });
      throw error;
    }
  }

  /** From now on nothing reaches the device any more, neither data nor the journal, and every write fails. */
  cutPower(): void {
    run('xfs_io', '-x', '-c', 'shutdown', this.folder);
  }

  /** Has the file system there again as the device has it. Nobody may have files open on it. */
  async powerOn(): Promise<void> {
    await this.#unmount();
    this.#mount();
  }

  /** Unmounts it and removes it with all that is on it. */
  async remove(): Promise<void> {
    await this.#unmount();
    rmSync(this.#base, { recursive: true, force: true });
  }

  #mount(): void {
    run('mount', '-o', 'loop', this.#image, this.folder);
  }

  /** The kernel may still be closing the files of a process that has ended. */
  async #unmount(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        run('umount', this.folder);
        return;
      } catch (error) {
        if (tries === UNMOUNT_TRIES_MAX) throw error;
        await sleep(UNMOUNT_PAUSE_MS);
      }
    }
  }
}

/** Why there can be no such disk here; undefined when there can. */
export async function whyNoLoopDisk(fileSystem: FileSystem): Promise<string | undefined> {
  try {
    const disk = new LoopDisk(fileSystem);
    try {
      disk.cutPower();
    } finally {
      await disk.remove();
    }
    return undefined;
  } catch (error) {
    const reason = error instanceof Error ? error.message.trim().replaceAll('\n', ' ') : String(error);
    return `a file system whose power can be cut needs root, a loop device, and Debian's xfsprogs (${reason})`;
  }
}

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: 'pipe' });
}
