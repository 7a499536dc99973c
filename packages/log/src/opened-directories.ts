import type { Disk } from '@millrace/ports';
import { checkpointKey } from './checkpoint-file.ts';
import { MOVE_COMPLETE, partitionFolderName } from './file-names.ts';
import type { DirectoryContent, FoundPartition, LogDirectory } from './log-directory.ts';
import type { MissingLog } from './log-types.ts';

/** A log directory with what it held. */
export interface OpenedDirectory {
  readonly directory: LogDirectory;
  readonly content: DirectoryContent;
}

/** A partition's folder, with where it lies. */
interface OpenedPartition extends OpenedDirectory {
  readonly found: FoundPartition;
  /** What is wrong where another folder is the partition's too. */
  readonly duplicate: Error | undefined;
}

export function partitionsIn(opened: readonly OpenedDirectory[]): OpenedPartition[] {
  const duplicates = duplicateFolders(opened);
  return opened.flatMap((each) =>
    each.content.partitions.map((found) => ({ ...each, found, duplicate: duplicates.get(found.folder) })),
  );
}

/**
 * What is wrong with each folder of a partition that has one in another log directory as well. Which of them is the log nobody knows but who
 * has put it there; Kafka does not start then.
 */
function duplicateFolders(opened: readonly OpenedDirectory[]): ReadonlyMap<string, Error> {
  const first = new Map<string, string>();
  const faults = new Map<string, Error>();
  const fault = (folder: string, other: string): void => {
    faults.set(folder, new Error(`the partition has another folder, ${other}: take the one away that is out of date`));
  };
  for (const found of opened.flatMap(({ content }) => content.partitions)) {
    const other = first.get(keyOf(found));
    if (other === undefined) {
      first.set(keyOf(found), found.folder);
    } else {
      fault(found.folder, other);
      fault(other, found.folder);
    }
  }
  return faults;
}

/** At the start: a copy that has everything is the log, where the log's folder was given up already. */
export async function finishMoves(
  disk: Disk,
  opened: readonly OpenedDirectory[],
  failed: (directory: LogDirectory, error: unknown) => void,
): Promise<void> {
  const known = new Set(opened.flatMap(({ content }) => content.partitions.map(keyOf)));
  for (const { directory, content } of opened) {
    try {
      for (const copy of content.copies.filter((each) => each.isComplete && !known.has(keyOf(each)))) {
        known.add(keyOf(copy));
        content.partitions.push(await finishMove(disk, directory, copy));
      }
    } catch (error) {
      failed(directory, error);
    }
  }
}

async function finishMove(disk: Disk, directory: LogDirectory, copy: FoundPartition): Promise<FoundPartition> {
  const { topic, partition } = copy;
  const folder = `${directory.folder}/${partitionFolderName(topic, partition)}`;
  await disk.rename(copy.folder, folder);
  await disk.syncFolder(directory.folder);
  await disk.remove(`${folder}/${MOVE_COMPLETE}`);
  return { topic, partition, folder };
}

function keyOf({ topic, partition }: FoundPartition): string {
  return checkpointKey(topic, partition);
}

/** After a stop in order the checkpoints name exactly the logs that are there. */
export function missingLogs(opened: readonly OpenedDirectory[]): MissingLog[] {
  const found = new Set<string>();
  for (const { content } of opened) {
    for (const { topic, partition } of content.partitions) found.add(checkpointKey(topic, partition));
  }
  return opened.flatMap(({ directory, content }) =>
    [...(content.isClean ? content.recoveryPoints : [])]
      .filter(([key, syncedTo]) => syncedTo > 0 && !found.has(key))
      .map(([key, syncedTo]) => ({ name: key.replace(' ', '-'), directory: directory.folder, syncedTo })),
  );
}
