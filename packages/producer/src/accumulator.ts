import type { Clock } from '@millrace/ports';
import type { RecordHeaderInput } from '@millrace/records';
import { recordTooLarge } from './errors.ts';
import { PartitionQueue } from './partition-queue.ts';
import { type BatchSettings, ProduceBatch } from './produce-batch.ts';

type Bytes = Uint8Array | string | null;

/** What the batches of an accumulator are made with. */
export interface AccumulatorSettings extends BatchSettings {
  readonly requestBytesMax: number;
}

/** Bytes that a batch's header and a record's lengths add to key and value, at the most. */
const RECORD_OVERHEAD_BYTES = 128;
/** Bytes that a header's lengths add to its key and value, at the most. */
const HEADER_OVERHEAD_BYTES = 10;

/** The open and waiting batches of every partition that is being written to. */
export class Accumulator {
  readonly #clock: Clock;
  readonly #settings: AccumulatorSettings;
  readonly #batchClosed: (topic: string, partition: number) => void;
  readonly #queuesByTopic = new Map<string, PartitionQueue[]>();
  /** The topic that was written to last, which is nearly always the one that is written to next. */
  #lastTopic: string | undefined;
  #lastQueues: PartitionQueue[] = [];
  #order = 0;
  /** The queues that hold batches. */
  readonly active = new Set<PartitionQueue>();

  constructor(clock: Clock, settings: AccumulatorSettings, batchClosed: (topic: string, partition: number) => void) {
    this.#clock = clock;
    this.#settings = settings;
    this.#batchClosed = batchClosed;
  }

  queue(topic: string, partition: number): PartitionQueue {
    const queues = topic === this.#lastTopic ? this.#lastQueues : this.#queuesOf(topic);
    let queue = queues[partition];
    if (queue === undefined) {
      queue = new PartitionQueue(topic, partition);
      queues[partition] = queue;
    }
    return queue;
  }

  #queuesOf(topic: string): PartitionQueue[] {
    let queues = this.#queuesByTopic.get(topic);
    if (queues === undefined) {
      queues = [];
      this.#queuesByTopic.set(topic, queues);
    }
    this.#lastTopic = topic;
    this.#lastQueues = queues;
    return queues;
  }

  /**
   * The open batch of a queue with room for the record; seals the one before when it is full.
   * @throws ProducerError `PRODUCER_RECORD_TOO_LARGE`
   */
  batchFor(
    queue: PartitionQueue,
    key: Bytes,
    value: Bytes,
    headers: readonly RecordHeaderInput[] | undefined,
  ): ProduceBatch {
    const open = queue.open;
    if (open !== undefined) if (open.hasRoomFor(key, value, headers)) return open;
    // A record that fits into a batch with others is no larger than a batch, so only the first of one has to be measured.
    const bytes = recordBytesMax(key, value, headers);
    const { requestBytesMax } = this.#settings;
    if (bytes > requestBytesMax) throw recordTooLarge(queue.topic, bytes, requestBytesMax);
    this.seal(queue);
    const batch = new ProduceBatch(
      queue.topic,
      queue.partition,
      this.#clock.monotonic(),
      this.#nextOrder(),
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

  #nextOrder(): number {
    const order = this.#order;
    this.#order += 1;
    return order;
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

/** What a batch of this record alone takes, at the most. */
function recordBytesMax(key: Bytes, value: Bytes, headers: readonly RecordHeaderInput[] | undefined): number {
  let bytes = RECORD_OVERHEAD_BYTES + byteLength(key) + byteLength(value);
  for (const header of headers ?? []) {
    bytes += HEADER_OVERHEAD_BYTES + byteLength(header.key) + byteLength(header.value ?? null);
  }
  return bytes;
}

function byteLength(bytes: Bytes): number {
  return bytes === null ? 0 : Buffer.byteLength(bytes);
}
