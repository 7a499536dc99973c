import type { Random } from '@millrace/ports';
import { checkPartitionOf, checkRandom } from './arguments.ts';
import { murmur2, murmur2OfString, toPositive } from './murmur2.ts';

/** What a partitioner may know of a record and its topic. */
export interface PartitionerInput {
  readonly topic: string;
  /** The serialised key; a string stands for its UTF-8 bytes. */
  readonly key: Uint8Array | string | null;
  /** How many partitions the topic has. */
  readonly partitionCount: number;
  /**
   * The partitions that have a leader now, ascending; all of them when nothing is wrong. Only keyless records should be
   * steered by it: a key that moves when a leader is away is found in two partitions afterwards.
   */
  readonly availablePartitions: readonly number[];
}

/** Chooses the partition of records that name none. */
export interface Partitioner {
  /** @returns a partition from 0 to `partitionCount - 1`. */
  partition(input: PartitionerInput): number;
  /**
   * Told when a batch of a topic is full or has been taken for sending, so that a sticky choice can move on.
   * `partition` is the batch's own.
   */
  batchClosed?(topic: string, partition: number): void;
}

/**
 * Java's default: a key's partition is the remainder of its murmur2 hash; keyless records stick to one partition, picked
 * at random, until its batch closes (KIP-480, `DefaultPartitioner`).
 */
export function defaultPartitioner(random: Random): Partitioner {
  checkRandom(random);
  const stickyByTopic = new Map<string, number>();
  const pickSticky = (
    topic: string,
    available: readonly number[],
    partitionCount: number,
    previous: number,
  ): number => {
    const choices = available.length > 0 ? available.length : partitionCount;
    let index = random.nextInt(choices);
    let picked = available[index] ?? index;
    // Another than the one whose batch just closed, wherever there is one, as KIP-480 wants it.
    if (picked === previous && choices > 1) {
      index = (index + 1) % choices;
      picked = available[index] ?? index;
    }
    stickyByTopic.set(topic, picked);
    return picked;
  };
  const closedByTopic = new Map<string, number>();
  return {
    partition({ topic, key, partitionCount, availablePartitions }) {
      if (key !== null) return partitionOf(key, partitionCount);
      const sticky = stickyByTopic.get(topic);
      if (sticky !== undefined && sticky < partitionCount) return sticky;
      return pickSticky(topic, availablePartitions, partitionCount, closedByTopic.get(topic) ?? -1);
    },
    batchClosed(topic, partition) {
      if (stickyByTopic.get(topic) !== partition) return;
      stickyByTopic.delete(topic);
      closedByTopic.set(topic, partition);
    },
  };
}

/** Spreads records one after the other over the partitions that have a leader, keys or not. */
export function roundRobinPartitioner(): Partitioner {
  const nextByTopic = new Map<string, number>();
  return {
    partition({ topic, partitionCount, availablePartitions }) {
      const next = nextByTopic.get(topic) ?? 0;
      nextByTopic.set(topic, (next + 1) % Number.MAX_SAFE_INTEGER);
      return availablePartitions[next % availablePartitions.length] ?? next % partitionCount;
    },
  };
}

/**
 * The partition that Java's, kafkajs's and librdkafka's murmur2 partitioners give a key.
 * @param key a string stands for its UTF-8 bytes.
 * @throws ProducerError `PRODUCER_INVALID_ARGUMENT`
 */
export function partitionForKey(key: Uint8Array | string, partitionCount: number): number {
  checkPartitionOf(key, partitionCount);
  return partitionOf(key, partitionCount);
}

function partitionOf(key: Uint8Array | string, partitionCount: number): number {
  const hash = typeof key === 'string' ? murmur2OfString(key) : murmur2(key);
  return toPositive(hash) % partitionCount;
}
