import { join } from 'node:path';
import type { FoundLog } from '@millrace/broker';
import { identifyLogFolder } from '@millrace/log';
import type { Disk } from '@millrace/ports';
import { MEMBER_FOLDER_PREFIX } from './member-settings.ts';

/** What the log folders of a broker, and of the other members of the cluster that it began, say of themselves. */
export interface MemberLogs {
  readonly logs: readonly FoundLog[];
  /** The first broker's number, where its folders have one. */
  readonly brokerId: number | undefined;
  readonly clusterId: string | undefined;
}

/**
 * Looks into the folders of a single broker, or of all members of a local cluster, whose other brokers lie within the first one's.
 * @param logDirs the first broker's
 * @param firstId its number, where its folders do not say it
 */
export async function memberLogs(disk: Disk, logDirs: readonly string[], firstId: number): Promise<MemberLogs> {
  const logs: FoundLog[] = [];
  let brokerId: number | undefined;
  let clusterId: string | undefined;
  for (const folder of logDirs) {
    const { owner, partitions } = await identifyLogFolder(disk, folder);
    brokerId ??= owner.brokerId;
    clusterId ??= owner.clusterId;
    logs.push(...partitions.map((log) => ({ ...log, brokerId: owner.brokerId ?? firstId })));
    for (const [id, name] of await memberFolders(disk, folder)) {
      const member = await identifyLogFolder(disk, join(folder, name));
      clusterId ??= member.owner.clusterId;
      logs.push(...member.partitions.map((log) => ({ ...log, brokerId: id })));
    }
  }
  return { logs, brokerId, clusterId };
}

/** The folders of the other members within one of the first's, by their numbers. */
async function memberFolders(disk: Pick<Disk, 'list'>, folder: string): Promise<Map<number, string>> {
  const names = (await disk.list(folder)).filter((name) => name.startsWith(MEMBER_FOLDER_PREFIX));
  const found = names.map((name): [number, string] => [Number(name.slice(MEMBER_FOLDER_PREFIX.length)), name]);
  return new Map(found.filter(([id]) => Number.isSafeInteger(id) && id > 1));
}
