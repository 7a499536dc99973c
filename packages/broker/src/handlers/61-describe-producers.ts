/**
 * DescribeProducers: which idempotent producers a partition remembers, for those who look for hanging transactions (KIP-664).
 *
 * - Any replica answers, as in Kafka.
 */
import {
  DescribeProducers,
  ErrorCode,
  type DescribeProducersResponseTopicPartitionInput as PartitionResult,
} from '@millrace/protocol';
import { invalidTopicName } from '../cluster/topic-name.ts';
import { topicResource } from '../shared/authorization.ts';
import { isRefusal } from '../shared/refusal.ts';
import { defineHandler, type RequestContext } from './handler.ts';

const NOT_HOSTED = 'This server does not host this topic-partition.';

export const describeProducers = defineHandler(
  DescribeProducers,
  { minVersion: 0, maxVersion: 0 },
  async (request, context) => {
    const topics = [];
    for (const { name, partitionIndexes } of request.topics) {
      const fault = faultOf(name, context);
      const partitions: PartitionResult[] = [];
      for (const partitionIndex of partitionIndexes) {
        // A partition may remember a hundred thousand producers, and a request name it as often as it likes.
        const rest = context.pause();
        if (rest !== undefined) await rest;
        partitions.push(
          fault === undefined
            ? producersOf(name, partitionIndex, context)
            : { partitionIndex, ...fault, activeProducers: [] },
        );
      }
      topics.push({ name, partitions });
    }
    return { topics };
  },
);

function faultOf(
  name: string,
  context: RequestContext,
): { readonly errorCode: number; readonly errorMessage: string | null } | undefined {
  const refusal = context.authorize('Read', topicResource(name));
  if (refusal === undefined) return invalidTopicName(name);
  return { errorCode: refusal.errorCode, errorMessage: 'Topic authorization failed.' };
}

function producersOf(topic: string, partitionIndex: number, { broker }: RequestContext): PartitionResult {
  const found = broker.replicas.find(topic, partitionIndex);
  if (isRefusal(found)) {
    const errorMessage = found.errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION ? NOT_HOSTED : null;
    return { partitionIndex, errorCode: found.errorCode, errorMessage, activeProducers: [] };
  }
  return { partitionIndex, errorCode: ErrorCode.NONE, activeProducers: found.describeProducers() };
}
