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
  (request, context) => ({
    topics: request.topics.map(({ name, partitionIndexes }) => {
      const refusal = context.authorize('Read', topicResource(name));
      const invalid =
        refusal === undefined
          ? invalidTopicName(name)
          : { errorCode: refusal.errorCode, errorMessage: 'Topic authorization failed.' };
      return {
        name,
        partitions: partitionIndexes.map((partitionIndex) =>
          invalid === undefined
            ? producersOf(name, partitionIndex, context)
            : { partitionIndex, ...invalid, activeProducers: [] },
        ),
      };
    }),
  }),
);

function producersOf(topic: string, partitionIndex: number, { broker }: RequestContext): PartitionResult {
  const found = broker.replicas.find(topic, partitionIndex);
  if (isRefusal(found)) {
    const errorMessage = found.errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION ? NOT_HOSTED : null;
    return { partitionIndex, errorCode: found.errorCode, errorMessage, activeProducers: [] };
  }
  return { partitionIndex, errorCode: ErrorCode.NONE, activeProducers: found.describeProducers() };
}
