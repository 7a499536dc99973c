/** The topics of a cluster as one look finds them, with offsets and sizes: what its pages are made from. */
import { type Admin, AdminItemsError, type FoundOffset, type LogDir } from '@millrace/admin';
import { KafkaError, type TopicMetadata, type TopicPartition } from '@millrace/client';
import type { Count, MapPartition } from '../api/contract.ts';
import { countOf } from '../api/counts.ts';
import type { Cluster } from './cluster.ts';

/** Offsets of partitions by `topic/partition`. */
export type Offsets = ReadonlyMap<string, { readonly start: number; readonly end: number }>;

/** All topics as of one moment. */
export interface TopicsLook {
  readonly takenMs: number;
  readonly topics: readonly TopicMetadata[];
  readonly offsets: Offsets;
  readonly logDirs: readonly LogDir[];
  /** Offsets at the look before, for rates. */
  readonly before: Pick<TopicsLook, 'takenMs' | 'offsets'> | undefined;
}

/** Looks before this one, by cluster; one for each. */
const lastOffsets = new WeakMap<Cluster, Pick<TopicsLook, 'takenMs' | 'offsets'>>();

/** The topics with their partitions, and no more: what is known at once, however many there are. */
export function lookAtNames(cluster: Cluster): Promise<readonly TopicMetadata[]> {
  return cluster.look('names', () => cluster.admin.describeTopics('all'));
}

/** The topics with offsets and sizes; parts that the cluster does not tell are missing, and the rest is there. */
export function lookAtTopics(cluster: Cluster): Promise<TopicsLook> {
  return cluster.look('topics', async () => {
    const { admin } = cluster;
    const topics = await lookAtNames(cluster);
    const [offsets, logDirs] = await Promise.all([offsetsOf(admin, partitionsOf(topics)), logDirsOf(cluster)]);
    const before = lastOffsets.get(cluster);
    const takenMs = performance.now();
    lastOffsets.set(cluster, { takenMs, offsets });
    return { takenMs, topics, offsets, logDirs, before };
  });
}

/** The partitions that somebody can answer for. */
export function partitionsOf(topics: readonly TopicMetadata[]): TopicPartition[] {
  return topics.flatMap(({ name, partitions }) =>
    partitions.filter(({ leaderId }) => leaderId >= 0).map(({ partition }) => ({ topic: name, partition })),
  );
}

/** How long one broker is waited for: the others' answers are shown without its own. */
export const BROKER_TIMEOUT_MS = 4000;

/** First and next offsets; partitions whose leader does not answer, or tells only one of them, are missing. */
export async function offsetsOf(admin: Admin, places: readonly TopicPartition[]): Promise<Offsets> {
  if (places.length === 0) return new Map();
  const [starts, ends] = await Promise.all(
    (['earliest', 'latest'] as const).map((at) => foundOffsets(admin, places, at)),
  );
  const startOf = new Map((starts ?? []).map((found) => [placeName(found), found.offset]));
  return new Map(
    (ends ?? []).flatMap((found) => {
      const name = placeName(found);
      const start = startOf.get(name);
      return start === undefined ? [] : [[name, { start, end: found.offset }] as const];
    }),
  );
}

/** One offset of each partition, of an instant or an end; partitions whose leader does not answer are missing. */
export async function foundOffsets(
  admin: Admin,
  places: readonly TopicPartition[],
  at: 'earliest' | 'latest' | number,
): Promise<FoundOffset[]> {
  const ask = (some: readonly TopicPartition[], retries?: number): Promise<FoundOffset[]> =>
    admin.listOffsets(
      some.map((place) => ({ ...place, at })),
      { timeoutMs: BROKER_TIMEOUT_MS, retries },
    );
  try {
    return await ask(places);
  } catch (error) {
    if (!(error instanceof AdminItemsError)) {
      if (error instanceof KafkaError && error.retriable) return [];
      throw error;
    }
    const rest = places.filter(({ topic, partition }) => !error.failures.has(`${topic}-${partition}`));
    return rest.length === 0 || rest.length === places.length ? [] : ask(rest, 0).catch(() => []);
  }
}

