import { dirname } from 'node:path/posix';
import { crc32c } from '@millrace/records';
import { SCAN_CHUNK_BYTES } from './batch-scan.ts';
import { SET_ASIDE_FILE, setAsideFileName } from './file-names.ts';
import { findIntactBatch } from './intact-batch.ts';
import type { LogContext } from './log-context.ts';
import type { SetAside } from './log-types.ts';
import { RELATIVE_OFFSET_MAX, type Segment } from './segment.ts';

/** What is kept of cuts in the folder of one partition. Beyond it the oldest goes, and of one cut what is farthest behind. */
export const SET_ASIDE_BYTES_MAX: number = 2 * 1024 ** 3;

/** A recovery is about to cut a log. */
export interface Cut {
  readonly folder: string;
  /** The segment whose end is cut off. */
  readonly segment: Segment;
  /** Where in its file. */
  readonly position: number;
  readonly logEndOffset: number;
  /** The segments behind it, which go as a whole. */
  readonly dropped: readonly Segment[];
  /** Whether a crash may have cut a write short there. Not after a stop in order, nor below what was synced: there it is damage. */
  readonly mayBeTorn: boolean;
  /** For tests. */
  readonly bytesMax?: number;
}

/** What is kept of a cut: told to the operator, and names for the files of whole segments, which are renamed and not removed. */
export interface SettingAside {
  readonly told: SetAside | undefined;
  readonly pathOf: ReadonlyMap<Segment, string>;
}

const NOTHING: SettingAside = { told: undefined, pathOf: new Map() };

/**
 * Keeps what a recovery is about to cut off, where batches that are whole are among it: a log cannot go on behind damage, but
 * somebody may have been told that these records are safe. The end of the damaged segment is copied into a file of its own;
 * whole segments only get another name when their turn comes. Where a crash may have cut a write short and nothing behind that is whole,
 * nothing is kept.
 *
 * What goes wrong here is told, and keeps no log from opening.
 */
export async function setAside(context: LogContext, cut: Cut): Promise<SettingAside> {
  try {
    if (cut.mayBeTorn && !(await hasIntactBatch(cut))) return NOTHING;
    return await keep(context, cut);
  } catch (error) {
    return { ...NOTHING, told: { paths: [], sizeBytes: 0, error } };
  }
}

async function hasIntactBatch({ segment, position, logEndOffset, dropped }: Cut): Promise<boolean> {
  for (const each of [segment, ...dropped]) {
    const found = await each.log.use((file) =>
      findIntactBatch(file, {
        start: each === segment ? position : 0,
        end: each.writtenBytes,
        offsetMin: logEndOffset,
        offsetMax: each.baseOffset + RELATIVE_OFFSET_MAX,
      }),
    );
    if (found !== undefined) return true;
  }
  return false;
}

async function keep(context: LogContext, cut: Cut): Promise<SettingAside> {
  const { folder, segment, position, dropped, bytesMax = SET_ASIDE_BYTES_MAX } = cut;
  let sizeBytes = Math.min(segment.writtenBytes - position, bytesMax);
  const pathOf = new Map<Segment, string>();
  for (const each of dropped) {
    if (sizeBytes + each.writtenBytes > bytesMax) break;
    sizeBytes += each.writtenBytes;
    pathOf.set(each, `${folder}/${await nameOf(each, 0, each.writtenBytes)}`);
  }
  await makeRoom(context, folder, bytesMax - sizeBytes);
  const tailBytes = Math.min(segment.writtenBytes - position, bytesMax);
  const tailPath = `${folder}/${await nameOf(segment, position, tailBytes)}`;
  await copyEnd(context, segment, position, tailBytes, tailPath);
  return { told: { paths: [tailPath, ...pathOf.values()], sizeBytes, error: undefined }, pathOf };
}

/** The same bytes get the same name, so that a cut that a crash interrupts leaves one copy when it is made again. */
async function nameOf(segment: Segment, position: number, sizeBytes: number): Promise<string> {
  const start = await segment.log.use((file) => file.read(position, Math.min(sizeBytes, SCAN_CHUNK_BYTES)));
  return setAsideFileName({ baseOffset: segment.baseOffset, position, sizeBytes, crc: crc32c(start) });
}

async function copyEnd(
  { disk }: LogContext,
  segment: Segment,
  start: number,
  sizeBytes: number,
  path: string,
): Promise<void> {
  // What a crash leaves under this name is removed at the next start.
  const unfinished = `${path}.tmp`;
  const copy = await disk.open(unfinished, { create: true });
  try {
    await segment.log.use(async (file) => {
      for (let copied = 0; copied < sizeBytes; ) {
        const chunk = await file.read(start + copied, Math.min(SCAN_CHUNK_BYTES, sizeBytes - copied));
        if (chunk.length === 0) throw new Error(`${segment.log.path} is shorter than it was a moment ago`);
        await copy.write(copied, [chunk], { sync: false });
        copied += chunk.length;
      }
    });
    await copy.sync();
  } catch (error) {
    await copy.close();
    await disk.remove(unfinished);
    throw error;
  }
  await copy.close();
  await disk.rename(unfinished, path);
  await disk.syncFolder(dirname(path));
}

/** Removes what earlier cuts have left, the oldest first, until no more than `bytesMax` of it is there. */
async function makeRoom({ disk }: LogContext, folder: string, bytesMax: number): Promise<void> {
  const kept: { readonly path: string; readonly sizeBytes: number; readonly modifiedMs: number }[] = [];
  for (const name of await disk.list(folder)) {
    if (!SET_ASIDE_FILE.test(name)) continue;
    const path = `${folder}/${name}`;
    const stat = await disk.stat(path);
    if (stat !== undefined) kept.push({ path, ...stat });
  }
  kept.sort((a, b) => a.modifiedMs - b.modifiedMs);
  let sizeBytes = kept.reduce((sum, each) => sum + each.sizeBytes, 0);
  for (const each of kept) {
    if (sizeBytes <= bytesMax) return;
    await disk.remove(each.path);
    sizeBytes -= each.sizeBytes;
  }
}
