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
import { isRefusal } from '../shared/refusal.ts';
import { inTurns } from '../shared/turns.ts';
import { defineHandler, type RequestContext } from './handler.ts';

export const deleteRecords = defineHandler(
  DeleteRecords,
  { minVersion: 0, maxVersion: 2 },
  async (request, context): Promise<DeleteRecordsResponseInput> => {
    const { topics, waited } = await inTurns(deleteEach(request, context), () => context.pause());
    await Promise.all(waited);
    return { throttleTimeMs: 0, topics };
  },
);

interface Begun {
  readonly topics: { readonly name: string; readonly partitions: PartitionResult[] }[];
  /** What followers have still to forget; each puts its result in place. */
  readonly waited: Promise<void>[];
}

/** A request may name a hundred thousand topics: only a partition that has to be waited for costs a promise. */
function* deleteEach(request: DeleteRecordsRequest, context: RequestContext): Generator<void, Begun> {
  const begun: Begun = { topics: [], waited: [] };
  for (const { name, partitions } of request.topics) {
    const results: PartitionResult[] = [];
    const refusal = context.authorize('Delete', topicResource(name));
    for (const { partitionIndex, offset } of partitions) {
      const index = results.length;
      const result =
        refusal === undefined
          ? deleteBefore(name, partitionIndex, offset, request.timeoutMs, context)
          : { partitionIndex, lowWatermark: -1, errorCode: refusal.errorCode };
      if (result instanceof Promise) {
        results.push({ partitionIndex, lowWatermark: -1, errorCode: ErrorCode.UNKNOWN_SERVER_ERROR });
        begun.waited.push(
          result.then((late) => {
            results[index] = late;
          }),
        );
      } else {
        results.push(result);
      }
      yield;
    }
    begun.topics.push({ name, partitions: results });
    yield;
  }
  return begun;
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
  if (isInternalTopic(topic)) return refuse(ErrorCode.INVALID_TOPIC_EXCEPTION);
  const partition = broker.replicas.leaderOf(topic, partitionIndex, -1);
  if (isRefusal(partition)) return refuse(partition.errorCode);
  if (!partition.config.cleanupPolicy.includes('delete')) return refuse(ErrorCode.POLICY_VIOLATION);
  const deleted = partition.deleteRecordsBefore(offset, timeoutMs);
  if (!(deleted instanceof Promise)) return { partitionIndex, ...deleted };
  return deleted.then((result) => ({ partitionIndex, ...result }));
}
