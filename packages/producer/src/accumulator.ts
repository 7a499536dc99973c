import type { Clock } from '@millrace/ports';
import type { RecordHeaderInput } from '@millrace/records';
import { PartitionQueue } from './partition-queue.ts';
import { type BatchSettings, ProduceBatch } from './produce-batch.ts';

type Bytes = Uint8Array | string | null;

/** The open and waiting batches of every partition that is being written to. */
export class Accumulator {
  readonly #clock: Clock;
  readonly #settings: BatchSettings;
  readonly #batchClosed: (topic: string, partition: number) => void;
  readonly #queuesByTopic = new Map<string, PartitionQueue[]>();
  #order = 0;
  /** The queues that hold batches. */
  readonly active = new Set<PartitionQueue>();

  constructor(clock: Clock, settings: BatchSettings, batchClosed: (topic: string, partition: number) => void) {
    this.#clock = clock;
    this.#settings = settings;
    this.#batchClosed = batchClosed;
  }

  queue(topic: string, partition: number): PartitionQueue {
    let queues = this.#queuesByTopic.get(topic);
    if (queues === undefined) {
      queues = [];
      this.#queuesByTopic.set(topic, queues);
    }
    let queue = queues[partition];
    if (queue === undefined) {
      queue = new PartitionQueue(topic, partition);
      queues[partition] = queue;
    }
    return queue;
  }

  /** The open batch of a queue with room for the record; seals the one before when it is full. */
  batchFor(
    queue: PartitionQueue,
    key: Bytes,
    value: Bytes,
    headers: readonly RecordHeaderInput[] | undefined,
  ): ProduceBatch {
    const open = queue.open;
    if (open !== undefined) {
      if (open.hasRoomFor(key, value, headers)) return open;
      this.seal(queue);
    }
    const batch = new ProduceBatch(
      queue.topic,
      queue.partition,
      this.#clock.monotonic(),
      this.#order++,
      this.#settings,
    );
    queue.open = batch;
    this.active.add(queue);
    return batch;
  }

  seal(queue: PartitionQueue): void {
    if (queue.open === undefined) return;
    queue.seal();
    this.#batchClosed(queue.topic, queue.partition);
  }

  /** Every batch that is not finished. */
  batches(): ProduceBatch[] {
    return [...this.active].flatMap((queue) => queue.batches());
  }

  /** Every queue that was ever written to. */
  *queues(): Iterable<PartitionQueue> {
    for (const queues of this.#queuesByTopic.values()) {
      for (const queue of queues) if (queue !== undefined) yield queue;
    }
  }
}
