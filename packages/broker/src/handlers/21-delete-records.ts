/**
 * DeleteRecords: forgets the records of partitions before an offset, by moving the log start offset (KIP-107).
 *
 * - v1 nothing we use; v2 flexible. Offset -1 means the high watermark. Only topics with cleanup.policy=delete lose records.
 */
import {
  DeleteRecords,
  type DeleteRecordsRequest,
  type DeleteRecordsResponseInput,
  type DeleteRecordsResponseTopicInput,
  ErrorCode,
  type DeleteRecordsResponseTopicPartitionInput as PartitionResult,
} from '@millrace/protocol';
import { isInternalTopic } from '../cluster/internal-topics.ts';
import { inTurns } from '../shared/turns.ts';
import { defineHandler, type RequestContext } from './handler.ts';

export const deleteRecords = defineHandler(DeleteRecords, { minVersion: 0, maxVersion: 2 }, (request, context) =>
  inTurns(deleteEach(request, context), () => context.pause()),
);

function* deleteEach(
  request: DeleteRecordsRequest,
  context: RequestContext,
): Generator<void, DeleteRecordsResponseInput> {
  const topics: DeleteRecordsResponseTopicInput[] = [];
  for (const { name, partitions } of request.topics) {
    const results: PartitionResult[] = [];
    for (const { partitionIndex, offset } of partitions) {
      results.push(deleteBefore(name, partitionIndex, offset, context));
      yield;
    }
    topics.push({ name, partitions: results });
    yield;
  }
  return { throttleTimeMs: 0, topics };
}

function deleteBefore(
  topic: string,
  partitionIndex: number,
  offset: number,
  { broker }: RequestContext,
): PartitionResult {
  const refuse = (errorCode: number): PartitionResult => ({ partitionIndex, lowWatermark: -1, errorCode });
  if (isInternalTopic(topic)) return refuse(ErrorCode.INVALID_TOPIC_EXCEPTION);
  const partition = broker.replicas.find(topic, partitionIndex);
  if (typeof partition === 'number') return refuse(partition);
  const refusal = partition.leaderError(-1);
  if (refusal !== ErrorCode.NONE) return refuse(refusal);
  const { log } = partition;
  if (!log.config.cleanupPolicy.includes('delete')) return refuse(ErrorCode.POLICY_VIOLATION);
  const { errorCode, logStartOffset } = log.deleteRecordsBefore(offset);
  if (errorCode !== ErrorCode.NONE) return refuse(errorCode);
  return { partitionIndex, lowWatermark: logStartOffset, errorCode };
}
