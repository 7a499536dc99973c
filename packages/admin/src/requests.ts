import {
  AbortedError,
  type BrokerError,
  brokerError,
  ClientClosedError,
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
 * What fails of one item fails of that one, whether its broker is not found, refuses, or does not answer: the others are done all the
 * same. Who waits no more, or has closed the client, is told of the whole.
 */
export async function ofOne<T>(failures: ItemFailures, item: string, one: Promise<T[]>): Promise<T[]> {
  try {
    return await one;
  } catch (error) {
    if (!(error instanceof KafkaError) || error instanceof AbortedError || error instanceof ClientClosedError) {
      throw error;
    }
    failures.add(item, error);
    return [];
  }
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
  /** Neither done nor refused for good. */
  const pending = new Set(items);
  const refuse = (item: T, failure: KafkaError): void => {
    failed.set(item, failure);
    pending.delete(item);
  };
  try {
    await client.retrying(what, options, async ({ signal, number }) => {
      const left = [...pending];
      const topics = [...new Set(left.map(({ topic }) => topic))];
      if (number > 1) await client.refreshTopics(topics, { signal });
      await client.topics(topics, { signal, retries: 0, allowAutoTopicCreation: false });
      const again: unknown[] = [];
      const { byLeader, leaderless } = client.groupByLeader(left);
      for (const item of leaderless) {
        const exists = client.partition(item.topic, item.partition) !== undefined;
        const errorCode = exists ? ErrorCode.LEADER_NOT_AVAILABLE : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
        const failure = brokerError(errorCode, `${what} of ${partitionName(item)}`);
        if (exists) again.push(failure);
        else refuse(item, failure);
      }
      const shares = [...byLeader].map(async ([nodeId, share]) => {
        const failures = await send(nodeId, share, signal);
        for (const item of share) {
          const failure = failures.get(item);
          if (failure === undefined) pending.delete(item);
          else if (failure.retriable) again.push(failure);
          else refuse(item, failure);
        }
      });
      // A leader that is gone or silent has nothing of the others asked anew: what they have answered stays answered.
      for (const share of await Promise.allSettled(shares)) if (share.status === 'rejected') again.push(share.reason);
      if (again.length > 0) throw again[0];
    });
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    for (const item of pending) failed.set(item, error);
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
