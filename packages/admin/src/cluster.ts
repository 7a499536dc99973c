import type { BrokerNode, KafkaClient, OperationOptions } from '@millrace/client';
import { byTopic } from '@millrace/client/internal';
import { DescribeCluster, DescribeLogDirs, ErrorCode } from '@millrace/protocol';
import { ItemFailures } from './errors.ts';
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
  /** How far the replica is behind the high watermark, in records. */
  readonly offsetLag: number;
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
  await client.connect(options);
  const topics =
    partitions === undefined
      ? null
      : [...byTopic(partitions)].map(([topic, items]) => ({
          topic,
          partitions: items.map(({ partition }) => partition),
        }));
  const failures = new ItemFailures('Describing log directories');
  const perBroker = (brokerIds ?? [...client.brokers.keys()]).map(async (brokerId): Promise<LogDir[]> => {
    const response = await client.sendToBroker(
      brokerId,
      DescribeLogDirs,
      { topics },
      { ...options, errorOf: (answer) => answer.errorCode ?? ErrorCode.NONE },
    );
    return response.results.flatMap((result) => {
      const failure = failureOf(result.errorCode, `Log directory ${result.logDir} of broker ${brokerId}`);
      if (!failures.add(`${brokerId}:${result.logDir}`, failure)) return [];
      const replicas = result.topics.flatMap(({ name, partitions: found }) =>
        found.map(({ partitionIndex, partitionSize, offsetLag }) => ({
          topic: name,
          partition: partitionIndex,
          sizeBytes: partitionSize,
          offsetLag,
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
    });
  });
  const dirs = (await Promise.all(perBroker)).flat();
  failures.throwIfAny();
  return dirs;
}

function told(bytes: number): number | undefined {
  return bytes < 0 ? undefined : bytes;
}
