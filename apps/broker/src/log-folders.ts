/** The folders of `log.dirs` before anything is made in them: a start that cannot come about leaves them as they are. */
import { realpath, stat } from 'node:fs/promises';
import type { BrokerConfig } from '@millrace/broker';
import { checkLogFolder, logFolderOwner } from '@millrace/log';
import { type Disk, isLocked } from '@millrace/ports';
import { METADATA_FOLDER } from './metadata-engine.ts';
import { StartError } from './start-error.ts';

/** The lock of a log folder, as in Kafka. */
const LOCK_FILE = '.lock';

/**
 * Checks that no folder is another's, or in use.
 * @param isOwn whether the metadata is this broker's alone, in the first of the folders; then its number is known
 * @throws StartError `START_CONFIG_INVALID`, `START_FOLDER_LOCKED`, `START_FOLDER_FOREIGN`; ForeignFolderError, MalformedFileError
 */
export async function checkLogFolders(
  disk: Disk,
  { logDirs, brokerId }: Pick<BrokerConfig, 'logDirs' | 'brokerId'>,
  isOwn: boolean,
): Promise<void> {
  await refuseOneFolderTwice(logDirs);
  for (const folder of logDirs) {
    await checkLogFolder(disk, folder, isOwn ? { brokerId } : {});
    // What cannot be looked at fails later, with its folder.
    if (await isLocked(disk, `${folder}/${LOCK_FILE}`).catch(() => false)) {
      throw new StartError(
        'START_FOLDER_LOCKED',
        `The data folder ${folder} is in use by another broker. Stop that one, or set log.dirs to another folder`,
      );
    }
  }
  // A store that is there knows which cluster it is; a new one takes the id that the folders have.
  if (isOwn && !(await isThere(`${logDirs[0]}/${METADATA_FOLDER}`))) await refuseSeveralClusters(disk, logDirs);
}

/** Names may differ and lead to one folder, by a link or a mount: the second would find the first's lock, and take it for another broker's. */
async function refuseOneFolderTwice(logDirs: readonly string[]): Promise<void> {
  const places = new Map<string, string>();
  const paths = new Map<string, string>();
  for (const folder of logDirs) {
    const found = await stat(folder, { bigint: true }).catch(() => undefined);
    if (found === undefined) continue;
    const place = `${found.dev}:${found.ino}`;
    const same = places.get(place);
    if (same !== undefined) throw notTwo(`${folder} and ${same} are the same folder, under two names`);
    places.set(place, folder);
    paths.set(`${await realpath(folder)}/`, folder);
  }
  for (const [path, folder] of paths) {
    const outer = [...paths].find(([other]) => other !== path && path.startsWith(other))?.[1];
    if (outer !== undefined) throw notTwo(`${folder} leads to a folder that lies in ${outer}`);
  }
}

function notTwo(what: string): StartError {
  return new StartError('START_CONFIG_INVALID', `log.dirs: ${what}. Name each folder once, and none within another`);
}

async function refuseSeveralClusters(disk: Disk, logDirs: readonly string[]): Promise<void> {
  const folders = new Map<string, string>();
  for (const folder of logDirs) {
    const { clusterId } = await logFolderOwner(disk, folder).catch(() => ({ clusterId: undefined }));
    if (clusterId !== undefined && !folders.has(clusterId)) folders.set(clusterId, folder);
  }
  if (folders.size < 2) return;
  const told = [...folders].map(([clusterId, folder]) => `${folder} is of cluster ${clusterId}`).join(', ');
  throw new StartError(
    'START_FOLDER_FOREIGN',
    `The data folders belong to different clusters: ${told}. Give log.dirs folders of one cluster, or new ones`,
  );
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
