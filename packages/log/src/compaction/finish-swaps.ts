import type { Disk } from '@millrace/ports';
import { batchLastOffset } from '@millrace/records';
import { scanBatches } from '../batch-scan.ts';
import { CLEANED_SUFFIX, LOG_SUFFIX, offsetFileName, SEGMENT_SUFFIXES, SWAP_SUFFIX } from '../file-names.ts';

/** A file of a segment under another name than its own, such as `00000000000000000042.log.swap`. */
interface PassingFile {
  readonly name: string;
  readonly baseOffset: number;
  /** `.log`, `.index` ... */
  readonly suffix: string;
  /** `.cleaned` or `.swap`. */
  readonly stage: string;
}

const PASSING_FILE = /^(\d{20})(\.[a-z]+)(\.cleaned|\.swap)$/;

/**
 * Brings to its end what a crash has left of a compaction, forwards or backwards (Kafka's `LogLoader`): while one file of a
 * segment still ends in `.cleaned`, the old segments count and the new files go; when all end in `.swap`, the old segments go,
 * and the new files get their names. A crash in the middle of this leaves one of the two cases again.
 */
export async function finishSwaps(disk: Disk, folder: string, names: readonly string[]): Promise<void> {
  const passing = names.map(passingFileOf).filter((file) => file !== undefined);
  if (passing.length === 0) return;
  const cleaned = passing.filter(({ stage }) => stage === CLEANED_SUFFIX);
  const firstCleaned = Math.min(...cleaned.map(({ baseOffset }) => baseOffset));
  const swaps = passing.filter(({ stage }) => stage === SWAP_SUFFIX);
  // The .cleaned files say what the .swap files beside them are worth, so they go last.
  await removeAll(
    disk,
    folder,
    swaps.filter(({ baseOffset }) => baseOffset >= firstCleaned),
  );
  await removeAll(disk, folder, cleaned);
  const valid = swaps.filter(({ baseOffset }) => baseOffset < firstCleaned);
  const logs = valid.filter(({ suffix }) => suffix === LOG_SUFFIX);
  for (const log of logs) await replaceSegments(disk, folder, log, names);
  await giveNames(disk, folder, logs);
  await giveNames(
    disk,
    folder,
    valid.filter(({ suffix }) => suffix !== LOG_SUFFIX),
  );
}

/** Removes the files of the segments that a new one stands for: all that begin within it. */
async function replaceSegments(
  disk: Disk,
  folder: string,
  { name, baseOffset }: PassingFile,
  names: readonly string[],
): Promise<void> {
  const lastOffset = await lastOffsetOf(disk, `${folder}/${name}`, baseOffset);
  const own: ReadonlySet<string> = new Set(SEGMENT_SUFFIXES);
  for (const other of names) {
    const offset = Number(other.slice(0, 20));
    if (!own.has(other.slice(20)) || offset < baseOffset || offset > lastOffset) continue;
    await disk.remove(`${folder}/${other}`);
  }
  await disk.syncFolder(folder);
}

async function lastOffsetOf(disk: Disk, path: string, baseOffset: number): Promise<number> {
  const file = await disk.open(path, { readOnly: true });
  let lastOffset = baseOffset;
  try {
    await scanBatches(
      file,
      0,
      await file.size(),
      (buffer, at) => {
        lastOffset = batchLastOffset(buffer, at);
        return true;
      },
      { crc: false },
    );
  } finally {
    await file.close();
  }
  return lastOffset;
}

async function giveNames(disk: Disk, folder: string, files: readonly PassingFile[]): Promise<void> {
  for (const { name, baseOffset, suffix } of files) {
    await disk.rename(`${folder}/${name}`, `${folder}/${offsetFileName(baseOffset, suffix)}`);
  }
  if (files.length > 0) await disk.syncFolder(folder);
}

async function removeAll(disk: Disk, folder: string, files: readonly PassingFile[]): Promise<void> {
  for (const { name } of files) await disk.remove(`${folder}/${name}`);
  if (files.length > 0) await disk.syncFolder(folder);
}

function passingFileOf(name: string): PassingFile | undefined {
  const match = PASSING_FILE.exec(name);
  if (match === null) return undefined;
  return { name, baseOffset: Number(match[1]), suffix: match[2]!, stage: match[3]! };
}
