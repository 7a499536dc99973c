import type { Clock } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import type { Logger } from '../logger.ts';
import type { CoordinatorLog, CoordinatorPartitionListener } from '../replicas/coordinator-log.ts';
import type { CoordinatorPartition } from './coordinator-partition.ts';
import { Deadline, type Deadlines } from './deadlines.ts';
import type { Group } from './group.ts';
import { GroupLoader } from './group-loader.ts';
import { partitionForGroup } from './java-hash.ts';
import type { Rebalancing } from './rebalancing.ts';
import { WriteQueue } from './write-queue.ts';

/** How long after a failed attempt a partition is read again. */
const LOAD_RETRY_MS = 1_000;

export interface CoordinatorPartitionsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly deadlines: Deadlines;
  readonly rebalancing: Rebalancing;
  readonly writeTimeoutMs: number;
  /** How many partitions `__consumer_offsets` has; undefined while there is no such topic. */
  readonly partitionCount: () => number | undefined;
  readonly openLog: (listener: CoordinatorPartitionListener) => CoordinatorLog;
}

/** Which partitions of `__consumer_offsets` this broker answers for, and the reading and dropping of their groups. */
export class CoordinatorPartitions implements CoordinatorPartitionListener {
  readonly #options: CoordinatorPartitionsOptions;
  readonly #partitions = new Map<number, CoordinatorPartition>();
  readonly #log: CoordinatorLog;
  #closed = false;

  constructor(options: CoordinatorPartitionsOptions) {
    this.#options = options;
    this.#log = options.openLog(this);
  }

  /** Whether any partition is still being read. */
  get isLoading(): boolean {
    for (const partition of this.#partitions.values()) if (partition.loading) return true;
    return false;
  }

  /** The partitions whose groups are known. */
  *loaded(): Generator<CoordinatorPartition> {
    for (const partition of this.#partitions.values()) if (!partition.loading) yield partition;
  }

  /** Where a group lives, or the error code for why that cannot be said here. */
  find(groupId: string): CoordinatorPartition | number {
    if (this.#closed) return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    const count = this.#options.partitionCount();
    const partition = count === undefined ? undefined : this.#partitions.get(partitionForGroup(groupId, count));
    if (partition === undefined) return ErrorCode.NOT_COORDINATOR;
    return partition.loading ? ErrorCode.COORDINATOR_LOAD_IN_PROGRESS : partition;
  }

  onElected(index: number, leaderEpoch: number): void {
    const known = this.#partitions.get(index);
    if (this.#closed) return;
    if (known !== undefined) {
      // Elected again without having resigned: what is in memory is still what is in the log.
      known.leaderEpoch = Math.max(known.leaderEpoch, leaderEpoch);
      return;
    }
    const { clock, deadlines, writeTimeoutMs } = this.#options;
    const partition: CoordinatorPartition = {
      index,
      leaderEpoch,
      loading: true,
      groups: new Map(),
      writes: new WriteQueue({ partition: index, log: this.#log, clock, deadlines, timeoutMs: writeTimeoutMs }),
    };
    this.#partitions.set(index, partition);
    void this.#load(partition);
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

  #drop(partition: CoordinatorPartition, errorCode: number): void {
    const fields = { partition: partition.index, groups: partition.groups.size };
    this.#partitions.delete(partition.index);
    for (const group of partition.groups.values()) this.#options.rebalancing.kill(group, errorCode);
    partition.groups.clear();
    partition.writes.close();
    const level = fields.groups > 0 ? 'info' : 'debug';
    this.#options.logger[level](fields, 'Ceased to coordinate a partition of __consumer_offsets');
  }

  async #load(partition: CoordinatorPartition): Promise<void> {
    const { clock, logger } = this.#options;
    const { index } = partition;
    const startMs = clock.monotonic();
    try {
      const loader = new GroupLoader(() => clock.now(), logger);
      const { errorCode } = await this.#log.readAll(index, (batches) => loader.addBatches(batches));
      if (this.#partitions.get(index) !== partition) return;
      if (errorCode !== ErrorCode.NONE) {
        this.#retryLoad(partition, { errorCode });
        return;
      }
      this.#takeOver(partition, loader.finish());
      const tookMs = Math.round(clock.monotonic() - startMs);
      const fields = { partition: index, groups: partition.groups.size, records: loader.recordCount, tookMs };
      // A broker starts with fifty of these, and nearly all are empty.
      const level = loader.recordCount > 0 ? 'info' : 'debug';
      logger[level](fields, 'Read the groups of a partition of __consumer_offsets');
    } catch (error) {
      if (this.#partitions.get(index) === partition) this.#retryLoad(partition, { err: error });
    }
  }

  /** Half a state would hand out old offsets, so the partition stays "loading" until it has been read whole. */
  #retryLoad(partition: CoordinatorPartition, fields: object): void {
    const { deadlines, logger } = this.#options;
    logger.error(
      { ...fields, partition: partition.index, retryInMs: LOAD_RETRY_MS },
      'Could not read the groups of a partition of __consumer_offsets',
    );
    const retry = new Deadline(() => {
      if (this.#partitions.get(partition.index) === partition) void this.#load(partition);
    });
    deadlines.set(retry, LOAD_RETRY_MS);
  }

  #takeOver(partition: CoordinatorPartition, groups: Map<string, Group>): void {
    partition.groups = groups;
    partition.loading = false;
    for (const group of groups.values()) this.#options.rebalancing.resume(group);
  }
}
