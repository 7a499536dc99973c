/**
 * DeleteRecords: forgets the records of partitions before an offset, by moving the log start offset (KIP-107).
 *
 * - v1 nothing we use; v2 flexible. Offset -1 means the high watermark. Only topics with cleanup.policy=delete lose records.
 */
import { DeleteRecords, type DeleteRecordsResponseInput, ErrorCode } from '@millrace/protocol';
import { isInternalTopic } from '../cluster/internal-topics.ts';
import { defineHandler, type RequestContext } from './handler.ts';

const HIGH_WATERMARK = -1;

type TopicResult = NonNullable<DeleteRecordsResponseInput['topics']>[number];
type PartitionResult = NonNullable<TopicResult['partitions']>[number];

export const deleteRecords = defineHandler(
  DeleteRecords,
  { minVersion: 0, maxVersion: 2 },
  async (request, context) => {
    const topics = request.topics.map(async ({ name, partitions }) => ({
      name,
      partitions: await Promise.all(
        partitions.map(({ partitionIndex, offset }) => deleteBefore(name, partitionIndex, offset, context)),
      ),
    }));
    return { throttleTimeMs: 0, topics: await Promise.all(topics) };
  },
);

async function deleteBefore(
  topic: string,
  partitionIndex: number,
  offset: number,
  { broker }: RequestContext,
): Promise<PartitionResult> {
  const refuse = (errorCode: number): PartitionResult => ({ partitionIndex, lowWatermark: -1, errorCode });
  if (isInternalTopic(topic)) return refuse(ErrorCode.INVALID_TOPIC_EXCEPTION);
  const partition = broker.replicas.find(topic, partitionIndex);
  if (typeof partition === 'number') return refuse(partition);
  const refusal = partition.leaderError(-1);
  if (refusal !== ErrorCode.NONE) return refuse(refusal);
  const { log } = partition;
  if (!log.config.cleanupPolicy.includes('delete')) return refuse(ErrorCode.POLICY_VIOLATION);
  const before = offset === HIGH_WATERMARK ? log.highWatermark : offset;
  if (before < 0 || before > log.highWatermark) return refuse(ErrorCode.OFFSET_OUT_OF_RANGE);
  try {
    await log.deleteRecordsBefore(before);
  } catch (error) {
    broker.logger.error({ err: error, topic, partition: partitionIndex }, 'Records could not be deleted');
    return refuse(ErrorCode.KAFKA_STORAGE_ERROR);
  }
  return { partitionIndex, lowWatermark: log.logStartOffset, errorCode: ErrorCode.NONE };
}
