import type { Logger } from '@millrace/client';
import type { Clock, Random } from '@millrace/ports';
import { ZERO_UUID } from '@millrace/protocol';
import type { AssignedPartition } from './assigned-partition.ts';
import type { Cluster, Coordinator } from './cluster-port.ts';
import { Fetcher } from './fetch/fetcher.ts';
import { PartitionAnswers } from './fetch/partition-answers.ts';
import type { MissingTopics } from './missing-topics.ts';
import { EpochValidator } from './offsets/epoch-validator.ts';
import { OffsetFinder } from './offsets/offset-finder.ts';
import type { ConsumerSettings } from './options.ts';
import type { PartitionEvents } from './partition-events.ts';
import type { PartitionTable } from './partition-table.ts';
import type { Delivery } from './reading/delivery.ts';
import type { RecordDecoders } from './record.ts';

/** What the flow works with. */
export interface PartitionFlowContext {
  readonly cluster: Cluster;
  /** Undefined without a group. */
  readonly coordinator: Coordinator | undefined;
  readonly settings: ConsumerSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly missing: MissingTopics;
  readonly partitions: PartitionTable;
  readonly delivery: Delivery;
  readonly decoders: RecordDecoders;
}

/** Brings each partition from where it is to be read to its readers: its offset is found, its leader validated, its records fetched. */
export class PartitionFlow implements PartitionEvents {
  readonly fetcher: Fetcher;
  readonly #context: PartitionFlowContext;
  readonly #finder: OffsetFinder;
  readonly #validator: EpochValidator;

  constructor(context: PartitionFlowContext) {
    this.#context = context;
    this.#finder = new OffsetFinder({ ...context, events: this });
    this.#validator = new EpochValidator({ ...context, events: this });
    const answers = new PartitionAnswers({ ...context, events: this });
    this.fetcher = new Fetcher({ ...context, answers, validator: this.#validator, events: this });
  }

  /** Partitions, or what is known of the cluster, have changed: everybody looks for something to do. */
  wake(): void {
    this.#finder.wake();
    this.#validator.wake();
    this.fetcher.wake();
  }

  /** Partitions are read from now on. */
  added(states: readonly AssignedPartition[]): void {
    for (const state of states) this.#noteTopic(state);
    this.wake();
  }

  /** Something new is known of the cluster. */
  metadataChanged(): void {
    for (const state of this.#context.partitions) this.#noteTopic(state);
    this.wake();
  }

  async close(timeoutMs: number): Promise<void> {
    this.#finder.close();
    this.#validator.close();
    await this.fetcher.close(timeoutMs);
  }

  found(): void {
    this.wake();
  }

  validated(state: AssignedPartition): void {
    this.#context.delivery.offer(state);
    this.wake();
  }

  readable(state: AssignedPartition): void {
    this.#context.delivery.offer(state);
  }

  failed(state: AssignedPartition, error: Error): void {
    state.fail(error);
    this.#context.delivery.offer(state);
  }

  leadersStale(topic: string): void {
    this.fetcher.markStale(topic);
  }

  outOfRange(state: AssignedPartition): void {
    const { fetchOffset } = state;
    if (state.hasRecords || state.reader !== undefined) {
      // What was fetched before is still good, and is read first. Then the question is asked again.
      state.retryLater(this.#context);
      this.fetcher.wake();
      return;
    }
    const { topic, partition } = state;
    this.#context.logger.warn(
      { topic, partition, offset: fetchOffset },
      `Offset ${fetchOffset} of partition ${partition} of "${topic}" is not in its log; going on by autoOffsetReset`,
    );
    this.#reset(state, fetchOffset);
  }

  /** A topic that was deleted and made again is another topic: nothing of the old one's offsets means anything in it. */
  #noteTopic(state: AssignedPartition): void {
    const { topic, partition } = state;
    const topicId = this.#context.cluster.topic(topic)?.topicId;
    if (topicId === undefined) state.topicVanished();
    // Brokers before 2.8 have no ids.
    if (topicId === undefined || topicId === ZERO_UUID || !state.adoptTopic(topicId)) return;
    this.#context.logger.warn(
      { topic, partition, topicId },
      `"${topic}" was deleted and made again; partition ${partition} of the new one is read by autoOffsetReset`,
    );
    this.#reset(state, undefined);
  }

  #reset(state: AssignedPartition, outOfRange: number | undefined): void {
    state.find({ from: 'policy', policy: this.#context.settings.autoOffsetReset, outOfRange });
    this.#finder.wake();
  }
}
