import type { BrokerError, KafkaClient, KafkaError, OperationOptions, TopicPartition } from '@millrace/client';
import { byTopic, partitionName } from '@millrace/client/internal';
import { DescribeProducers, ErrorCode } from '@millrace/protocol';
import { failureOf, sendToLeaders, throwFailures } from './requests.ts';

/** An idempotent or transactional producer as the leader of a partition knows it. */
export interface ProducerState {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** The sequence of its last record; -1 where it has written none yet. */
  readonly lastSequence: number;
  /** Milliseconds since the Unix epoch; -1 where it has written none yet. */
  readonly lastTimestamp: number;
  /** -1 outside of transactions. */
  readonly coordinatorEpoch: number;
  /** Where its open transaction begins in this partition; undefined where it has none. */
  readonly transactionStartOffset: number | undefined;
}

/** A partition with those who write to it. */
export interface PartitionProducers extends TopicPartition {
  readonly producers: readonly ProducerState[];
}

const attempt = 'Describing producers';

export async function describeProducers(
  client: KafkaClient,
  partitions: readonly TopicPartition[],
  options: OperationOptions,
): Promise<PartitionProducers[]> {
  const { described, failed } = await describeEachProducers(client, partitions, options);
  throwFailures(attempt, partitions, failed);
  return described;
}

/** As {@link describeProducers}, without the partitions that are gone by now. */
export async function describeProducersLeft(
  client: KafkaClient,
  partitions: readonly TopicPartition[],
  options: OperationOptions,
): Promise<PartitionProducers[]> {
  const { described, failed } = await describeEachProducers(client, partitions, options);
  const left = partitions.filter((each) => failed.get(each)?.errorCode !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  throwFailures(attempt, left, failed);
  return described;
}

async function describeEachProducers(
  client: KafkaClient,
  partitions: readonly TopicPartition[],
  options: OperationOptions,
): Promise<{ readonly described: PartitionProducers[]; readonly failed: ReadonlyMap<TopicPartition, KafkaError> }> {
  const described: PartitionProducers[] = [];
  const failed = await sendToLeaders(client, attempt, partitions, options, async (nodeId, share, signal) => {
    const topics = [...byTopic(share)].map(([name, items]) => ({
      name,
      partitionIndexes: items.map(({ partition }) => partition),
    }));
    const sending = { signal, retries: 0, errorOf: () => ErrorCode.NONE };
    const response = await client.sendToBroker(nodeId, DescribeProducers, { topics }, sending);
    const failures = new Map<TopicPartition, BrokerError>();
    for (const { name, partitions: answers } of response.topics) {
      for (const { partitionIndex, errorCode, errorMessage, activeProducers } of answers) {
        const item = share.find(({ topic, partition }) => topic === name && partition === partitionIndex);
        if (item === undefined) continue;
        const failure = failureOf(errorCode, `${attempt} of ${partitionName(item)}`, errorMessage);
        if (failure !== undefined) failures.set(item, failure);
        else described.push({ ...item, producers: activeProducers.map(toProducer) });
      }
    }
    return failures;
  });
  return { described, failed };
}

function toProducer({
  currentTxnStartOffset,
  producerId,
  producerEpoch,
  lastSequence,
  lastTimestamp,
  coordinatorEpoch,
}: Omit<ProducerState, 'transactionStartOffset'> & { readonly currentTxnStartOffset: number }): ProducerState {
  const transactionStartOffset = currentTxnStartOffset < 0 ? undefined : currentTxnStartOffset;
  return { producerId, producerEpoch, lastSequence, lastTimestamp, coordinatorEpoch, transactionStartOffset };
}
