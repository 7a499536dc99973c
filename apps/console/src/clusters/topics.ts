import { AdminItemsError, type LogDir } from '@millrace/admin';
import { KafkaError, type TopicMetadata } from '@millrace/client';
import type { GroupLag, ReplicaDir, TopicDetail, TopicFigures, TopicRow } from '../api/contract.ts';
import { countOf } from '../api/counts.ts';
import { type ConsoleError, refusal } from '../errors.ts';
import type { Cluster } from './cluster.ts';
import { type GroupLook, lookAtGroups } from './groups.ts';
import {
  isBehind,
  leaderBytes,
  logDirsOf,
  lookAtNames,
  lookAtTopics,
  mapPartition,
  offsetsOf,
  partitionsOf,
  placeName,
  rateOf,
  recordsOf,
} from './topic-look.ts';

/** The list of topics: what is known of them at once. */
export async function listTopics(cluster: Cluster): Promise<TopicRow[]> {
  const topics = await lookAtNames(cluster);
  return topics.map((topic) => ({
    topic: topic.name,
    isInternal: topic.internal,
    partitions: topic.partitions.length,
    replication: topic.partitions[0]?.replicas.length ?? 0,
    underReplicated: topic.partitions.filter(isBehind).length,
    offline: topic.partitions.filter(({ leaderId }) => leaderId < 0).length,
  }));
}

/** The figures beside the topics' names: for these every partition's leader and every group's coordinator is asked. */
export async function topicFigures(cluster: Cluster): Promise<TopicFigures[]> {
  const [look, groups, policies] = await Promise.all([
    lookAtTopics(cluster),
    lookAtGroups(cluster).then(({ groups }) => lagsByTopic(groups)),
    lookAtCleanup(cluster),
  ]);
  const bytes = leaderBytes(look);
  return look.topics.map((topic) => {
    const sizes = topic.partitions.map((partition) => bytes.get(placeName({ topic: topic.name, ...partition })));
    return {
      topic: topic.name,
      records: recordsOf(topic, look.offsets),
      bytes: countOf(sizes),
      rate: rateOf(look, topic),
      cleanup: policies.get(topic.name),
      groups: groups.get(topic.name) ?? [],
    };
  });
}

const CLEANUP = 'cleanup.policy';
/** It changes seldom, and who changes it here has it looked at anew. */
const CLEANUP_KEPT_MS = 30_000;
const ASKED_AT_ONCE = 1000;

/** What happens to the old records of each topic, as far as the cluster tells. */
function lookAtCleanup(cluster: Cluster): Promise<ReadonlyMap<string, string>> {
  const take = async (): Promise<ReadonlyMap<string, string>> => {
    const names = (await lookAtNames(cluster)).map(({ name }) => name);
    const policies = new Map<string, string>();
    for (let i = 0; i < names.length; i += ASKED_AT_ONCE) {
      for (const { name, entries } of await describeSome(cluster, names.slice(i, i + ASKED_AT_ONCE))) {
        const value = entries.find((entry) => entry.name === CLEANUP)?.value;
        if (typeof value === 'string') policies.set(name, value);
      }
    }
    return policies;
  };
  return cluster.look('cleanup', take, CLEANUP_KEPT_MS);
}

type Described = Awaited<ReturnType<Cluster['admin']['describeConfigs']>>;

async function describeSome({ admin }: Cluster, names: readonly string[]): Promise<Described> {
  const ask = (some: readonly string[]): Promise<Described> =>
    admin.describeConfigs(
      some.map((name) => ({ type: 'topic', name })),
      { names: [CLEANUP] },
    );
  try {
    return await ask(names);
  } catch (error) {
    // Topics that went meanwhile, or that nobody may look into here: the others are told all the same.
    const rest = error instanceof AdminItemsError ? names.filter((name) => !error.failures.has(name)) : [];
    return rest.length === 0 || rest.length === names.length ? [] : ask(rest).catch(() => []);
  }
}

function lagsByTopic(groups: readonly GroupLook[]): ReadonlyMap<string, GroupLag[]> {
  const lags = new Map<string, GroupLag[]>();
  for (const { row, lagByTopic } of groups) {
    for (const topic of row.topics) {
      const list = lags.get(topic) ?? [];
      list.push({ group: row.group, lag: lagByTopic.get(topic) ?? null });
      lags.set(topic, list);
    }
  }
  for (const list of lags.values()) list.sort((a, b) => (b.lag ?? -1) - (a.lag ?? -1));
  return lags;
}

/** The groups that have read a topic, the slowest first. */
export async function readersOf(cluster: Cluster, name: string): Promise<GroupLag[]> {
  return lagsByTopic((await lookAtGroups(cluster)).groups).get(name) ?? [];
}

/** A topic with its partitions: of the others nothing is asked, however many there are. */
export async function describeTopic(cluster: Cluster, name: string): Promise<TopicDetail> {
  const [topic] = await cluster.admin.describeTopics([name]).catch((error: unknown) => {
    const isGone = error instanceof KafkaError && error.code === 'KAFKA_UNKNOWN_TOPIC_OR_PARTITION';
    throw isGone ? noTopic(cluster, name) : error;
  });
  if (topic === undefined) throw noTopic(cluster, name);
  const all = topic.partitions.map(({ partition }) => ({ topic: name, partition }));
  const [offsets, logDirs] = await Promise.all([
    offsetsOf(cluster.admin, partitionsOf([topic])),
    logDirsOf(cluster, all),
  ]);
  return {
    topic: name,
    topicId: topic.topicId,
    isInternal: topic.internal,
    partitions: topic.partitions.map((partition) => {
      const found = offsets.get(placeName({ topic: name, ...partition }));
      const dirs = dirsOf(logDirs, partition);
      return {
        ...mapPartition(partition),
        offlineReplicas: partition.offlineReplicas,
        start: found?.start,
        end: found?.end,
        bytes: dirs.find(({ broker, isFuture }) => broker === partition.leaderId && !isFuture)?.bytes,
        dirs,
      };
    }),
  };
}

function noTopic(cluster: Cluster, name: string): ConsoleError {
  return refusal('CONSOLE_NOT_FOUND', 'noTopic', { topic: name, cluster: cluster.name });
}

/** The folders in which a partition of the one topic that was asked for lies. */
function dirsOf(dirs: readonly LogDir[], { partition }: TopicMetadata['partitions'][number]): ReplicaDir[] {
  const found = dirs.flatMap(({ brokerId, path, replicas }) =>
    replicas
      .filter((replica) => replica.partition === partition)
      .map(({ sizeBytes, offsetLag, isMoving }) => ({
        broker: brokerId,
        path,
        bytes: sizeBytes,
        behind: offsetLag,
        isFuture: isMoving,
      })),
  );
  return found.sort((a, b) => a.broker - b.broker);
}
