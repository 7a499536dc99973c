/** Calendars of processes that jump, by libfaketime (Debian: `faketime`). Their monotonic clocks go on as they are. */
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const LIBRARY = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';

export class FakeClocks {
  readonly #folder: string;

  /** @throws Error where libfaketime is not installed */
  constructor(folder: string) {
    if (!existsSync(LIBRARY)) {
      throw new Error(`clocks cannot be made to jump without ${LIBRARY} (apt-get install faketime)`);
    }
    this.#folder = folder;
  }

  /** What a process needs in its environment for its clock to be set. */
  envOf(id: number): Record<string, string> {
    this.set(id, 0);
    return {
      LD_PRELOAD: LIBRARY,
      FAKETIME_TIMESTAMP_FILE: this.#fileOf(id),
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    };
  }

  /** From the next second on the process is so many seconds ahead, or behind. */
  set(id: number, seconds: number): void {
    const file = this.#fileOf(id);
    writeFileSync(`${file}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`);
    renameSync(`${file}.new`, file);
  }

  #fileOf(id: number): string {
    return join(this.#folder, `clock-${id}`);
  }
}
