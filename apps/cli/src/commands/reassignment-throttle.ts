import type { Admin, ConfigChanges, ConfigEntry, PartitionReassignment } from '@millrace/admin';
import { newsToSpread } from './find-topics.ts';
import type { PlacedPartition } from './reassignment-plan.ts';

/** How many bytes a second leaders give and followers take of the partitions that move (KIP-73). */
const RATES = ['leader.replication.throttled.rate', 'follower.replication.throttled.rate'] as const;
const LEADERS = 'leader.replication.throttled.replicas';
const FOLLOWERS = 'follower.replication.throttled.replicas';

/** How many bytes a second a broker copies from one log directory into another (KIP-113). */
const FOLDERS_RATE = 'replica.alter.log.dirs.io.max.bytes.per.second';

/** What slows down copies from one log directory into another, and on which brokers. */
export interface FolderThrottle {
  readonly brokers: readonly number[];
  readonly rate: number | undefined;
}

/** A partition before and after. */
export interface Move extends PlacedPartition {
  readonly before: readonly number[];
}

/**
 * The configs that slow down moves, and nothing else: those who give are the brokers that hold a partition, those who take are the ones that
 * come. Moves that run already are slowed down with them, since a topic has one list.
 */
export function throttleChanges(
  moves: readonly Move[],
  running: readonly PartitionReassignment[],
  bytesPerSecond: number | undefined,
  folders: FolderThrottle,
): ConfigChanges[] {
  const lists = new Map<string, { readonly leaders: Set<string>; readonly followers: Set<string> }>();
  const brokers = new Set<number>();
  const add = (topic: string, partition: number, from: readonly number[], to: readonly number[]): void => {
    const list = lists.get(topic) ?? { leaders: new Set<string>(), followers: new Set<string>() };
    lists.set(topic, list);
    for (const id of from) list.leaders.add(`${partition}:${id}`);
    for (const id of to) list.followers.add(`${partition}:${id}`);
    for (const id of [...from, ...to]) brokers.add(id);
  };
  const topics = new Set(moves.map(({ topic }) => topic));
  const slowed = bytesPerSecond === undefined ? [] : moves;
  for (const { topic, partition, replicas, addingReplicas } of bytesPerSecond === undefined ? [] : running) {
    const from = replicas.filter((id) => !addingReplicas.includes(id));
    if (topics.has(topic)) add(topic, partition, from, addingReplicas);
  }
  for (const { topic, partition, before, replicas } of slowed) {
    const come = replicas.filter((id) => !before.includes(id));
    if (come.length > 0) add(topic, partition, before, come);
  }
  return [
    ...[...lists].map(([name, { leaders, followers }]) => ({
      type: 'topic' as const,
      name,
      set: { [LEADERS]: [...leaders].join(','), [FOLLOWERS]: [...followers].join(',') },
    })),
    ...brokerChanges(brokers, bytesPerSecond, folders),
  ];
}

function brokerChanges(
  moving: ReadonlySet<number>,
  bytesPerSecond: number | undefined,
  { brokers, rate: foldersRate }: FolderThrottle,
): ConfigChanges[] {
  const copying = new Set(foldersRate === undefined ? [] : brokers);
  return [...new Set([...moving, ...copying])]
    .sort((a, b) => a - b)
    .map((id) => ({
      type: 'broker',
      name: String(id),
      set: {
        ...(moving.has(id) ? Object.fromEntries(RATES.map((rate) => [rate, bytesPerSecond!])) : {}),
        ...(copying.has(id) ? { [FOLDERS_RATE]: foldersRate! } : {}),
      },
    }));
}

/**
 * Sets the throttles; tells which brokers keep the setting without knowing it.
 * Kafka shows the value of a config that a broker does not know to nobody, since it may be a secret.
 */
export async function setThrottles(admin: Admin, changes: readonly ConfigChanges[]): Promise<number[]> {
  if (changes.length === 0) return [];
  await admin.alterConfigs(changes);
  // What is copied before a broker has heard of the throttle is copied without.
  await newsToSpread();
  const brokers = changes.filter(({ type }) => type === 'broker').map(({ type, name }) => ({ type, name }));
  const described = brokers.length === 0 ? [] : await admin.describeConfigs(brokers, { names: RATES });
  return described
    .filter(({ entries }) =>
      entries.some(({ name, sensitive }) => sensitive && (RATES as readonly string[]).includes(name)),
    )
    .map(({ name }) => Number(name));
}

/** Where throttles were, and are no more. */
export interface ClearedThrottles {
  readonly brokers: readonly number[];
  readonly topics: readonly string[];
}

/** Takes the throttles of these topics and of all brokers away, where there are any. */
export async function clearThrottles(admin: Admin, topicNames: readonly string[]): Promise<ClearedThrottles> {
  const { brokers } = await admin.describeCluster();
  const described = await admin.describeConfigs([
    ...topicNames.map((name) => ({ type: 'topic' as const, name })),
    ...brokers.map(({ nodeId }) => ({ type: 'broker' as const, name: String(nodeId) })),
  ]);
  const changes = described.flatMap(({ type, name, entries }): ConfigChanges[] => {
    const unset = entries.filter(isThrottle).map((entry) => entry.name);
    return unset.length === 0 ? [] : [{ type, name, unset }];
  });
  if (changes.length > 0) await admin.alterConfigs(changes);
  const named = (type: string): string[] => changes.filter((each) => each.type === type).map(({ name }) => name);
  return { brokers: named('broker').map(Number), topics: named('topic') };
}

/** Set on the topic or on the broker itself: what all brokers share is somebody's wish for always. */
function isThrottle({ name, source }: ConfigEntry): boolean {
  return (
    ([...RATES, FOLDERS_RATE, LEADERS, FOLLOWERS] as string[]).includes(name) &&
    (source === 'topic' || source === 'dynamic-broker')
  );
}
