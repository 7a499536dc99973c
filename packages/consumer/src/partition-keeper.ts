import type { Logger } from '@millrace/client';
import type { Clock } from '@millrace/ports';
import { AssignedPartition, type OffsetLookup } from './assigned-partition.ts';
import type { TopicPartitionMap } from './assignors/assignor.ts';
import { rebalanceChannel } from './diagnostics.ts';
import { ConsumerError, messageOf } from './errors.ts';
import type { MemberIdentity } from './member-identity.ts';
import { isOfGoneTopic, type OffsetCommitter, type OffsetToCommit } from './offsets/offset-committer.ts';
import type { ConsumerSettings, RebalanceListener, TopicPartition } from './options.ts';
import type { PartitionTable } from './partition-table.ts';
import type { Delivery } from './reading/delivery.ts';
import type { Lease } from './reading/lease.ts';
import { settledOrAborted } from './waiting.ts';

/** The listeners for rebalances. */
export interface RebalanceListeners {
  readonly onPartitionsAssigned: RebalanceListener | undefined;
  readonly onPartitionsRevoked: RebalanceListener | undefined;
  readonly onPartitionsLost: RebalanceListener | undefined;
}

/** What the keeper works with. */
export interface PartitionKeeperContext {
  readonly settings: ConsumerSettings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly partitions: PartitionTable;
  readonly delivery: Delivery;
  readonly committer: OffsetCommitter | undefined;
  readonly listeners: RebalanceListeners;
  /** These partitions are new: their offsets are to be found. */
  added(states: readonly AssignedPartition[]): void;
  /** There are partitions that can be handed out or fetched. */
  wake(): void;
  member(): { memberId: string; generationId: number };
  /** As whom partitions were held; undefined where no group gives them. */
  joinedAs(): MemberIdentity | undefined;
}

/**
 * Takes partitions in and gives them up, in the order that makes a rebalance safe: nothing is handed out any more, what is in hand
 * is finished, what is processed is committed, the listener is told, and only then the partition is let go.
 */
export class PartitionKeeper {
  readonly #context: PartitionKeeperContext;
  /** How many partitions others were given before this consumer had let go of them. */
  lostPartitions = 0;
  /** Fires when the consumer leaves its group: a rebalance that is under way does not wait for handlers any longer. */
  #hurry = new AbortController();

  constructor(context: PartitionKeeperContext) {
    this.#context = context;
  }

