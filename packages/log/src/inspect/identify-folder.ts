import type { Disk } from '@millrace/ports';
import { decodeEpochCheckpoint, readIfThere } from '../checkpoint-file.ts';
import { systemCodeOf } from '../errors.ts';
import {
  LEADER_EPOCH_CHECKPOINT,
  META_PROPERTIES,
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

/** What a partition's folder says of itself, whatever the metadata store knows. */
export interface PartitionIdentity {
  readonly topic: string;
  readonly partition: number;
  readonly folder: string;
  /** From `partition.metadata`; undefined where that file says none. */
  readonly topicId: string | undefined;
  /** The last epoch of `leader-epoch-checkpoint`; -1 where there is none. */
  readonly leaderEpoch: number;
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
  for (const name of await disk.list(folder)) {
    const parsed = parsePartitionFolderName(name);
    if (parsed === undefined) continue;
    const path = `${folder}/${name}`;
    if (!(await isPartition(disk, path))) continue;
    const metadata = await readIfThere(disk, `${path}/${PARTITION_METADATA}`);
    partitions.push({
      ...parsed,
      folder: path,
      topicId: metadata === undefined ? undefined : decodePartitionMetadata(metadata),
      leaderEpoch: await lastEpoch(disk, `${path}/${LEADER_EPOCH_CHECKPOINT}`),
    });
  }
  return { owner, partitions };
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
