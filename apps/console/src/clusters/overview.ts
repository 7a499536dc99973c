import type { LogDir } from '@millrace/admin';
import type { TopicMetadata } from '@millrace/client';
import type { BrokerRow, MapTopic, Overview } from '../api/contract.ts';
import { sumOfCounts } from '../api/counts.ts';
import type { Cluster } from './cluster.ts';
import { isBehind, lookAtTopics, mapPartition, rateOf, recordsOf } from './topic-look.ts';

/** Partitions that the map shows: more than that nobody tells apart. */
const MAP_PARTITIONS_MAX = 600;
/** Partitions of topics in trouble that are shown beside them. */
const MAP_TROUBLED_MAX = 200;

/** The cluster at a glance. */
export async function overviewOf(cluster: Cluster): Promise<Overview> {
  const [described, look] = await Promise.all([
    cluster.look('cluster', () => cluster.admin.describeCluster()),
    lookAtTopics(cluster),
  ]);
  const partitions = look.topics.flatMap((topic) => topic.partitions);
  const rates = look.topics.map((topic) => rateOf(look, topic));
  const map = mapOf(look.topics);
  return {
    clusterId: described.clusterId,
    controllerId: described.controllerId,
    brokers: brokerRows(described, partitions, look.logDirs),
    topics: look.topics.length,
    partitions: partitions.length,
    underReplicated: partitions.filter(isBehind).length,
    offline: partitions.filter(({ leaderId }) => leaderId < 0).length,
    records: sumOfCounts(look.topics.map((topic) => recordsOf(topic, look.offsets))),
    rate: rates.every((rate) => rate === undefined)
      ? undefined
      : rates.reduce<number>((sum, rate) => sum + (rate ?? 0), 0),
    map,
    mapLeftOut: look.topics.length - map.length,
  };
}

type Described = Awaited<ReturnType<Cluster['admin']['describeCluster']>>;

/** Brokers that are up, and those that partitions still name. */
function brokerRows(
  { brokers, controllerId }: Described,
  partitions: readonly TopicMetadata['partitions'][number][],
  logDirs: readonly LogDir[],
): BrokerRow[] {
  const up = new Map(brokers.map((broker) => [broker.nodeId, broker]));
  const named = new Set([...up.keys(), ...partitions.flatMap(({ replicas }) => replicas)]);
  return [...named]
    .sort((a, b) => a - b)
    .map((id) => {
      const broker = up.get(id);
      const dirs = logDirs.filter(({ brokerId }) => brokerId === id);
      return {
        id,
        address: broker === undefined ? '' : `${broker.host}:${broker.port}`,
        rack: broker?.rack ?? null,
        isController: id === controllerId,
        isUp: broker !== undefined,
        leaders: partitions.filter(({ leaderId }) => leaderId === id).length,
        replicas: partitions.filter(({ replicas }) => replicas.includes(id)).length,
        inSync: partitions.filter(({ inSyncReplicas }) => inSyncReplicas.includes(id)).length,
        bytes:
          dirs.length === 0
            ? undefined
            : dirs.flatMap((dir) => dir.replicas).reduce((sum, each) => sum + each.sizeBytes, 0),
        diskTotal: sumOf(dirs.map(({ totalBytes }) => totalBytes)),
        diskFree: sumOf(dirs.map(({ usableBytes }) => usableBytes)),
      };
    });
}

function sumOf(numbers: readonly (number | undefined)[]): number | undefined {
  if (numbers.length === 0) return undefined;
  return numbers.reduce<number | undefined>(
    (sum, each) => (sum === undefined || each === undefined ? undefined : sum + each),
    0,
  );
}

/**
 * The topics of the map by name, the cluster's own last, so that none moves when a broker goes or comes back. Those in trouble that there
 * was no room for stand behind them.
 */
function mapOf(topics: readonly TopicMetadata[]): MapTopic[] {
  const byName = topics.toSorted((a, b) => Number(a.internal) - Number(b.internal) || a.name.localeCompare(b.name));
  const shown = fitting(byName, MAP_PARTITIONS_MAX);
  const rest = byName.filter((topic) => !shown.has(topic) && topic.partitions.some(isBehind));
  const isOffline = ({ partitions }: TopicMetadata): boolean => partitions.some(({ leaderId }) => leaderId < 0);
  const worst = rest.toSorted((a, b) => Number(isOffline(b)) - Number(isOffline(a)));
  return [...shown, ...fitting(worst, MAP_TROUBLED_MAX)].map(({ name, partitions }) => ({
    topic: name,
    partitions: partitions.slice(0, MAP_PARTITIONS_MAX).map(mapPartition),
  }));
}

/** The first topics that have so many partitions together; one at least. */
function fitting(topics: readonly TopicMetadata[], partitionsMax: number): ReadonlySet<TopicMetadata> {
  const fit = new Set<TopicMetadata>();
  let room = partitionsMax;
  for (const topic of topics) {
    room -= topic.partitions.length;
    if (room < 0 && fit.size > 0) break;
    fit.add(topic);
  }
  return fit;
}
