/**
 * DeleteRecords: forgets the records of partitions before an offset, by moving the log start offset (KIP-107).
 *
 * - v1 nothing we use; v2 flexible. Offset -1 means the high watermark. Only topics with cleanup.policy=delete lose records.
 */
import {
  DeleteRecords,
  ErrorCode,
  type DeleteRecordsResponseTopicPartitionInput as PartitionResult,
} from '@millrace/protocol';
import { isInternalTopic } from '../cluster/internal-topics.ts';
import { defineHandler, type RequestContext } from './handler.ts';

export const deleteRecords = defineHandler(DeleteRecords, { minVersion: 0, maxVersion: 2 }, (request, context) => ({
  throttleTimeMs: 0,
  topics: request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex, offset }) => deleteBefore(name, partitionIndex, offset, context)),
  })),
}));

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
