/** What the machine can do at the most, measured with as little of anybody's code as there can be. */
import {
  closeSync,
  constants,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32c } from '@millrace/records';
import type { MakeCase, MicroCase } from './case.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
/** The file is begun anew after this much, so that it does not fill the disk. */
const FILE_BYTES_MAX = 256 * MIB;

export const cases: Readonly<Record<string, MakeCase>> = {
  'copy 1 MiB': () => {
    // Larger than every cache, as what a broker moves is.
    const from = Buffer.alloc(64 * MIB, 1);
    const to = Buffer.alloc(64 * MIB);
    let at = 0;
    return {
      run: () => {
        from.copy(to, at, at, at + MIB);
        at = (at + MIB) % from.length;
      },
      units: 1,
      bytes: MIB,
    };
  },
  'crc32c 16 KiB': () => crcCase(16 * KIB),
  'crc32c 1 MiB': () => crcCase(MIB),
  'write + fdatasync 4 KiB': () => diskCase(4 * KIB, 'fdatasync'),
  'write + fdatasync 64 KiB': () => diskCase(64 * KIB, 'fdatasync'),
  'write + fdatasync 1 MiB': () => diskCase(MIB, 'fdatasync'),
  'O_DSYNC write 4 KiB': () => diskCase(4 * KIB, 'dsync'),
  'O_DSYNC write 64 KiB': () => diskCase(64 * KIB, 'dsync'),
  'O_DSYNC write 1 MiB': () => diskCase(MIB, 'dsync'),
  'write 1 MiB, no sync': () => diskCase(MIB, 'none'),
  'read 1 MiB, page cache': () => readCase(MIB),
};

/** A file that has just been written, so that the system has it in memory. */
function readCase(bytes: number): MicroCase {
  const folder = mkdtempSync(join(tmpdir(), 'bench-limit-'));
  const path = join(folder, 'file');
  writeFileSync(path, Buffer.alloc(64 * MIB, 'limit'));
  const descriptor = openSync(path, 'r');
  const buffer = Buffer.alloc(bytes);
  let position = 0;
  return {
    run: () => {
      readSync(descriptor, buffer, 0, bytes, position);
      position = (position + bytes) % (64 * MIB);
    },
    units: 1,
    bytes,
    async end() {
      closeSync(descriptor);
      rmSync(folder, { recursive: true });
    },
  };
}

function crcCase(bytes: number): MicroCase {
  const buffer = Buffer.alloc(bytes, 'limit');
  return { run: () => crc32c(buffer), units: 1, bytes };
}

/** Writes one after the other at the end of a file, on the disk that brokers under test use: the temporary folder's. */
function diskCase(bytes: number, sync: 'none' | 'fdatasync' | 'dsync'): MicroCase {
  const folder = mkdtempSync(join(tmpdir(), 'bench-limit-'));
  const { O_CREAT, O_WRONLY, O_DSYNC } = constants;
  const descriptor = openSync(join(folder, 'file'), O_CREAT | O_WRONLY | (sync === 'dsync' ? O_DSYNC : 0));
  const buffer = Buffer.alloc(bytes, 'limit');
  let position = 0;
  return {
    run: () => {
      writeSync(descriptor, buffer, 0, bytes, position);
      position = position + bytes < FILE_BYTES_MAX ? position + bytes : 0;
      if (sync === 'fdatasync') fdatasyncSync(descriptor);
    },
    units: 1,
    bytes,
    async end() {
      closeSync(descriptor);
      rmSync(folder, { recursive: true });
    },
  };
}
