/** Those who read in a soak: members of one group, each reading in one of the three ways. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Consumer,
  type ConsumerBatch,
  ConsumerError,
  type ConsumerOptions,
  type TopicPartition,
} from '@millrace/consumer';
import { stringSerde } from '@millrace/serdes';
import type { SoakLedger } from './soak-ledger.ts';

type Batch = ConsumerBatch<Buffer, string>;

/** Refusals of a commit that a rebalance brings with it. */
const EXPECTED_REFUSALS: readonly string[] = [
  'CONSUMER_COMMIT_FAILED',
  'CONSUMER_REBALANCE_IN_PROGRESS',
  'CONSUMER_CLOSED',
];
/** Every so many batches a handler takes its time. */
const SLOW_EVERY = 50;
const SLOW_MS = 20;

export interface MemberTarget {
  readonly topic: string;
  readonly groupId: string;
  readonly ledger: SoakLedger;
  readonly client: { readonly bootstrapServers: string };
}

export class Member {
  readonly #target: MemberTarget;
  readonly #consumer: Consumer<Buffer, string>;
  readonly #kind: number;
  /** For partitions given and not read from yet: what the group had committed by then. */
  readonly #floors = new Map<number, number>();
  readonly #reading: Promise<void>;
  #batches = 0;
  #isLeaving = false;

  constructor(target: MemberTarget, kind: number) {
    this.#target = target;
    this.#kind = kind % 3;
    const options: ConsumerOptions<Buffer, string> = {
      ...target.client,
      groupId: target.groupId,
      autoOffsetReset: 'earliest',
      autoCommit: this.#kind === 1,
      autoCommitIntervalMs: 500,
      heartbeatIntervalMs: 300,
      sessionTimeoutMs: 6_000,
      rebalanceTimeoutMs: 5_000,
      valueDeserializer: stringSerde,
      onPartitionsAssigned: (partitions) => this.#assigned(partitions),
    };
    this.#consumer = new Consumer(options);
    this.#consumer.subscribe(target.topic);
    this.#reading = this.#read().catch((error: unknown) => {
      if (!this.#isLeaving) target.ledger.violation(`a member could not go on: ${String(error)}`);
    });
  }

  async leave(): Promise<void> {
    this.#isLeaving = true;
    await this.#consumer.close();
    await this.#reading;
  }

  #assigned(partitions: readonly TopicPartition[]): void {
    for (const { partition } of partitions) this.#floors.set(partition, this.#target.ledger.committed(partition));
  }

  async #read(): Promise<void> {
    switch (this.#kind) {
      case 0:
        return await this.#consumer.run({ eachBatch: (batch) => this.#handleBatch(batch), concurrency: 4 });
      case 1:
        return await this.#consumer.run({
          eachRecord: ({ partition, offset }) => this.#handled(partition, offset),
          concurrency: 2,
        });
      default:
        for await (const batch of this.#consumer.batches()) await this.#handleBatch(batch);
    }
  }

  async #handleBatch(batch: Batch): Promise<void> {
    for (const { offset } of batch.records) this.#handled(batch.partition, offset);
    if (++this.#batches % SLOW_EVERY === 0) await sleep(SLOW_MS);
    try {
      await this.#consumer.commit(batch);
      this.#target.ledger.commitAcknowledged(batch.partition, batch.nextOffset);
    } catch (error) {
      const isExpected = error instanceof ConsumerError && EXPECTED_REFUSALS.includes(error.code);
      if (!isExpected && !this.#isLeaving) this.#target.ledger.violation(`a commit failed: ${String(error)}`);
    }
  }

  #handled(partition: number, offset: number): void {
    const floor = this.#floors.get(partition);
    if (floor !== undefined) {
      this.#floors.delete(partition);
      if (offset < floor) {
        this.#target.ledger.violation(`partition ${partition}: read again from ${offset}, committed was ${floor}`);
      }
    }
    this.#target.ledger.handled(partition, offset);
  }
}
