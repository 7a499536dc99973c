import zlib from 'node:zlib';
import type { Disk } from '@millrace/ports';
import { HEAD_FILE } from './file-names.ts';

/** What the file of the store's head says. */
export interface Head {
  /** The store has come to this transaction at the least. */
  readonly zxid: number;
  /** Whether it was closed there, so that it has come no further, and the snapshot of this transaction is all of it. */
  readonly isClosed: boolean;
}

/** A folder without the file: nobody says anything. */
const NO_HEAD: Head = { zxid: 0, isClosed: false };

const HEAD = /^(zxid=(\d{1,15})\nclosed=(yes|no)\n)crc32=([0-9a-f]{8})\n$/;

/**
 * Says how far the store has come, in a file beside the others, so that a journal which was cut short shows. Written when the
 * store is closed, when it is first written to after that, and when its journal rolls.
 */
export async function writeHead(disk: Disk, folder: string, { zxid, isClosed }: Head): Promise<void> {
  const text = `zxid=${zxid}\nclosed=${isClosed ? 'yes' : 'no'}\n`;
  await disk.replaceFile(`${folder}/${HEAD_FILE}`, Buffer.from(`${text}crc32=${checksum(text)}\n`));
}

/** What the file says; undefined where it cannot be read. */
export async function readHead(disk: Pick<Disk, 'stat' | 'readFile'>, folder: string): Promise<Head | undefined> {
  if ((await disk.stat(`${folder}/${HEAD_FILE}`)) === undefined) return NO_HEAD;
  const match = HEAD.exec((await disk.readFile(`${folder}/${HEAD_FILE}`)).toString());
  if (match === null || checksum(String(match[1])) !== match[4]) return undefined;
  return { zxid: Number(match[2]), isClosed: match[3] === 'yes' };
}

function checksum(text: string): string {
  return zlib.crc32(text).toString(16).padStart(8, '0');
}
