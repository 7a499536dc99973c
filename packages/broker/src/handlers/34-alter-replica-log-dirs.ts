/**
 * AlterReplicaLogDirs: moves replicas between the log directories of this broker while they are used (KIP-113).
 *
 * - A replica that is not here yet is made in the directory that was named for it, and the answer is REPLICA_NOT_AVAILABLE, as in Kafka.
 * - Answered when the moves have begun; DescribeLogDirs shows how far they are. v1 nothing we use; v2 flexible.
 */
import {
  AlterReplicaLogDirs,
  type AlterReplicaLogDirsRequest,
  type AlterReplicaLogDirsResponseInput,
  type AlterReplicaLogDirsResponseResultInput as TopicResult,
} from '@millrace/protocol';
import { invalidTopicName } from '../cluster/topic-name.ts';
import { CLUSTER } from '../shared/authorization.ts';
import { defineHandler, type RequestContext } from './handler.ts';

export const alterReplicaLogDirs = defineHandler(
  AlterReplicaLogDirs,
  { minVersion: 0, maxVersion: 2 },
  async (request, context): Promise<AlterReplicaLogDirsResponseInput> => {
    const refusal = context.authorize('Alter', CLUSTER);
    const results = await resultsOf(request, context, async (topic, partition, path) => {
      if (refusal !== undefined) return refusal.errorCode;
      return invalidTopicName(topic)?.errorCode ?? (await context.broker.replicas.moveLog(topic, partition, path));
    });
    return { throttleTimeMs: 0, results };
  },
);

/** A topic that is named for several directories has one result with all its partitions. */
async function resultsOf(
  { dirs }: AlterReplicaLogDirsRequest,
  context: RequestContext,
  codeOf: (topic: string, partition: number, path: string) => Promise<number>,
): Promise<TopicResult[]> {
  const results = new Map<string, { partitionIndex: number; errorCode: number }[]>();
  for (const { path, topics } of dirs) {
    for (const { name, partitions } of topics) {
      const found = results.get(name) ?? [];
      results.set(name, found);
      for (const partitionIndex of partitions) {
        found.push({ partitionIndex, errorCode: await codeOf(name, partitionIndex, path) });
        await context.pause();
      }
      await context.pause();
    }
    await context.pause();
  }
  return Array.from(results, ([topicName, partitions]) => ({ topicName, partitions }));
}
