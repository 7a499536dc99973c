import type { BrokerNode, KafkaClient, OperationOptions, TopicPartition } from '@millrace/client';
import { byTopic, partitionName } from '@millrace/client/internal';
import { AlterReplicaLogDirs, DescribeCluster, DescribeLogDirs, ErrorCode } from '@millrace/protocol';
import { ItemFailures } from './errors.ts';
import { fromBrokers } from './every-broker.ts';
import { failureOf } from './requests.ts';

/** A cluster and its brokers. */
export interface ClusterDescription {
  readonly clusterId: string;
  /** -1 where there is none at the moment. */
  readonly controllerId: number;
  /** By id, ascending. */
  readonly brokers: readonly BrokerNode[];
}

export async function describeCluster(client: KafkaClient, options: OperationOptions): Promise<ClusterDescription> {
  const response = await client.sendToAnyBroker(
    DescribeCluster,
    { includeClusterAuthorizedOperations: false },
    options,
  );
  const brokers = response.brokers.map(({ brokerId, host, port, rack }) => ({ nodeId: brokerId, host, port, rack }));
  return {
    clusterId: response.clusterId,
    controllerId: response.controllerId,
    brokers: brokers.sort((a, b) => a.nodeId - b.nodeId),
  };
}

/** What a partition takes on a broker's disk. */
export interface ReplicaSize {
  readonly topic: string;
  readonly partition: number;
  readonly sizeBytes: number;
  /** How far the replica is behind the high watermark, in records; of a copy, how far behind the log that it is made of. */
  readonly offsetLag: number;
  /** Whether it is a copy that is on its way here from another log directory of the broker. */
  readonly isMoving: boolean;
}

/** Where a replica is to lie. */
export interface ReplicaPlace extends TopicPartition {
  /** The broker that has the replica, or will have. */
  readonly brokerId: number;
  /** One of the broker's `log.dirs`, as {@link LogDir.path} tells it. */
  readonly logDir: string;
}

/** A log directory of a broker. */
export interface LogDir {
  readonly brokerId: number;
  readonly path: string;
  /** The volume's size in bytes; undefined where the broker does not tell (before 3.3). */
  readonly totalBytes: number | undefined;
  readonly usableBytes: number | undefined;
  readonly replicas: readonly ReplicaSize[];
}

/** Which log directories to look at. */
export interface DescribeLogDirsOptions extends OperationOptions {
  /** All brokers by default. */
  readonly brokerIds?: readonly number[] | undefined;
  /** Only these partitions; all by default. */
  readonly partitions?: readonly { readonly topic: string; readonly partition: number }[] | undefined;
}

export async function describeLogDirs(
  client: KafkaClient,
  { brokerIds, partitions, ...options }: DescribeLogDirsOptions,
): Promise<LogDir[]> {
  const topics =
    partitions === undefined
      ? null
      : [...byTopic(partitions)].map(([topic, items]) => ({
          topic,
          partitions: items.map(({ partition }) => partition),
        }));
  const what = 'Describing log directories';
  const answers = await fromBrokers(client, what, brokerIds, options, async (brokerId, once) => {
    const response = await client.sendToBroker(
      brokerId,
      DescribeLogDirs,
      { topics },
      { ...once, errorOf: (answer) => answer.errorCode ?? ErrorCode.NONE },
    );
    return [{ brokerId, results: response.results }];
  });
  const failures = new ItemFailures(what);
  const dirs = answers.flatMap(({ brokerId, results }) =>
    results.flatMap((result): LogDir[] => {
      const failure = failureOf(result.errorCode, `Log directory ${result.logDir} of broker ${brokerId}`);
      if (!failures.add(`${brokerId}:${result.logDir}`, failure)) return [];
      const replicas = result.topics.flatMap(({ name, partitions: found }) =>
        found.map(({ partitionIndex, partitionSize, offsetLag, isFutureKey }) => ({
          topic: name,
          partition: partitionIndex,
          sizeBytes: partitionSize,
          offsetLag,
          isMoving: isFutureKey,
        })),
      );
      return [
        {
          brokerId,
          path: result.logDir,
          totalBytes: told(result.totalBytes),
          usableBytes: told(result.usableBytes),
          replicas,
        },
      ];
    }),
  );
  failures.throwIfAny();
  return dirs;
}

export async function alterReplicaLogDirs(
  client: KafkaClient,
  places: readonly ReplicaPlace[],
  options: OperationOptions,
): Promise<void> {
  await client.connect(options);
  const failures = new ItemFailures('Moving replicas to other log directories');
  const byBroker = Map.groupBy(places, ({ brokerId }) => brokerId);
  const perBroker = [...byBroker].map(async ([brokerId, items]) => {
    const dirs = [...Map.groupBy(items, ({ logDir }) => logDir)].map(([path, here]) => ({
      path,
      topics: [...byTopic(here)].map(([name, partitions]) => ({
        name,
        partitions: partitions.map(({ partition }) => partition),
      })),
    }));
    const { results } = await client.sendToBroker(brokerId, AlterReplicaLogDirs, { dirs }, options);
    for (const { topicName: topic, partitions } of results) {
      for (const { partitionIndex: partition, errorCode } of partitions) {
        const item = partitionName({ topic, partition });
        failures.add(`${brokerId}:${item}`, failureOf(errorCode, `Moving ${item} on broker ${brokerId}`));
      }
    }
  });
  await Promise.all(perBroker);
  failures.throwIfAny();
}

function told(bytes: number): number | undefined {
  return bytes < 0 ? undefined : bytes;
}