  /** Adds partitions by hand: no listener is told. */
  add(partitions: readonly (TopicPartition & { readonly offset?: number | undefined })[]): void {
    const states = partitions.map(({ topic, partition, offset }) => {
      const state = new AssignedPartition(topic, partition);
      if (offset === undefined) state.find(this.#firstLookup());
      else state.moveTo(offset, -1);
      this.#context.partitions.add(state);
      return state;
    });
    this.#context.added(states);
  }

  /** Adds what a rebalance has brought, and tells the listener, who may seek, before any of it is handed out. */
  async assigned(partitions: readonly TopicPartition[]): Promise<void> {
    const { partitions: table, listeners, delivery } = this.#context;
    const states = partitions.map(({ topic, partition }) => {
      const state = new AssignedPartition(topic, partition);
      state.hold();
      state.find(this.#firstLookup());
      table.add(state);
      return state;
    });
    this.#context.added(states);
    this.#publish('assigned', partitions);
    try {
      await this.#tell('onPartitionsAssigned', listeners.onPartitionsAssigned, partitions);
    } finally {
      for (const state of states) {
        state.letGo();
        delivery.offer(state);
      }
      this.#context.wake();
    }
  }

  /** Gives partitions up while they are still this consumer's. With the signal, they are lost instead. */
  async revoke(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void> {
    const states = this.#statesOf(partitions);
    for (const state of states) state.revoke();
    const { delivery, settings } = this.#context;
    const leases = states.flatMap((state) => delivery.leaseOf(state) ?? []);
    await this.#released(leases, settings.rebalanceTimeoutMs, signal);
    // What is lost is told as lost, by who noticed.
    if (signal.aborted) return;
    const commit = this.commitProcessed(states, this.#context.settings.rebalanceTimeoutMs).catch((error: unknown) => {
      this.#context.logger.warn(
        { err: error },
        `Committing before partitions are given up failed: ${messageOf(error)}`,
      );
    });
    await settledOrAborted(commit, signal);
    if (signal.aborted) return;
    await this.letGo(partitions);
  }

  /** Tells the listener that partitions go, and drops them. */
  async letGo(partitions: readonly TopicPartition[]): Promise<void> {
    try {
      await this.#tell('onPartitionsRevoked', this.#context.listeners.onPartitionsRevoked, partitions);
    } finally {
      this.#publish('revoked', partitions);
      this.remove(partitions);
    }
  }

  /** Drops partitions that others may have already: nothing is committed, and nothing that is in hand counts. */
  async lose(partitions: readonly TopicPartition[]): Promise<void> {
    const { listeners } = this.#context;
    this.lostPartitions += partitions.length;
    this.#publish('lost', partitions);
    this.remove(partitions);
    await this.#tell('onPartitionsLost', listeners.onPartitionsLost ?? listeners.onPartitionsRevoked, partitions);
  }

  /** Drops partitions without a word. */
  remove(partitions: Iterable<TopicPartition>): void {
    const { partitions: table } = this.#context;
    for (const { topic, partition } of [...partitions]) {
      const state = table.get(topic, partition);
      if (state === undefined) continue;
      table.delete(topic, partition);
      state.drop(this.#context.joinedAs());
    }
  }

  owned(): TopicPartitionMap {
    return this.#context.partitions.toMap();
  }

  /**
   * Has the handlers of `run` finish what they have in hand, and waits for them. Loops over the consumer are not waited for: a
   * loop's own body may be who is waiting.
   */
  async handlersDone(timeoutMs: number): Promise<void> {
    const leases = [...this.#context.delivery.leases].filter(({ ofRun }) => ofRun);
    await this.#released(leases, timeoutMs, undefined);
  }

  /** Has a rebalance that is under way wait for handlers no longer. */
  hurry(): void {
    this.#hurry.abort();
    this.#hurry = new AbortController();
  }

  /** Commits what is processed and not committed yet, where that is done automatically. */
  async commitProcessed(states: Iterable<AssignedPartition>, timeoutMs?: number): Promise<void> {
    if (!this.#context.settings.autoCommit) return;
    await this.commit(this.processed(states), timeoutMs);
  }

  /** Commits offsets, and remembers which. */
  async commit(offsets: readonly OffsetToCommit[], timeoutMs?: number): Promise<void> {
    const noted = offsets.map(({ topic, partition }) => this.#context.partitions.get(topic, partition));
    // Should it fail, nobody knows whether the coordinator has taken it in: then what it has is not known either.
    for (const state of noted) state?.commitBegins();
    const done = (): void => {
      for (const [index, { offset }] of offsets.entries()) noted[index]?.committed(offset);
    };
    try {
      await this.#context.committer?.commit(offsets, timeoutMs);
      done();
    } catch (error) {
      // Nothing is gained by committing it again and again.
      if (isOfGoneTopic(error)) done();
      throw error;
    }
  }

  /** What is processed and not committed yet. */
  processed(states: Iterable<AssignedPartition>): OffsetToCommit[] {
    const offsets: OffsetToCommit[] = [];
    for (const state of states) {
      if (!state.hasUncommitted) continue;
      const { topic, partition, processedOffset, processedEpoch } = state;
      offsets.push({ topic, partition, offset: processedOffset, leaderEpoch: processedEpoch });
    }
    return offsets;
  }

  #firstLookup(): OffsetLookup {
    return { from: 'committed' };
  }

  #statesOf(partitions: readonly TopicPartition[]): AssignedPartition[] {
    return partitions.flatMap(({ topic, partition }) => this.#context.partitions.get(topic, partition) ?? []);
  }

  /** Waits for handlers, but not for ever: who is stuck is counted out by the group anyway. */
  async #released(leases: readonly Lease[], timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    for (const lease of leases) lease.cancel();
    if (leases.length === 0 || signal?.aborted) return;
    const { clock, logger } = this.#context;
    const hurry = this.#hurry.signal;
    await new Promise<void>((resolve) => {
      let left = leases.length;
      const over = (): void => {
        timer.cancel();
        signal?.removeEventListener('abort', over);
        hurry.removeEventListener('abort', over);
        resolve();
      };
      const timer = clock.schedule(timeoutMs, () => {
        logger.warn(
          { partitions: left, timeoutMs },
          'Handlers have not finished in time, though their signal has fired: they are left, and their partitions are given up',
        );
        over();
      });
      signal?.addEventListener('abort', over, { once: true });
      if (signal !== undefined) hurry.addEventListener('abort', over, { once: true });
      for (const lease of leases) {
        lease.onReleased(() => {
          left -= 1;
          if (left === 0) over();
        });
      }
    });
  }

  async #tell(
    name: keyof RebalanceListeners,
    listener: RebalanceListener | undefined,
    partitions: readonly TopicPartition[],
  ): Promise<void> {
    try {
      await listener?.(partitions);
    } catch (cause) {
      throw new ConsumerError('CONSUMER_LISTENER_FAILED', `${name} threw: ${messageOf(cause)}`, { cause });
    }
  }

  #publish(kind: 'assigned' | 'revoked' | 'lost', partitions: readonly TopicPartition[]): void {
    const { settings, logger } = this.#context;
    const { memberId, generationId } = this.#context.member();
    const groupId = settings.groupId ?? '';
    const fields = { groupId, memberId, generationId, partitions: partitions.length };
    // What is lost may be handled twice.
    if (kind === 'lost') logger.warn(fields, 'Partitions were lost: the group has given them to others');
    else logger.info(fields, `Partitions were ${kind}`);
    if (rebalanceChannel.hasSubscribers) {
      rebalanceChannel.publish({ groupId, memberId, generationId, kind, partitions });
    }
  }
}
