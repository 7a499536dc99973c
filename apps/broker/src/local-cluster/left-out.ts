import { readdir } from 'node:fs/promises';
import { replicaHolders } from '@millrace/broker';
import type { MetadataStore } from '@millrace/metadata';
import { StartError } from '../start-error.ts';
import { MEMBER_FOLDER_PREFIX } from './member-settings.ts';

/** Topics that are named where somebody is told what a broker holds. */
const TOPICS_NAMED_MAX = 3;

/**
 * Holds a start to the brokers that the folder has: one that holds replicas and is not started takes them away from its partitions, some of
 * which may have nobody else. Its folder tells that it was one of them; without it nothing would come back with it.
 * @param brokers how many brokers are started, from the first on
 * @throws StartError `START_BROKERS_LEFT_OUT`, with the way to fewer brokers
 */
export async function refuseLeftOut(store: MetadataStore, folder: string, brokers: number): Promise<void> {
  const members = (await readdir(folder)).filter((name) => name.startsWith(MEMBER_FOLDER_PREFIX));
  const later = members.map((name) => Number(name.slice(MEMBER_FOLDER_PREFIX.length))).filter((id) => id > brokers);
  if (later.length === 0) return;
  const held = await replicaHolders(store);
  const left = later.filter((id) => held.has(id)).toSorted((one, other) => one - other);
  if (left.length === 0) return;
  const topics = [...new Set(left.flatMap((id) => held.get(id)?.topics ?? []))];
  const named = `${topics.slice(0, TOPICS_NAMED_MAX).join(', ')}${topics.length > TOPICS_NAMED_MAX ? ` and ${topics.length - TOPICS_NAMED_MAX} more` : ''}`;
  const [who, hold, start] =
    left.length === 1 ? [`Broker ${left[0]}`, 'holds', 'is'] : [`Brokers ${left.join(', ')}`, 'hold', 'are'];
  const onto = brokers === 1 ? '1 --replication-factor 1' : `1-${brokers}`;
  throw new StartError(
    'START_BROKERS_LEFT_OUT',
    `${who} of the cluster in ${folder} ${hold} replicas (of ${named}), and ${start} not to be started. ` +
      `Start with --brokers ${left.at(-1)}; to have fewer, move everything away from there first: ` +
      `\`millrace partitions reassign execute --all-topics --brokers ${onto}\`, and when \`millrace partitions reassign list\` shows none any more, ` +
      `stop, and start with --brokers ${brokers}`,
  );
}
