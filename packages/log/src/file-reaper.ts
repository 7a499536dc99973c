import type { Clock, Disk, Timer } from '@millrace/ports';

interface Doomed {
  readonly dueMs: number;
  readonly path: string;
  readonly isFolder: boolean;
}

/**
 * Removes files some time after they were given up (`file.delete.delay.ms`), so that readers in the middle of them get to
 * their end. One timer for all partitions; what a crash leaves behind is known by its suffix at the next start.
 */
export class FileReaper {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #onError: (path: string, error: unknown) => void;
  readonly #doomed = new Set<Doomed>();
  #timer: Timer | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;

  constructor(disk: Disk, clock: Clock, onError: (path: string, error: unknown) => void) {
    this.#disk = disk;
    this.#clock = clock;
    this.#onError = onError;
  }

  /** Files and folders that wait for their removal. */
  get pendingCount(): number {
    return this.#doomed.size;
  }

  /** Removes a file, or a folder with all that is in it, after `delayMs`. */
  removeLater(path: string, delayMs: number, isFolder = false): void {
    const dueMs = this.#clock.monotonic() + delayMs;
    this.#doomed.add({ dueMs, path, isFolder });
    if (dueMs < this.#timerDueMs) this.#arm(dueMs);
  }

  /** Forgets what waits; the next start removes it. */
  close(): void {
    this.#timer?.cancel();
    this.#doomed.clear();
  }

  #arm(dueMs: number): void {
    const timer = this.#clock.schedule(dueMs - this.#clock.monotonic(), () => {
      this.#removeDue().catch((error: unknown) => this.#onError('what is due', error));
    });
    this.#timer?.cancel();
    this.#timer = timer;
    this.#timerDueMs = dueMs;
  }

  async #removeDue(): Promise<void> {
    this.#timerDueMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.monotonic();
    const due = [...this.#doomed].filter((doomed) => doomed.dueMs <= nowMs);
    for (const doomed of due) this.#doomed.delete(doomed);
    let nextMs = Number.POSITIVE_INFINITY;
    for (const doomed of this.#doomed) nextMs = Math.min(nextMs, doomed.dueMs);
    if (nextMs !== Number.POSITIVE_INFINITY) this.#arm(nextMs);
    for (const { path, isFolder } of due) {
      try {
        await (isFolder ? this.#disk.removeFolder(path) : this.#disk.remove(path));
      } catch (error) {
        this.#onError(path, error);
      }
    }
  }
}
