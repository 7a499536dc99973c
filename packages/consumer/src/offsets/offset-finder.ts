import { Backoff, BrokerError, brokerError, type Logger } from '@millrace/client';
import { partitionName } from '@millrace/client/internal';
import type { Clock, Random } from '@millrace/ports';
import { ErrorCode, errorInfo } from '@millrace/protocol';
import { type AssignedPartition, NO_EPOCH, NO_OFFSET } from '../assigned-partition.ts';
import type { Cluster, Coordinator } from '../cluster-port.ts';
import { isFinal, noOffset } from '../errors.ts';
import type { AutoOffsetReset, ConsumerSettings } from '../options.ts';
import type { PartitionEvents } from '../partition-events.ts';
import type { PartitionTable } from '../partition-table.ts';
import { Wakeup } from '../wakeup.ts';
import {
  type CommittedAnswer,
  coordinatorMoved,
  EARLIEST_TIMESTAMP,
  fetchCommitted,
  LATEST_TIMESTAMP,
  listOffsets,
  type OffsetAnswer,
  type OffsetQuestion,
} from './offset-queries.ts';

/** What the finder works with. */
export interface OffsetFinderContext {
  readonly cluster: Cluster;
  /** Undefined without a group. */
  readonly coordinator: Coordinator | undefined;
  readonly settings: ConsumerSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly partitions: PartitionTable;
  readonly events: PartitionEvents;
}

interface Wanted extends OffsetQuestion {
  readonly state: AssignedPartition;
  readonly version: number;
}

/**
 * Finds the offsets at which partitions are read: what the group has committed, else what the reset policy says. Partitions wait
 * together, so that a rebalance costs one request to the coordinator and one to each leader. Tries until it succeeds.
 */
export class OffsetFinder {
  readonly #context: OffsetFinderContext;
  readonly #wakeup: Wakeup;
  readonly #backoff: Backoff;
  /** Partitions about which a question is under way, with the version that it is for. */
  readonly #asking = new Map<AssignedPartition, number>();
  #committedRetryAtMs = 0;

  constructor(context: OffsetFinderContext) {
    this.#context = context;
    this.#wakeup = new Wakeup(context.clock, () => this.#drain());
    const { retryBackoffMs: backoffMs, retryBackoffMsMax: backoffMsMax } = context.settings;
    this.#backoff = new Backoff({ backoffMs, backoffMsMax }, context.random);
  }

  /** Some partition has something to be looked up, or leaders are known anew. */
  wake(): void {
    this.#wakeup.soon();
  }

  close(): void {
    this.#wakeup.close();
  }

  #drain(): void {
    const nowMs = this.#context.clock.monotonic();
    const committed: AssignedPartition[] = [];
    const byLeader = new Map<number, Wanted[]>();
    for (const state of this.#context.partitions) {
      if (state.status !== 'finding' || state.lookup === undefined) continue;
      if (this.#asking.get(state) === state.version) continue;
      const timestamp = this.#timestampOf(state);
      if (timestamp === undefined) {
        if (state.lookup.from === 'committed') committed.push(state);
        continue;
      }
      if (state.retryAtMs > nowMs) this.#wakeup.at(state.retryAtMs);
      else this.#collect(state, timestamp, byLeader);
    }
    if (committed.length > 0) {
      if (this.#committedRetryAtMs > nowMs) this.#wakeup.at(this.#committedRetryAtMs);
      else void this.#askCommitted(committed);
    }
    for (const [nodeId, wanted] of byLeader) void this.#askLeader(nodeId, wanted);
  }

  /** What to ask the leader; undefined where it is not the leader who knows, or nobody is to be asked. */
  #timestampOf(state: AssignedPartition): number | undefined {
    const { lookup } = state;
    switch (lookup?.from) {
      case 'beginning':
        return EARLIEST_TIMESTAMP;
      case 'end':
        return LATEST_TIMESTAMP;
      case 'timestamp':
        return lookup.timestamp;
      case 'policy':
        if (lookup.policy === 'none') {
          this.#context.events.failed(state, noOffset(state.topic, state.partition, lookup.outOfRange));
          return undefined;
        }
        return this.#policyTimestamp(lookup.policy);
      default:
        return undefined;
    }
  }

  #policyTimestamp(policy: Exclude<AutoOffsetReset, 'none'>): number {
    if (policy === 'latest') return LATEST_TIMESTAMP;
    if (policy === 'earliest') return EARLIEST_TIMESTAMP;
    return Math.max(this.#context.clock.now() - policy.durationMs, 0);
  }

