/** A disk of a few megabytes, so that a full one can be had: a tmpfs, which only root may mount. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SmallDisk {
  /** Where the disk is. */
  readonly folder: string;
  /** Takes some room. */
  take(bytes: number): void;
  /** Takes all the room that is left. */
  fill(): void;
  /** Gives back what `take` and `fill` took. */
  free(): void;
  /** Unmounts, with all that is on it. */
  remove(): void;
}

const FILL_STEP_BYTES = 64 * 1024;

/** @throws Error when this user may not mount. */
export function mountSmallDisk(sizeBytes: number): SmallDisk {
  const base = mkdtempSync(join(tmpdir(), 'millrace-small-disk-'));
  const folder = join(base, 'disk');
  mkdirSync(folder);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'millrace-small-disk', folder], { stdio: 'pipe' });
  } catch (error) {
    rmSync(base, { recursive: true, force: true });
    throw error;
  }
  let fillers = 0;
  const take = (bytes: number): void => writeFileSync(join(folder, `filler-${fillers++}`), Buffer.alloc(bytes));
  const fill = (): void => {
    for (let step = FILL_STEP_BYTES; step >= 1; step >>= 4) {
      for (;;) {
        const { bavail } = statfsSync(folder);
        if (bavail === 0) return;
        try {
          take(step);
        } catch {
          break;
        }
      }
    }
  };
  const free = (): void => {
    for (; fillers > 0; fillers -= 1) rmSync(join(folder, `filler-${fillers - 1}`), { force: true });
  };
  const remove = (): void => {
    execFileSync('umount', ['-l', folder]);
    rmSync(base, { recursive: true, force: true });
  };
  return { folder, take, fill, free, remove };
}

/** Why there can be no small disk here; undefined when there can. */
export function whyNoSmallDisk(): string | undefined {
  try {
    mountSmallDisk(1024 * 1024).remove();
    return undefined;
  } catch (error) {
    return `this user may not mount a tmpfs (${error instanceof Error ? error.message.split('\n')[0] : error})`;
  }
}