/** The folders of the brokers that answer, of all partitions or some: each is asked by itself, so that none waits for one that is gone. */
export async function logDirsOf(cluster: Cluster, partitions?: readonly TopicPartition[]): Promise<LogDir[]> {
  const { brokers } = await cluster.look('cluster', () => cluster.admin.describeCluster());
  const asked = brokers.map(({ nodeId }) =>
    cluster.admin
      .describeLogDirs({ brokerIds: [nodeId], partitions, timeoutMs: BROKER_TIMEOUT_MS, retries: 0 })
      .catch(() => []),
  );
  return (await Promise.all(asked)).flat();
}

/** What the brokers that answer tell, each asked by itself, and those that do not: where none answers the failure is everybody's. */
export async function ofEachBroker<T>(
  cluster: Cluster,
  ask: (brokerIds: readonly number[]) => Promise<readonly T[]>,
): Promise<{ readonly told: T[]; readonly silentBrokers: number[] }> {
  const { brokers } = await cluster.look('cluster', () => cluster.admin.describeCluster());
  const answers = await Promise.allSettled(brokers.map(({ nodeId }) => ask([nodeId])));
  const silentBrokers: number[] = [];
  for (const [index, answer] of answers.entries()) {
    if (answer.status === 'fulfilled') continue;
    const { reason } = answer;
    const isSilence = reason instanceof KafkaError && reason.retriable;
    if (!isSilence || silentBrokers.push(brokers[index]!.nodeId) === brokers.length) throw reason;
  }
  return { told: answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : [])), silentBrokers };
}

/** A name for a partition that no other has: a topic's name has no slash. */
export function placeName({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

/** Bytes of topics on the brokers that lead their partitions: followers hold the same once more. */
export function leaderBytes(look: TopicsLook): ReadonlyMap<string, number> {
  const leaders = new Map<string, number>();
  for (const { name, partitions } of look.topics) {
    for (const { partition, leaderId } of partitions) leaders.set(`${name}/${partition}`, leaderId);
  }
  const bytes = new Map<string, number>();
  for (const { brokerId, replicas } of look.logDirs) {
    for (const replica of replicas) {
      const place = placeName(replica);
      if (leaders.get(place) === brokerId) bytes.set(place, (bytes.get(place) ?? 0) + replica.sizeBytes);
    }
  }
  return bytes;
}

/**
 * A topic's records a second since the look before, of the partitions whose ends are known of both: one that was not answered for has not
 * had all its records since. Undefined where there is none.
 */
export function rateOf(
  look: Pick<TopicsLook, 'takenMs' | 'offsets' | 'before'>,
  topic: Pick<TopicMetadata, 'name'> & { readonly partitions: readonly { readonly partition: number }[] },
): number | undefined {
  const { before } = look;
  if (before === undefined || look.takenMs <= before.takenMs) return undefined;
  const seconds = (look.takenMs - before.takenMs) / 1000;
  const grown = topic.partitions.flatMap(({ partition }) => {
    const name = placeName({ topic: topic.name, partition });
    const [end, endBefore] = [look.offsets.get(name)?.end, before.offsets.get(name)?.end];
    return end === undefined || endBefore === undefined ? [] : [Math.max(0, end - endBefore)];
  });
  return grown.length === 0 ? undefined : grown.reduce((sum, each) => sum + each, 0) / seconds;
}

/** A topic's records from the first to the end. */
export function recordsOf(topic: TopicMetadata, offsets: Offsets): Count {
  return countOf(
    topic.partitions.map(({ partition }) => {
      const found = offsets.get(`${topic.name}/${partition}`);
      return found === undefined ? undefined : found.end - found.start;
    }),
  );
}

/** Whether a replica is not in sync. */
export function isBehind({ replicas, inSyncReplicas }: TopicMetadata['partitions'][number]): boolean {
  return inSyncReplicas.length < replicas.length;
}

/** A partition on the map of the cluster. */
export function mapPartition(partition: TopicMetadata['partitions'][number]): MapPartition {
  return {
    partition: partition.partition,
    leader: partition.leaderId,
    replicas: partition.replicas,
    inSync: partition.inSyncReplicas,
  };
}
