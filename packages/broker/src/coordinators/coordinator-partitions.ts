import type { Clock } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import type { CoordinatorLog, CoordinatorPartitionListener } from '../replicas/coordinator-log.ts';
import { Deadline, type Deadlines } from '../shared/deadlines.ts';
import type { Guard } from '../shared/guard.ts';
import { partitionOf } from '../shared/java-hash.ts';
import type { Logger } from '../shared/logger.ts';
import { Refusal } from '../shared/refusal.ts';
import type { CoordinatorPartition, StateOwner } from './coordinator-partition.ts';
import { WriteQueue } from './write-queue.ts';

/** How long after a failed attempt a partition is read again. */
const LOAD_RETRY_MS = 1_000;

/** What the partitions of a coordinator's topic work with. */
export interface CoordinatorPartitionsOptions<State> {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly deadlines: Deadlines;
  readonly guard: Guard;
  readonly owner: StateOwner<State>;
  readonly writeTimeoutMs: number;
  /** How many partitions the topic has; undefined while there is no such topic, or that is not known. */
  readonly partitionCount: () => number | undefined;
  readonly openLog: (listener: CoordinatorPartitionListener) => CoordinatorLog;
}

/** Which partitions of a coordinator's topic this broker answers for, and the reading and dropping of their state. */
export class CoordinatorPartitions<State> implements CoordinatorPartitionListener {
  readonly #options: CoordinatorPartitionsOptions<State>;
  readonly #partitions = new Map<number, CoordinatorPartition<State>>();
  readonly #log: CoordinatorLog;
  #closed = false;

  constructor(options: CoordinatorPartitionsOptions<State>) {
    this.#options = options;
    this.#log = options.openLog(this);
  }

