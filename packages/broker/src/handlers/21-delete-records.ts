/**
 * DeleteRecords: forgets the records of partitions before an offset, by moving the log start offset (KIP-107).
 *
 * - Answered when all live replicas have forgotten them, or with REQUEST_TIMED_OUT when some have not by then.
 * - v1 nothing we use; v2 flexible. Offset -1 means the high watermark. Only topics with cleanup.policy=delete lose records.
 */
import {
  DeleteRecords,
  type DeleteRecordsRequest,
  type DeleteRecordsResponseInput,
  ErrorCode,
  type DeleteRecordsResponseTopicPartitionInput as PartitionResult,
} from '@millrace/protocol';
import { isInternalTopic } from '../cluster/internal-topics.ts';
import { topicResource } from '../shared/authorization.ts';
import { inTurns } from '../shared/turns.ts';
import { defineHandler, type RequestContext } from './handler.ts';

export const deleteRecords = defineHandler(
  DeleteRecords,
  { minVersion: 0, maxVersion: 2 },
  async (request, context): Promise<DeleteRecordsResponseInput> => {
    const begun = await inTurns(deleteEach(request, context), () => context.pause());
    const topics = begun.map(async ({ name, results }) => ({ name, partitions: await Promise.all(results) }));
    return { throttleTimeMs: 0, topics: await Promise.all(topics) };
  },
);

/** A topic whose partitions are being cut off at the front. */
interface BegunTopic {
  readonly name: string;
  readonly results: readonly (Promise<PartitionResult> | PartitionResult)[];
}

function* deleteEach(request: DeleteRecordsRequest, context: RequestContext): Generator<void, BegunTopic[]> {
  const topics: BegunTopic[] = [];
  for (const { name, partitions } of request.topics) {
    const results: BegunTopic['results'][number][] = [];
    for (const { partitionIndex, offset } of partitions) {
      results.push(deleteBefore(name, partitionIndex, offset, request.timeoutMs, context));
      yield;
    }
    topics.push({ name, results });
    yield;
  }
  return topics;
}

function deleteBefore(
  topic: string,
  partitionIndex: number,
  offset: number,
  timeoutMs: number,
  context: RequestContext,
): Promise<PartitionResult> | PartitionResult {
  const { broker } = context;
  const refuse = (errorCode: number): PartitionResult => ({ partitionIndex, lowWatermark: -1, errorCode });
  const refused = context.authorize('Delete', topicResource(topic));
  if (refused !== undefined) return refuse(refused.errorCode);
  if (isInternalTopic(topic)) return refuse(ErrorCode.INVALID_TOPIC_EXCEPTION);
  const partition = broker.replicas.find(topic, partitionIndex);
  if (typeof partition === 'number') return refuse(partition);
  const refusal = partition.leaderError(-1);
  if (refusal !== ErrorCode.NONE) return refuse(refusal);
  if (!partition.log.config.cleanupPolicy.includes('delete')) return refuse(ErrorCode.POLICY_VIOLATION);
  const deleted = partition.deleteRecordsBefore(offset, timeoutMs);
  if (!(deleted instanceof Promise)) return { partitionIndex, ...deleted };
  return deleted.then((result) => ({ partitionIndex, ...result }));
}
