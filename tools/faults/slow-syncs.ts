/** A disk that is slow at what counts: the fsync of processes takes as long as a file says, by a library put before libc's. Built with gcc. */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SOURCE = `#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void be_slow(void) {
  const char *path = getenv("MILLRACE_SLOW_SYNCS");
  FILE *file = path == NULL ? NULL : fopen(path, "r");
  int ms = 0;
  if (file == NULL) return;
  if (fscanf(file, "%d", &ms) == 1 && ms > 0) usleep(ms * 1000);
  fclose(file);
}

int fsync(int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  be_slow();
  return real(fd);
}

int fdatasync(int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  be_slow();
  return real(fd);
}
`;

export class SlowSyncs {
  readonly #file: string;
  /** What processes need in their environment. */
  readonly env: Readonly<Record<string, string>>;

  /** @throws Error where there is no gcc */
  constructor(folder: string) {
    this.#file = join(folder, 'slow-syncs');
    const [source, library] = [join(folder, 'slow-syncs.c'), join(folder, 'slow-syncs.so')];
    writeFileSync(source, SOURCE);
    execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl']);
    this.env = { LD_PRELOAD: library, MILLRACE_SLOW_SYNCS: this.#file };
  }

  /** From now on each sync takes so many milliseconds more; 0 for as long as it takes. */
  slowDown(ms: number): void {
    if (ms === 0) rmSync(this.#file, { force: true });
    else writeFileSync(this.#file, String(ms));
  }
}
