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
import { topicNameFault } from '../cluster/topic-name.ts';
import { defineHandler, type RequestContext } from './handler.ts';

export const describeProducers = defineHandler(
  DescribeProducers,
  { minVersion: 0, maxVersion: 0 },
  (request, context) => ({
    topics: request.topics.map(({ name, partitionIndexes }) => {
      const isNamed = topicNameFault(name) === undefined;
      const refused = { errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION, activeProducers: [] };
      return {
        name,
        partitions: partitionIndexes.map((partitionIndex) =>
          isNamed ? producersOf(name, partitionIndex, context) : { partitionIndex, ...refused },
        ),
      };
    }),
  }),
);

function producersOf(topic: string, partitionIndex: number, { broker }: RequestContext): PartitionResult {
  const found = broker.replicas.find(topic, partitionIndex);
  if (typeof found === 'number') return { partitionIndex, errorCode: found, activeProducers: [] };
  return { partitionIndex, errorCode: ErrorCode.NONE, activeProducers: found.log.describeProducers() };
}
