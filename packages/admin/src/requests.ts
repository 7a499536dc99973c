import {
  type BrokerError,
  brokerError,
  type KafkaClient,
  KafkaError,
  type OperationOptions,
  type TopicPartition,
} from '@millrace/client';
import { partitionName } from '@millrace/client/internal';
import { ErrorCode } from '@millrace/protocol';
import { ItemFailures } from './errors.ts';

/** The typed form of an item's error code; undefined where it is none. */
export function failureOf(errorCode: number, attempted: string, said?: string | null): BrokerError | undefined {
  return errorCode === ErrorCode.NONE ? undefined : brokerError(errorCode, attempted, said);
}

/**
 * Sends what concerns partitions to their leaders, one request a broker, and again to the new leader where one has moved.
 *
 * @param send sends one broker's share and returns what failed; partitions it does not name succeeded
 * @returns what failed for good
 */
export async function sendToLeaders<T extends TopicPartition>(
  client: KafkaClient,
  what: string,
  items: readonly T[],
  options: OperationOptions,
  send: (nodeId: number, share: readonly T[], signal: AbortSignal) => Promise<ReadonlyMap<T, BrokerError>>,
): Promise<Map<T, KafkaError>> {
  const failed = new Map<T, KafkaError>();
  let left: readonly T[] = items;
  try {
    await client.retrying(what, options, async ({ signal, number }) => {
      const topics = [...new Set(left.map(({ topic }) => topic))];
      if (number > 1) await client.refreshTopics(topics, { signal });
      await client.topics(topics, { signal, retries: 0, allowAutoTopicCreation: false });
      const again = new Map<T, BrokerError>();
      const { byLeader, leaderless } = client.groupByLeader(left);
      for (const item of leaderless) {
        const exists = client.partition(item.topic, item.partition) !== undefined;
        const errorCode = exists ? ErrorCode.LEADER_NOT_AVAILABLE : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
        const failure = brokerError(errorCode, `${what} of ${partitionName(item)}`);
        if (exists) again.set(item, failure);
        else failed.set(item, failure);
      }
      const shares = [...byLeader].map(async ([nodeId, share]) => {
        for (const [item, failure] of await send(nodeId, share, signal)) {
          if (failure.retriable) again.set(item, failure);
          else failed.set(item, failure);
        }
      });
      await Promise.all(shares);
      left = [...again.keys()];
      const [first] = again.values();
      if (first !== undefined) throw first;
    });
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    for (const item of left) failed.set(item, error);
  }
  return failed;
}

/** @throws AdminItemsError where one of the items failed */
export function throwFailures<T extends TopicPartition>(
  attempt: string,
  items: readonly T[],
  failed: ReadonlyMap<T, KafkaError>,
): void {
  const failures = new ItemFailures(attempt);
  for (const item of items) failures.add(partitionName(item), failed.get(item));
  failures.throwIfAny();
}
