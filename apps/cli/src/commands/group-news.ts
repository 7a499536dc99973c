import type { TopicPartition } from '@millrace/client';
import type { Consumer } from '@millrace/consumer';
import { listPartitions } from '../output/format.ts';
import type { Output } from '../output/output.ts';

/** A group that nobody else is in takes a member in at once; whoever waits for longer should know for what. */
const PATIENCE_MS = 1500;
/** Others give up what a new member is to have, and hear with their next heartbeat (3 s by default) that they are to. */
const IDLE_PATIENCE_MS = 5000;

/** Says what becomes of a member of a group: what it waits for, which partitions it reads, which it has to give up. */
export class GroupNews {
  readonly #out: Output;
  readonly #consumer: Consumer;
  readonly #group: string;
  #isLeaving = false;
  #isMember = false;
  #patience: NodeJS.Timeout;

  constructor(out: Output, consumer: Consumer, group: string) {
    this.#out = out;
    this.#consumer = consumer;
    this.#group = group;
    this.#patience = this.#waitFor(
      `Waiting to be taken into group ${group}: its other members may have to join again first`,
    );
    consumer.joined.then(
      () => {
        this.#isMember = true;
        clearTimeout(this.#patience);
        if (consumer.assignment.length === 0) this.#waitForPartitions();
      },
      // Why a group cannot be joined is told by the loop that waits for records.
      () => clearTimeout(this.#patience),
    );
  }

  assigned(partitions: readonly TopicPartition[]): void {
    clearTimeout(this.#patience);
    if (partitions.length === 0) this.#waitForPartitions();
    else this.#out.note(`Reading ${listPartitions(partitions)} as a member of group ${this.#group}`);
  }

  revoked(partitions: readonly TopicPartition[]): void {
    if (this.#isLeaving || partitions.length === 0) return;
    this.#out.note(`Giving up ${listPartitions(partitions)}: group ${this.#group} divides its partitions anew`);
    clearTimeout(this.#patience);
    this.#patience = this.#waitFor(
      `Waiting for group ${this.#group} to divide its partitions: its other members have to join again first`,
      () => this.#consumer.assignment.length === 0,
    );
  }

  lost(partitions: readonly TopicPartition[]): void {
    if (this.#isLeaving || partitions.length === 0) return;
    this.#out.note(
      `Lost ${listPartitions(partitions)}: group ${this.#group} went on without this member; joining it again`,
    );
  }

  /** From now on partitions are given up because the command ends. */
  leaving(): void {
    this.#isLeaving = true;
    clearTimeout(this.#patience);
  }

  #waitForPartitions(): void {
    clearTimeout(this.#patience);
    if (this.#isLeaving || !this.#isMember) return;
    this.#patience = this.#waitFor(
      `A member of group ${this.#group} without a partition: its other members read them all`,
      () => this.#consumer.assignment.length === 0,
      IDLE_PATIENCE_MS,
    );
  }

  #waitFor(text: string, holds: () => boolean = () => true, patienceMs: number = PATIENCE_MS): NodeJS.Timeout {
    return setTimeout(() => {
      if (!this.#isLeaving && holds()) this.#out.note(text);
    }, patienceMs).unref();
  }
}
