import type { Logger } from '@millrace/client';
import { byTopic } from '@millrace/client/internal';
import type { Clock, Random } from '@millrace/ports';
import { ErrorCode, errorInfo, OffsetForLeaderEpoch } from '@millrace/protocol';
import { type AssignedPartition, NO_EPOCH } from '../assigned-partition.ts';
import type { Cluster } from '../cluster-port.ts';
import { isFinal, logTruncated } from '../errors.ts';
import type { ConsumerSettings } from '../options.ts';
import type { PartitionEvents } from '../partition-events.ts';
import type { PartitionTable } from '../partition-table.ts';
import { Wakeup } from '../wakeup.ts';

/** From this version on a consumer may ask without rights on the cluster (KIP-320). */
const VERSION_MIN = 3;

/** What the validator works with. */
export interface EpochValidatorContext {
  readonly cluster: Cluster;
  readonly settings: ConsumerSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly partitions: PartitionTable;
  readonly events: PartitionEvents;
}

interface Question {
  readonly state: AssignedPartition;
  readonly version: number;
  readonly leaderEpoch: number;
}

/**
 * Notices new leaders. Before a partition is read on from a new leader, that is asked where it ends the epoch that was read last:
 * below the consumer's offset means that the log was truncated, and records that were read are gone (KIP-320).
 */
export class EpochValidator {
  readonly #context: EpochValidatorContext;
  readonly #wakeup: Wakeup;
  readonly #asking = new Set<AssignedPartition>();

  constructor(context: EpochValidatorContext) {
    this.#context = context;
    this.#wakeup = new Wakeup(context.clock, () => this.#drain());
  }

  /** Metadata may have changed, or a partition has a new position. */
  wake(): void {
    this.#wakeup.soon();
  }

  close(): void {
    this.#wakeup.close();
  }

  /** Takes note of the partition's leader; false when it must be validated before anything is fetched. */
  adopt(state: AssignedPartition): boolean {
    const leaderEpoch = this.#context.cluster.partition(state.topic, state.partition)?.leaderEpoch ?? NO_EPOCH;
    return state.adoptLeader(leaderEpoch);
  }

  /** Whether the partition may be fetched from; where not, its leader is asked. */
  allows(state: AssignedPartition): boolean {
    const allowed = this.adopt(state);
    if (!allowed) this.wake();
    return allowed;
  }

  #drain(): void {
    const nowMs = this.#context.clock.monotonic();
    const byLeader = new Map<number, Question[]>();
    for (const state of this.#context.partitions) {
      if (state.status !== 'fetching' && state.status !== 'validating') continue;
      if (this.adopt(state) || this.#asking.has(state)) continue;
      if (state.retryAtMs > nowMs) {
        this.#wakeup.at(state.retryAtMs);
        continue;
      }
      const leaderId = this.#context.cluster.partition(state.topic, state.partition)?.leaderId ?? -1;
      if (leaderId < 0 || !this.#context.cluster.hasBroker(leaderId)) {
        // Whoever asks for the leader has this woken when there is an answer.
        this.#context.events.leadersStale(state.topic);
        continue;
      }
      const question = { state, version: state.version, leaderEpoch: state.leaderEpoch };
      const list = byLeader.get(leaderId);
      if (list === undefined) byLeader.set(leaderId, [question]);
      else list.push(question);
      this.#asking.add(state);
    }
    for (const [nodeId, questions] of byLeader) void this.#ask(nodeId, questions);
  }

  async #ask(nodeId: number, questions: readonly Question[]): Promise<void> {
    const { cluster, logger } = this.#context;
    const topics = [...byTopic(questions.map(({ state }) => state))].map(([topic, states]) => ({
      topic,
      partitions: states.map(({ partition, leaderEpoch, fetchEpoch }) => ({
        partition,
        currentLeaderEpoch: leaderEpoch,
        leaderEpoch: fetchEpoch,
      })),
    }));
    const answers = await cluster
      .send(nodeId, OffsetForLeaderEpoch, { replicaId: -1, topics }, { versionMin: VERSION_MIN })
      .catch((error: unknown) => {
        logger.debug({ nodeId, err: error }, `OffsetForLeaderEpoch to broker ${nodeId} was not answered`);
        if (isUnsupported(error)) return 'unsupported' as const;
        return isFinal(error) ? error : undefined;
      });
    for (const question of questions) {
      const { state } = question;
      this.#asking.delete(state);
      // A position that was sought, or another new leader, asks for itself.
      if (state.version !== question.version || state.leaderEpoch !== question.leaderEpoch) continue;
      if (answers === 'unsupported') {
        this.#accept(state);
        continue;
      }
      if (answers instanceof Error) {
        this.#context.events.failed(state, answers);
        continue;
      }
      const answer = answers?.topics
        .find(({ topic }) => topic === state.topic)
        ?.partitions.find(({ partition }) => partition === state.partition);
      this.#answered(state, answer);
    }
    this.#wakeup.soon();
  }

  #answered(
    state: AssignedPartition,
    answer: { errorCode: number; leaderEpoch: number; endOffset: number } | undefined,
  ): void {
    const errorCode = answer?.errorCode ?? ErrorCode.NETWORK_EXCEPTION;
    if (answer === undefined || errorCode !== ErrorCode.NONE) {
      if (errorInfo(errorCode).refreshMetadata || answer === undefined) this.#context.events.leadersStale(state.topic);
      if (errorCode === ErrorCode.TOPIC_AUTHORIZATION_FAILED) this.#accept(state);
      else this.#retryLater(state);
      return;
    }
    if (answer.endOffset < 0 || answer.leaderEpoch < 0 || answer.endOffset < state.fetchOffset) {
      this.#truncated(state, answer.endOffset, answer.leaderEpoch);
    } else {
      this.#accept(state);
    }
  }

  /** The log ends before what was read: go on at the first offset that differs, or by the policy, or not at all. */
  #truncated(state: AssignedPartition, endOffset: number, epoch: number): void {
    const { settings, logger } = this.#context;
    const { topic, partition, fetchOffset, processedOffset } = state;
    const error = logTruncated(topic, partition, fetchOffset, endOffset);
    logger.warn({ topic, partition, offset: fetchOffset, endOffset }, error.message);
    if (settings.autoOffsetReset === 'none') state.fail(error);
    else if (endOffset < 0 || epoch < 0) {
      state.find({ from: 'policy', policy: settings.autoOffsetReset, outOfRange: fetchOffset });
    }
    // What was fetched ahead may be of the log that is gone; what is not processed yet is read again.
    else if (processedOffset < endOffset) state.moveTo(processedOffset, NO_EPOCH);
    else state.moveTo(endOffset, epoch);
    this.#context.events.validated(state);
  }

  #accept(state: AssignedPartition): void {
    state.validated();
    this.#context.events.validated(state);
  }

  #retryLater(state: AssignedPartition): void {
    this.#wakeup.at(state.retryLater(this.#context));
  }
}

function isUnsupported(error: unknown): boolean {
  return (error as { code?: string }).code === 'NETWORK_UNSUPPORTED_VERSION';
}
