import type { LogDir } from '@millrace/admin';
import type { TopicMetadata } from '@millrace/client';
import type { BrokerRow, MapTopic, Overview } from '../api/contract.ts';
import type { Cluster } from './cluster.ts';
import { isBehind, lookAtTopics, mapPartition, rateOf, recordsOf } from './topic-look.ts';

/** Partitions that the map shows: more than that nobody tells apart. */
const MAP_PARTITIONS_MAX = 600;

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
    records: look.topics.reduce((sum, topic) => sum + recordsOf(topic, look.offsets), 0),
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

/** Topics in trouble come first, the cluster's own last. */
function mapOf(topics: readonly TopicMetadata[]): MapTopic[] {
  const rank = ({ partitions, internal }: TopicMetadata): number => {
    if (partitions.some(({ leaderId }) => leaderId < 0)) return 0;
    if (partitions.some(isBehind)) return 1;
    return internal ? 3 : 2;
  };
  const sorted = [...topics].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
  const shown: MapTopic[] = [];
  let room = MAP_PARTITIONS_MAX;
  for (const { name, partitions } of sorted) {
    room -= partitions.length;
    if (room < 0 && shown.length > 0) break;
    shown.push({ topic: name, partitions: partitions.slice(0, MAP_PARTITIONS_MAX).map(mapPartition) });
  }
  return shown;
}
