import type { Disk } from '@millrace/ports';
import { isWrongKind, systemCodeOf } from './errors.ts';
import { LEADER_EPOCH_CHECKPOINT, PARTITION_METADATA } from './file-names.ts';

const OF_SEGMENT = /^\d{20}\./;

/**
 * Whether a folder with a partition's name holds something of a partition: somebody's `notes-2024` has such a name too, and is no
 * partition 2,024 of a topic `notes`.
 * @throws the disk's error where the folder cannot be looked into
 */
export async function holdsPartition(disk: Disk, folder: string): Promise<boolean> {
  const names = await disk.list(folder).catch((error: unknown): string[] => {
    // A file has such a name, or a link leads nowhere.
    if (isWrongKind(error) || systemCodeOf(error) === 'ENOENT') return [];
    throw error;
  });
  return names.some((name) => OF_SEGMENT.test(name) || name === PARTITION_METADATA || name === LEADER_EPOCH_CHECKPOINT);
}
