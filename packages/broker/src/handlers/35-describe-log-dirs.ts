/**
 * DescribeLogDirs: which folders hold which partitions, and how large they are (KIP-113).
 *
 * - v1 nothing we use; v2 flexible; v3 an error for the whole; v4 the volume's size and free room (KIP-827). Topics null means all.
 */

import type { LogMove } from '@millrace/log';
import {
  DescribeLogDirs,
  type DescribeLogDirsRequest,
  type DescribeLogDirsResponseResultTopicPartitionInput,
  type DescribeLogDirsResponseResultInput as DirResult,
  ErrorCode,
} from '@millrace/protocol';
import type { Partition } from '../replicas/partition.ts';
import { CLUSTER } from '../shared/authorization.ts';
import { isRefusal } from '../shared/refusal.ts';
import { eachInTurns, type Pause } from '../shared/turns.ts';
import { defineHandler } from './handler.ts';

type LogDir = { readonly path: string; readonly isOnline: boolean };

export const describeLogDirs = defineHandler(
  DescribeLogDirs,
  { minVersion: 0, maxVersion: 4 },
  async (request, context) => {
    const refusal = context.authorize('Describe', CLUSTER);
    if (refusal !== undefined) return { errorCode: refusal.errorCode, results: [] };
    const { broker } = context;
    const isAsked = await filterOf(request, () => context.pause());
    const describe = async ({ path, isOnline }: LogDir): Promise<DirResult> => {
      if (!isOnline) return { errorCode: ErrorCode.KAFKA_STORAGE_ERROR, logDir: path, topics: [] };
      const topics = new Map<string, DescribeLogDirsResponseResultTopicPartitionInput[]>();
      for (const partition of broker.replicas.partitions) {
        if (partition.logDir !== path || !isAsked(partition)) continue;
        const listed = topics.get(partition.topic);
        if (listed === undefined) topics.set(partition.topic, [listedPartition(partition)]);
        else listed.push(listedPartition(partition));
      }
      for (const move of broker.replicas.movesInto(path)) {
        const partition = broker.replicas.find(move.topic, move.partition);
        if (isRefusal(partition) || !isAsked(partition)) continue;
        topics.set(move.topic, [...(topics.get(move.topic) ?? []), listedMove(partition, move)]);
      }
      const listed = Array.from(topics, ([name, partitions]) => ({ name, partitions }));
      const volume = await broker.replicas.volumeOf(path);
      return { errorCode: ErrorCode.NONE, logDir: path, topics: listed, ...volume };
    };
    const results = await Promise.all(broker.replicas.logDirs.map(describe));
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, results };
  },
);

function listedPartition(replica: Partition): DescribeLogDirsResponseResultTopicPartitionInput {
  const offsetLag = Math.max(0, replica.highWatermark - replica.logEndOffset);
  return { partitionIndex: replica.partition, partitionSize: replica.sizeBytes, offsetLag, isFutureKey: false };
}

/** A log that is on its way here: how much of it has come, and how far behind that is (KIP-113). */
function listedMove(
  { partition, logEndOffset }: Partition,
  { sizeBytes, endOffset }: LogMove,
): DescribeLogDirsResponseResultTopicPartitionInput {
  const offsetLag = Math.max(0, logEndOffset - endOffset);
  return { partitionIndex: partition, partitionSize: sizeBytes, offsetLag, isFutureKey: true };
}

async function filterOf(request: DescribeLogDirsRequest, pause: Pause): Promise<(partition: Partition) => boolean> {
  if (request.topics === null) return () => true;
  const asked = new Map<string, Set<number>>();
  await eachInTurns(request.topics, ({ topic, partitions }) => asked.set(topic, new Set(partitions)), pause);
  return ({ topic, partition }) => asked.get(topic)?.has(partition) === true;
}
