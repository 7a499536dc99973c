import type { Disk } from '@millrace/ports';
import { batchLastOffset } from '@millrace/records';
import { scanBatches } from '../batch-scan.ts';
import { decodeEpochCheckpoint, readIfThere } from '../checkpoint-file.ts';
import { eachOf } from '../concurrency.ts';
import { systemCodeOf } from '../errors.ts';
import {
  LEADER_EPOCH_CHECKPOINT,
  LOG_SUFFIX,
  META_PROPERTIES,
  offsetFileName,
  offsetOfFileName,
  PARTITION_METADATA,
  parsePartitionFolderName,
} from '../file-names.ts';
import { holdsPartition } from '../partition-folders.ts';
import {
  checkMetaProperties,
  decodePartitionMetadata,
  type FolderOwner,
  readFolderOwner,
} from '../properties-files.ts';

/** Folders that are looked into at a time. */
const FOLDERS_AT_ONCE_MAX = 16;

/** What a partition's folder says of itself, whatever the metadata store knows. */
export interface PartitionIdentity {
  readonly topic: string;
  readonly partition: number;
  readonly folder: string;
  /** From `partition.metadata`; undefined where that file says none. */
  readonly topicId: string | undefined;
  /** The last epoch of `leader-epoch-checkpoint`; -1 where there is none. */
  readonly leaderEpoch: number;
  /** Reads where the log ends: behind the last batch that is whole. */
  readonly endOffset: () => Promise<number>;
}

/** What a log directory says of itself. */
export interface LogFolderIdentity {
  /** From `meta.properties`; what it does not say is undefined. */
  readonly owner: Partial<FolderOwner>;
  readonly partitions: readonly PartitionIdentity[];
}

/** Reads who a log directory belongs to and whose partitions are in it. Opens no log and changes nothing. */
export async function identifyLogFolder(disk: Disk, folder: string): Promise<LogFolderIdentity> {
  const owner = await logFolderOwner(disk, folder);
  const partitions: PartitionIdentity[] = [];
  await eachOf(await disk.list(folder), FOLDERS_AT_ONCE_MAX, async (name) => {
    const parsed = parsePartitionFolderName(name);
    if (parsed === undefined) return;
    const path = `${folder}/${name}`;
    if (!(await isPartition(disk, path))) return;
    const metadata = await readIfThere(disk, `${path}/${PARTITION_METADATA}`);
    partitions.push({
      ...parsed,
      folder: path,
      topicId: metadata === undefined ? undefined : decodePartitionMetadata(metadata),
      leaderEpoch: await lastEpoch(disk, `${path}/${LEADER_EPOCH_CHECKPOINT}`),
      endOffset: () => endOffsetIn(disk, path),
    });
  });
  return { owner, partitions: partitions.toSorted((one, other) => (one.folder < other.folder ? -1 : 1)) };
}

/** Files have names like those of partitions' folders, too. */
async function isPartition(disk: Disk, path: string): Promise<boolean> {
  return holdsPartition(disk, path).catch((error) => {
    if (systemCodeOf(error) === 'ENOTDIR') return false;
    throw error;
  });
}

/** Who a log directory says that it belongs to; nothing where it says nothing. */
export async function logFolderOwner(disk: Disk, folder: string): Promise<Partial<FolderOwner>> {
  const properties = await readIfThere(disk, `${folder}/${META_PROPERTIES}`);
  return properties === undefined ? {} : readFolderOwner(properties);
}

/**
 * Checks, before anything is made in it, that a log directory is nobody else's: what the opening of it would find after much else is done.
 * A directory that is not there yet, or cannot be read, passes.
 * @throws ForeignFolderError, MalformedFileError
 */
export async function checkLogFolder(disk: Disk, folder: string, owner: Partial<FolderOwner>): Promise<void> {
  const path = `${folder}/${META_PROPERTIES}`;
  const properties = await readIfThere(disk, path).catch(() => undefined);
  if (properties !== undefined) checkMetaProperties(properties, path, folder, owner);
}

/** Only the last segment is read: what is before it has been synced, and checked by whoever opened the log. */
async function endOffsetIn(disk: Disk, folder: string): Promise<number> {
  const offsets = (await disk.list(folder)).flatMap((name) => offsetOfFileName(name, LOG_SUFFIX) ?? []);
  if (offsets.length === 0) return 0;
  const last = Math.max(...offsets);
  let end = last;
  const file = await disk.open(`${folder}/${offsetFileName(last, LOG_SUFFIX)}`, { readOnly: true });
  try {
    const note = (buffer: Buffer, at: number): boolean => {
      end = Math.max(end, batchLastOffset(buffer, at) + 1);
      return true;
    };
    await scanBatches(file, 0, await file.size(), note, { crc: true });
    return end;
  } finally {
    await file.close();
  }
}

async function lastEpoch(disk: Disk, path: string): Promise<number> {
  const bytes = await readIfThere(disk, path);
  if (bytes === undefined) return -1;
  try {
    return decodeEpochCheckpoint(bytes, path).at(-1)?.epoch ?? -1;
  } catch {
    // The broker rebuilds a damaged one from the batches, and compares again when it starts.
    return -1;
  }
}