  /** Whether any partition is still being read. */
  get isLoading(): boolean {
    for (const partition of this.#partitions.values()) if (partition.loading) return true;
    return false;
  }

  /** The partitions whose state is known. */
  *loaded(): Generator<CoordinatorPartition<State>> {
    for (const partition of this.#partitions.values()) if (!partition.loading) yield partition;
  }

  /** The partition that holds a group or a transactional id, or why that cannot be said here. */
  find(id: string): CoordinatorPartition<State> | Refusal {
    if (this.#closed) return Refusal.of(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    const count = this.#options.partitionCount();
    // Whoever leads any of them says so, and not that another coordinates: nobody may know better.
    if (count === undefined && this.#partitions.size > 0) return Refusal.of(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    const partition = count === undefined ? undefined : this.#partitions.get(partitionOf(id, count));
    // Another may have acknowledged what is not known here. Whoever is told so asks anew who coordinates, as often as he must.
    if (partition === undefined || this.#log.isInDoubt(partition.index)) return Refusal.of(ErrorCode.NOT_COORDINATOR);
    return partition.loading ? Refusal.of(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS) : partition;
  }

  /** The partition by its number, where its state is known here. */
  at(index: number): CoordinatorPartition<State> | Refusal {
    const partition = this.#partitions.get(index);
    if (partition === undefined) return Refusal.of(ErrorCode.NOT_COORDINATOR);
    return partition.loading ? Refusal.of(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS) : partition;
  }

  /** Whether a partition is the one that is coordinated here now, and not one of an earlier term. */
  isCurrent(partition: CoordinatorPartition<State>): boolean {
    return this.#partitions.get(partition.index) === partition;
  }

  onElected(index: number, leaderEpoch: number): void {
    const known = this.#partitions.get(index);
    if (this.#closed) return;
    const { clock, deadlines, guard, owner, writeTimeoutMs } = this.#options;
    if (known !== undefined) {
      if (leaderEpoch <= known.leaderEpoch) return;
      if (owner.isBoundToTerm !== true) {
        // Elected again without having resigned: what is in memory is still what is in the log.
        known.leaderEpoch = leaderEpoch;
        return;
      }
      this.#drop(known, ErrorCode.NOT_COORDINATOR);
    }
    const partition: CoordinatorPartition<State> = {
      index,
      leaderEpoch,
      loading: true,
      state: owner.empty(),
      writes: new WriteQueue({
        partition: index,
        log: this.#log,
        clock,
        deadlines,
        guard,
        timeoutMs: writeTimeoutMs,
        leaderEpoch: owner.isBoundToTerm === true ? leaderEpoch : undefined,
      }),
    };
    this.#partitions.set(index, partition);
    guard.settle(`Reading partition ${index} of ${this.#log.topic}`, this.#load(partition));
  }

  onResigned(index: number, leaderEpoch: number): void {
    const partition = this.#partitions.get(index);
    if (partition === undefined || leaderEpoch < partition.leaderEpoch) return;
    this.#drop(partition, ErrorCode.NOT_COORDINATOR);
  }

  /** Drops everything; whoever waits is told to look for another coordinator. */
  close(): void {
    this.#closed = true;
    for (const partition of [...this.#partitions.values()]) this.#drop(partition, ErrorCode.COORDINATOR_NOT_AVAILABLE);
  }

  #drop(partition: CoordinatorPartition<State>, errorCode: number): void {
    const { guard, owner, logger } = this.#options;
    const fields = { topic: this.#log.topic, partition: partition.index, count: owner.countOf(partition.state) };
    this.#partitions.delete(partition.index);
    guard.run(`Dropping the state of partition ${partition.index}`, () => owner.drop(partition.state, errorCode));
    partition.writes.close();
    guard.run('Logging', () => logger[fields.count > 0 ? 'info' : 'debug'](fields, 'Ceased to coordinate a partition'));
  }

  async #load(partition: CoordinatorPartition<State>): Promise<void> {
    const { clock, logger, owner } = this.#options;
    const { index } = partition;
    try {
      // Whatever fails in here is tried again: outside, the partition would be "loading" for good.
      const startMs = clock.monotonic();
      const loader = owner.newLoader();
      const { errorCode } = await this.#log.readAll(index, (batches) => loader.addBatches(batches));
      if (this.#partitions.get(index) !== partition) return;
      if (errorCode !== ErrorCode.NONE) {
        this.#retryLoad(partition, { errorCode });
        return;
      }
      partition.state = loader.finish();
      partition.loading = false;
      owner.resume(partition.state, partition);
      const tookMs = Math.round(clock.monotonic() - startMs);
      const count = owner.countOf(partition.state);
      const fields = { topic: this.#log.topic, partition: index, count, records: loader.recordCount, tookMs };
      // A broker starts with fifty of these, and nearly all are empty.
      logger[loader.recordCount > 0 ? 'info' : 'debug'](
        fields,
        'Read the state of a partition that is coordinated here',
      );
    } catch (error) {
      if (this.#partitions.get(index) === partition) this.#retryLoad(partition, { err: error });
    }
  }

  /** Half a state would hand out old offsets, so the partition stays "loading" until it has been read whole. */
  #retryLoad(
    partition: CoordinatorPartition<State>,
    fields: { readonly errorCode?: number; readonly err?: unknown },
  ): void {
    const { deadlines, guard, logger } = this.#options;
    const retry = new Deadline(() => {
      if (this.#partitions.get(partition.index) !== partition) return;
      guard.settle(`Reading partition ${partition.index} of ${this.#log.topic}`, this.#load(partition));
    });
    deadlines.set(retry, LOAD_RETRY_MS);
    const where = { ...fields, topic: this.#log.topic, partition: partition.index, retryInMs: LOAD_RETRY_MS };
    // What was read may be on this broker alone: other replicas are behind, or are about to leave those in sync.
    if (fields.errorCode === ErrorCode.REQUEST_TIMED_OUT) {
      logger.warn(where, 'The state of a partition that is coordinated here is not yet on all replicas in sync');
    } else {
      logger.error(where, 'Could not read the state of a partition that is coordinated here');
    }
  }
}
