import type { Clock } from '@millrace/ports';
import type { ProduceTransport, TopicPartitions } from './produce-transport.ts';

/** A topic is asked for anew because of a partition that it seems not to have no more often than this, in milliseconds. */
const LOOK_AGAIN_MS_MIN = 1_000;
/** Topics of which it is remembered when they were asked for anew. */
const REMEMBERED_MAX = 1_000;

/**
 * Topics for records that are about to be sent. A record that names a partition beyond those that are known may be right: partitions are
 * added, and metadata grows old in minutes. So the topic is asked for once more before the record is refused (Java's producer waits for
 * such a partition for `max.block.ms`).
 */
export class TopicLooks {
  readonly #transport: ProduceTransport;
  readonly #clock: Clock;
  readonly #lookedMs = new Map<string, number>();

  constructor(transport: ProduceTransport, clock: Clock) {
    this.#transport = transport;
    this.#clock = clock;
  }

  /** The record's topic; undefined where {@link TopicLooks.load} is to be called first. */
  topicOf({ topic, partition }: { topic: string; partition?: number | null | undefined }): TopicPartitions | undefined {
    const known = this.#transport.topic(topic);
    if (known === undefined || (partition ?? 0) < known.partitionCount) return known;
    const lookedMs = this.#lookedMs.get(topic);
    const isFresh = lookedMs !== undefined && this.#clock.monotonic() - lookedMs < LOOK_AGAIN_MS_MIN;
    return isFresh ? known : undefined;
  }

  /** Asks for a topic, also for one that is known. */
  async load(topic: string, timeoutMs: number): Promise<void> {
    await this.#transport.loadTopic(topic, timeoutMs);
    if (this.#lookedMs.size >= REMEMBERED_MAX) this.#lookedMs.clear();
    this.#lookedMs.set(topic, this.#clock.monotonic());
  }
}
