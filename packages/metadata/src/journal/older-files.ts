import { journalName, snapshotName, storeFiles } from './file-names.ts';
import { frameAt, judgeEnd } from './frame.ts';
import type { StoreReader } from './recovery.ts';
import { decodeSnapshot } from './snapshot.ts';

/**
 * What is wrong with the files that the present state does not need, in sentences: older snapshots with the journals that go on from
 * them, which are there for the day when the newest are damaged. A start does not read them, so only a look tells of them.
 */
export async function olderFileFaults(disk: StoreReader, folder: string): Promise<string[]> {
  const { snapshots, journals } = storeFiles(await disk.list(folder));
  const read = (name: string): Promise<Buffer> => disk.readFile(`${folder}/${name}`);
  const faults: string[] = [];
  let needed: number | undefined;
  for (const zxid of snapshots.toReversed()) {
    const { fault } = decodeSnapshot(await read(snapshotName(zxid)), zxid);
    // Those that are newer than the first whole one are told of by whoever reads the state.
    if (needed !== undefined && fault !== undefined) faults.push(`The older snapshot ${snapshotName(zxid)}: ${fault}.`);
    if (fault === undefined) needed ??= zxid;
  }
  for (const zxid of journals) {
    if (needed === undefined || zxid >= needed) continue;
    const name = journalName(zxid);
    const fault = journalFault(await read(name), zxid);
    if (fault !== undefined) faults.push(`The older journal ${name}: ${fault}.`);
  }
  return faults;
}

/** A journal that others follow is whole to its end. */
function journalFault(bytes: Buffer, from: number): string | undefined {
  let at = 0;
  let zxid = from;
  for (let frame = frameAt(bytes, at); frame !== undefined; frame = frameAt(bytes, at)) {
    zxid = frame.zxid;
    at = frame.end;
  }
  if (at > 0 && judgeEnd(bytes, at, zxid) !== 'damaged') return undefined;
  return `it is damaged from byte ${at} of ${bytes.length} on`;
}
