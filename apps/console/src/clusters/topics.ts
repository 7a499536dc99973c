import type { GroupLag, TopicDetail, TopicRow } from '../api/contract.ts';
import { ConsoleError } from '../errors.ts';
import type { Cluster } from './cluster.ts';
import { type GroupLook, lookAtGroups } from './groups.ts';
import { isBehind, leaderBytes, lookAtTopics, mapPartition, rateOf, recordsOf } from './topic-look.ts';

/** The list of topics. */
export async function listTopics(cluster: Cluster): Promise<TopicRow[]> {
  const look = await lookAtTopics(cluster);
  const groups = lagsByTopic(await lookAtGroups(cluster));
  const bytes = leaderBytes(look);
  return look.topics.map((topic) => {
    const sizes = topic.partitions.map(({ partition }) => bytes.get(`${topic.name}/${partition}`));
    return {
      topic: topic.name,
      isInternal: topic.internal,
      partitions: topic.partitions.length,
      replication: topic.partitions[0]?.replicas.length ?? 0,
      underReplicated: topic.partitions.filter(isBehind).length,
      offline: topic.partitions.filter(({ leaderId }) => leaderId < 0).length,
      records: recordsOf(topic, look.offsets),
      bytes: sizes.every((size) => size === undefined)
        ? undefined
        : sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0),
      rate: rateOf(look, topic),
      groups: groups.get(topic.name) ?? [],
    };
  });
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

/** A topic with its partitions and who reads it. */
export async function describeTopic(cluster: Cluster, name: string): Promise<TopicDetail> {
  const look = await lookAtTopics(cluster);
  const topic = look.topics.find((each) => each.name === name);
  if (topic === undefined) {
    throw new ConsoleError(
      'CONSOLE_NOT_FOUND',
      `There is no topic ${name} in ${cluster.name}: it may have been deleted`,
    );
  }
  const bytes = leaderBytes(look);
  return {
    topic: name,
    topicId: topic.topicId,
    isInternal: topic.internal,
    partitions: topic.partitions.map((partition) => ({
      ...mapPartition(partition),
      offlineReplicas: partition.offlineReplicas,
      start: look.offsets.get(`${name}/${partition.partition}`)?.start,
      end: look.offsets.get(`${name}/${partition.partition}`)?.end,
      bytes: bytes.get(`${name}/${partition.partition}`),
    })),
    groups: lagsByTopic(await lookAtGroups(cluster)).get(name) ?? [],
  };
}
