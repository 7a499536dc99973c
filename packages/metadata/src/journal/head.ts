import { crc32 } from 'node:zlib';
import type { Disk } from '@millrace/ports';
import { HEAD_FILE } from './file-names.ts';

/** How the file of the store's head reads: the transaction, and the CRC-32 of its digits. */
const HEAD = /^zxid=(\d{1,15})\ncrc32=([0-9a-f]{8})\n$/;

/**
 * Says how far the store has come, in a file beside the others, so that a journal which was cut short shows. Written when the
 * store is closed and when its journal rolls; in between the store is further than it says.
 */
export async function writeHead(disk: Disk, folder: string, zxid: number): Promise<void> {
  await disk.replaceFile(`${folder}/${HEAD_FILE}`, Buffer.from(`zxid=${zxid}\ncrc32=${checksum(String(zxid))}\n`));
}

/** How far the store had come at the least: 0 where nobody says so, undefined where what is said cannot be read. */
export async function readHead(disk: Disk, folder: string): Promise<number | undefined> {
  if ((await disk.stat(`${folder}/${HEAD_FILE}`)) === undefined) return 0;
  const match = HEAD.exec((await disk.readFile(`${folder}/${HEAD_FILE}`)).toString());
  const digits = match?.[1];
  return digits !== undefined && checksum(digits) === match?.[2] ? Number(digits) : undefined;
}

function checksum(digits: string): string {
  return crc32(digits).toString(16).padStart(8, '0');
}