  #collect(state: AssignedPartition, timestamp: number, byLeader: Map<number, Wanted[]>): void {
    const { topic, partition, version } = state;
    const known = this.#context.cluster.partition(topic, partition);
    const leaderId = known?.leaderId ?? -1;
    if (leaderId < 0 || !this.#context.cluster.hasBroker(leaderId)) {
      // Whoever asks for the leader has this woken when there is an answer.
      this.#context.events.leadersStale(topic);
      return;
    }
    const wanted = { state, version, topic, partition, timestamp, leaderEpoch: known?.leaderEpoch ?? NO_EPOCH };
    const list = byLeader.get(leaderId);
    if (list === undefined) byLeader.set(leaderId, [wanted]);
    else list.push(wanted);
    this.#asking.set(state, version);
  }

  async #askCommitted(states: readonly AssignedPartition[]): Promise<void> {
    const { coordinator, settings, logger, clock } = this.#context;
    const { groupId } = settings;
    const versions = new Map(states.map((state) => [state, state.version]));
    for (const [state, version] of versions) this.#asking.set(state, version);
    let failure: unknown;
    try {
      if (coordinator === undefined || groupId === undefined) {
        for (const state of states) this.#haveCommitted(state, NO_OFFSET, NO_EPOCH);
      } else {
        const answers = await fetchCommitted(coordinator, groupId, states, settings.readCommitted);
        const found = new Map(answers.map((answer) => [partitionName(answer), answer]));
        for (const [state, version] of versions) {
          if (state.version === version) {
            failure = this.#committedAnswered(state, found.get(partitionName(state))) ?? failure;
          }
        }
      }
    } catch (error) {
      failure = error;
      if (!(error instanceof BrokerError) || coordinatorMoved(error.errorCode)) coordinator?.forget();
      if (isFinal(error)) for (const state of states) this.#fail(state, error);
    }
    for (const [state, version] of versions) if (this.#asking.get(state) === version) this.#asking.delete(state);
    if (failure === undefined) {
      this.#backoff.reset();
    } else {
      logger.debug({ groupId, err: failure }, 'The committed offsets could not be learnt; trying again');
      this.#committedRetryAtMs = clock.monotonic() + this.#backoff.next();
    }
    this.#wakeup.soon();
  }

  /** What went wrong and may pass; undefined when nothing did, or the partition has failed for good. */
  #committedAnswered(state: AssignedPartition, answer: CommittedAnswer | undefined): Error | undefined {
    const errorCode = answer?.errorCode ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    if (answer !== undefined && errorCode === ErrorCode.NONE) {
      this.#haveCommitted(state, answer.offset, answer.leaderEpoch);
      return undefined;
    }
    const error = brokerError(errorCode, `OffsetFetch of partition ${state.partition} of "${state.topic}"`);
    if (error.retriable) return error;
    this.#fail(state, error);
    return undefined;
  }

  #haveCommitted(state: AssignedPartition, offset: number, epoch: number): void {
    if (offset >= 0) {
      state.foundCommitted(offset, epoch);
      this.#context.events.found(state);
    } else {
      state.find({ from: 'policy', policy: this.#context.settings.autoOffsetReset, outOfRange: undefined });
    }
  }

  async #askLeader(nodeId: number, wanted: readonly Wanted[]): Promise<void> {
    const { cluster, settings, logger } = this.#context;
    let answers: OffsetAnswer[] | undefined;
    try {
      answers = await listOffsets(cluster, nodeId, wanted, settings.readCommitted);
    } catch (error) {
      logger.debug({ nodeId, err: error }, `ListOffsets to broker ${nodeId} was not answered; trying again`);
      if (isFinal(error)) {
        for (const { state, version } of wanted) if (state.version === version) this.#fail(state, error);
      }
    }
    const found = new Map(answers?.map((answer) => [partitionName(answer), answer]));
    for (const one of wanted) {
      const { state } = one;
      if (this.#asking.get(state) === one.version) this.#asking.delete(state);
      if (state.version !== one.version || state.status !== 'finding') continue;
      this.#answered(one, found.get(partitionName(state)));
    }
    this.#wakeup.soon();
  }

  #answered({ state, timestamp }: Wanted, answer: OffsetAnswer | undefined): void {
    const { errorCode = ErrorCode.NETWORK_EXCEPTION } = answer ?? {};
    if (answer !== undefined && errorCode === ErrorCode.NONE) {
      if (answer.offset >= 0) {
        // No epoch: nothing of this log was read yet, so there is nothing that a new leader could lack.
        state.moveTo(answer.offset, NO_EPOCH);
        this.#context.events.found(state);
      } else if (timestamp >= 0) {
        // No record is that young: reading begins with the next one.
        state.findEndInstead();
      } else {
        this.#retryLater(state);
      }
      return;
    }
    if (errorInfo(errorCode).refreshMetadata || answer === undefined) this.#context.events.leadersStale(state.topic);
    if (errorInfo(errorCode).retriable) {
      this.#retryLater(state);
    } else {
      this.#fail(state, brokerError(errorCode, `ListOffsets of partition ${state.partition} of "${state.topic}"`));
    }
  }

  #fail(state: AssignedPartition, error: Error): void {
    if (state.status === 'finding') this.#context.events.failed(state, error);
  }

  #retryLater(state: AssignedPartition): void {
    this.#wakeup.at(state.retryLater(this.#context));
  }
}
