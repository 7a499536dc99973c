import type { ClusterDescription, LogDir } from '@millrace/admin';
import { type BrokerNode, formatAddress, type TopicMetadata } from '@millrace/client';
import type { CommandContext } from '../context.ts';
import { counted, formatBytes, formatCount, printable } from '../output/format.ts';
import type { Paint } from '../output/paint.ts';
import { renderPairs, renderTable } from '../output/table.ts';
import { refuseMissingBrokers } from './find-brokers.ts';
import { lookForTopics } from './find-topics.ts';

export interface LogDirsOptions {
  readonly broker?: readonly number[];
  readonly partitions?: boolean;
}

export async function describeCluster(context: CommandContext): Promise<void> {
  await context.withAdmin(async (admin) => {
    const cluster = await admin.describeCluster();
    const names = await admin.listTopics({ internal: true });
    const topics = names.length === 0 ? [] : await admin.describeTopics(names);
    const partitions = topics.flatMap((topic) => topic.partitions);
    const value = {
      ...cluster,
      brokers: cluster.brokers.map((broker) => ({
        ...broker,
        leads: partitions.filter(({ leaderId }) => leaderId === broker.nodeId).length,
        replicas: partitions.filter(({ replicas }) => replicas.includes(broker.nodeId)).length,
      })),
      topics: topics.length,
      partitions: partitions.length,
      underReplicatedPartitions: partitions.filter(isUnderReplicated).length,
      unavailablePartitions: partitions.filter(({ leaderId }) => leaderId < 0).length,
    };
    await context.out.result(value, (paint) => renderCluster(value, paint));
  });
}

function isUnderReplicated({ replicas, inSyncReplicas }: TopicMetadata['partitions'][number]): boolean {
  return inSyncReplicas.length < replicas.length;
}

/** A cluster with what its brokers hold. */
interface DescribedCluster extends Omit<ClusterDescription, 'brokers'> {
  readonly brokers: readonly (BrokerNode & { readonly leads: number; readonly replicas: number })[];
  readonly topics: number;
  readonly partitions: number;
  readonly underReplicatedPartitions: number;
  readonly unavailablePartitions: number;
}

function renderCluster(cluster: DescribedCluster, paint: Paint): string {
  const { clusterId, controllerId, brokers, underReplicatedPartitions: behind, unavailablePartitions: led } = cluster;
  const ill = [
    ...(behind === 0 ? [] : [`${formatCount(behind)} not fully replicated`]),
    ...(led === 0 ? [] : [`${formatCount(led)} without a leader`]),
  ];
  const health = ill.length === 0 ? '' : `; ${paint.red(ill.join(', '))}`;
  const pairs = renderPairs(
    [
      ['Cluster', paint.bold(clusterId)],
      ['Controller', controllerId < 0 ? paint.red('none at the moment') : `broker ${controllerId}`],
      ['Brokers', formatCount(brokers.length)],
      ['Partitions', `${formatCount(cluster.partitions)} of ${counted(cluster.topics, 'topic')}${health}`],
    ],
    paint,
  );
  const columns = [
    { header: 'BROKER', align: 'right' as const },
    { header: 'ADDRESS' },
    { header: 'RACK' },
    { header: 'ROLE' },
    { header: 'LEADS', align: 'right' as const },
    { header: 'HOLDS', align: 'right' as const },
  ];
  const rows = brokers.map((broker) => [
    String(broker.nodeId),
    formatAddress(broker),
    printable(broker.rack ?? ''),
    broker.nodeId === controllerId ? 'controller' : '',
    formatCount(broker.leads),
    formatCount(broker.replicas),
  ]);
  return `${pairs}\n\n${renderTable(columns, rows, paint)}`;
}

export async function describeLogDirs(
  context: CommandContext,
  topicNames: readonly string[],
  options: LogDirsOptions,
): Promise<void> {
  await context.withAdmin(async (admin) => {
    const { found: topics, missing } =
      topicNames.length === 0 ? { found: undefined, missing: undefined } : await lookForTopics(admin, topicNames);
    const partitions = topics?.flatMap(({ name, partitions: each }) =>
      each.map(({ partition }) => ({ topic: name, partition })),
    );
    if (options.broker !== undefined) refuseMissingBrokers(await admin.describeCluster(), options.broker);
    const dirs = await admin.describeLogDirs({ brokerIds: options.broker, partitions });
    dirs.sort((a, b) => a.brokerId - b.brokerId || (a.path < b.path ? -1 : 1));
    await context.out.result(dirs, (paint) => {
      const overview = renderDirs(dirs, paint);
      return topics !== undefined || options.partitions === true
        ? `${overview}\n\n${renderReplicas(dirs, paint)}`
        : overview;
    });
    if (missing !== undefined) throw missing;
  });
}

function renderDirs(dirs: readonly LogDir[], paint: Paint): string {
  return renderTable(
    [
      { header: 'BROKER', align: 'right' },
      { header: 'FOLDER' },
      { header: 'PARTITIONS', align: 'right' },
      { header: 'SIZE', align: 'right' },
      { header: 'FREE', align: 'right' },
      { header: 'OF', align: 'right' },
    ],
    dirs.map(({ brokerId, path, replicas, totalBytes, usableBytes }) => [
      String(brokerId),
      printable(path),
      formatCount(replicas.length),
      formatBytes(replicas.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)),
      usableBytes === undefined ? '' : formatBytes(usableBytes),
      totalBytes === undefined ? '' : formatBytes(totalBytes),
    ]),
    paint,
  );
}

function renderReplicas(dirs: readonly LogDir[], paint: Paint): string {
  const rows = dirs.flatMap(({ brokerId, replicas }) => replicas.map((replica) => ({ brokerId, ...replica })));
  rows.sort((a, b) =>
    a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition || a.brokerId - b.brokerId,
  );
  return renderTable(
    [
      { header: 'TOPIC' },
      { header: 'PARTITION', align: 'right' },
      { header: 'BROKER', align: 'right' },
      { header: 'SIZE', align: 'right' },
      { header: 'BEHIND', align: 'right' },
    ],
    rows.map(({ topic, partition, brokerId, sizeBytes, offsetLag }) => [
      topic,
      String(partition),
      String(brokerId),
      formatBytes(sizeBytes),
      counted(offsetLag, 'record'),
    ]),
    paint,
  );
}
