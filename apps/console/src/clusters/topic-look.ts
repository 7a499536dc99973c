/** The topics of a cluster as one look finds them, with offsets and sizes: what its pages are made from. */
import { type Admin, AdminItemsError, type FoundOffset, type LogDir } from '@millrace/admin';
import { KafkaError, type TopicMetadata, type TopicPartition } from '@millrace/client';
import type { MapPartition } from '../api/contract.ts';
import type { Cluster } from './cluster.ts';

/** Offsets of partitions by `topic/partition`. */
export type Offsets = ReadonlyMap<string, { readonly start: number; readonly end: number }>;

/** All topics as of one moment. */
export interface TopicsLook {
  readonly takenMs: number;
  readonly topics: readonly TopicMetadata[];
  readonly offsets: Offsets;
  readonly logDirs: readonly LogDir[];
  /** Ends by topic at the look before, for rates. */
  readonly before: { readonly takenMs: number; readonly ends: ReadonlyMap<string, number> } | undefined;
}

/** Looks before this one, by cluster; one for each. */
const lastEnds = new WeakMap<Cluster, { takenMs: number; ends: ReadonlyMap<string, number> }>();

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
    const before = lastEnds.get(cluster);
    const takenMs = performance.now();
    lastEnds.set(cluster, { takenMs, ends: new Map(topics.map((topic) => [topic.name, endsOf(topic, offsets)])) });
    return { takenMs, topics, offsets, logDirs, before };
  });
}

/** The partitions that somebody can answer for. */
export function partitionsOf(topics: readonly TopicMetadata[]): TopicPartition[] {
  return topics.flatMap(({ name, partitions }) =>
    partitions.filter(({ leaderId }) => leaderId >= 0).map(({ partition }) => ({ topic: name, partition })),
  );
}

const OFFSETS_TIMEOUT_MS = 4000;

/** First and next offsets; partitions whose leader does not answer are missing. */
export async function offsetsOf(admin: Admin, places: readonly TopicPartition[]): Promise<Offsets> {
  if (places.length === 0) return new Map();
  const [starts, ends] = await Promise.all(
    (['earliest', 'latest'] as const).map((at) => foundOffsets(admin, places, at)),
  );
  const startOf = new Map((starts ?? []).map((found) => [placeName(found), found.offset]));
  return new Map(
    (ends ?? []).map((found) => {
      const name = placeName(found);
      return [name, { start: startOf.get(name) ?? 0, end: found.offset }];
    }),
  );
}

async function foundOffsets(
  admin: Admin,
  places: readonly TopicPartition[],
  at: 'earliest' | 'latest',
): Promise<FoundOffset[]> {
  const ask = (some: readonly TopicPartition[], retries?: number): Promise<FoundOffset[]> =>
    admin.listOffsets(
      some.map((place) => ({ ...place, at })),
      { timeoutMs: OFFSETS_TIMEOUT_MS, retries },
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
      .describeLogDirs({ brokerIds: [nodeId], partitions, timeoutMs: OFFSETS_TIMEOUT_MS, retries: 0 })
      .catch(() => []),
  );
  return (await Promise.all(asked)).flat();
}

/** A name for a partition that no other has: a topic's name has no slash. */
export function placeName({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

function endsOf(topic: TopicMetadata, offsets: Offsets): number {
  return topic.partitions.reduce(
    (sum, { partition }) => sum + (offsets.get(`${topic.name}/${partition}`)?.end ?? 0),
    0,
  );
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

/** A topic's records a second since the look before. */
export function rateOf(look: TopicsLook, topic: TopicMetadata): number | undefined {
  const end = look.before?.ends.get(topic.name);
  if (look.before === undefined || end === undefined) return undefined;
  const seconds = (look.takenMs - look.before.takenMs) / 1000;
  return seconds <= 0 ? undefined : Math.max(0, endsOf(topic, look.offsets) - end) / seconds;
}

/** A topic's records from the first to the end. */
export function recordsOf(topic: TopicMetadata, offsets: Offsets): number {
  return topic.partitions.reduce((sum, { partition }) => {
    const found = offsets.get(`${topic.name}/${partition}`);
    return sum + (found === undefined ? 0 : found.end - found.start);
  }, 0);
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
