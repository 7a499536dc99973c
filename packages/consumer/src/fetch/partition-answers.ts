import { type BrokerNode, brokerError, type Logger } from '@millrace/client';
import type { Clock, Random } from '@millrace/ports';
import { ErrorCode, errorInfo } from '@millrace/protocol';
import type { AssignedPartition } from '../assigned-partition.ts';
import type { Cluster } from '../cluster-port.ts';
import { ConsumerError, corruptBatch } from '../errors.ts';
import type { ConsumerSettings } from '../options.ts';
import type { PartitionEvents } from '../partition-events.ts';
import type { RecordDecoders } from '../record.ts';
import { type AbortedTransaction, takeIn } from './fetched-chunk.ts';
import type { ResponseMemory } from './response-memory.ts';

/** A damaged batch is fetched once more before anybody is told: the damage may have happened on the way. */
const CORRUPT_FETCHES_MAX = 2;

/** What a Fetch response holds for one partition; what of it is used here. */
export interface PartitionData {
  readonly partitionIndex: number;
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  readonly currentLeader: { readonly leaderId: number; readonly leaderEpoch: number };
  readonly abortedTransactions: readonly AbortedTransaction[] | null;
  readonly preferredReadReplica: number;
  readonly records: Buffer | null;
}

/** One partition's part of a response, and whom it came from. */
export interface PartitionAnswer {
  readonly state: AssignedPartition;
  readonly nodeId: number;
  readonly data: PartitionData;
  /** Brokers that the response tells the addresses of (KIP-951). */
  readonly nodes: readonly BrokerNode[];
  /** The response's memory, which the records of all its partitions share. */
  readonly memory: ResponseMemory;
}

/** What is done with answers. */
export interface AnswerContext {
  readonly cluster: Cluster;
  readonly settings: ConsumerSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly decoders: RecordDecoders;
  readonly events: PartitionEvents;
}

/** Takes in what responses hold for partitions: records into their buffers, errors into what is to be done about them. */
export class PartitionAnswers {
  readonly #context: AnswerContext;

  constructor(context: AnswerContext) {
    this.#context = context;
  }

  /** @returns whether the leaders of the topic must be asked for anew */
  take(answer: PartitionAnswer): boolean {
    const { state, data } = answer;
    if (data.errorCode !== ErrorCode.NONE) return this.#takeError(answer);
    state.heardOf(data);
    if (data.preferredReadReplica >= 0) this.#prefer(answer);
    // The leader's word for a replica says nothing of whether that one can be read.
    else state.succeeded();
    if (data.records !== null && data.records.length > 0) this.#takeRecords(answer, data.records);
    return false;
  }

  #takeRecords({ state, data, memory }: PartitionAnswer, records: Buffer): void {
    const { settings, decoders } = this.#context;
    const { chunk, fault } = takeIn(records, {
      topic: state.topic,
      partition: state.partition,
      fromOffset: state.fetchOffset,
      abortedTransactions: settings.readCommitted ? (data.abortedTransactions ?? []) : undefined,
      checkCrcs: settings.checkCrcs,
      decoders,
    });
    if (chunk !== undefined) {
      chunk.shareMemory(memory);
      state.fetched(chunk);
    }
    if (fault !== undefined) {
      this.#corrupt(state, fault);
    } else if (chunk === undefined) {
      // Brokers since 0.10.1 send a first batch whole, however large (KIP-74).
      const what = `A batch of partition ${state.partition} of "${state.topic}" at offset ${state.fetchOffset} does not fit into partitionBytesMax (${settings.partitionBytesMax}); raise it`;
      state.fail(new ConsumerError('CONSUMER_RECORD_TOO_LARGE', what, this.#place(state)));
    }
    this.#context.events.readable(state);
  }

  #corrupt(state: AssignedPartition, { fault, offset }: { fault: string; offset: number }): void {
    const error = corruptBatch(state.topic, state.partition, offset, fault);
    const fetches = state.fetchedDamaged();
    this.#context.logger.warn({ ...this.#place(state), offset, fault, fetches }, error.message);
    if (fetches >= CORRUPT_FETCHES_MAX) state.fail(error);
    else state.retryLater(this.#context);
  }

  #prefer({ state, data }: PartitionAnswer): void {
    const { clock, settings } = this.#context;
    state.preferReplica(data.preferredReadReplica, clock.monotonic() + settings.metadataMaxAgeMs);
  }

  #takeError(answer: PartitionAnswer): boolean {
    const { state, nodeId, data } = answer;
    const { errorCode } = data;
    const what = `Fetch of partition ${state.partition} of "${state.topic}" at offset ${state.fetchOffset}`;
    const error = brokerError(errorCode, what);
    this.#context.logger.debug({ ...this.#place(state), nodeId, err: error }, error.message);
    if (state.preferredReplica(this.#context.clock.monotonic()) === nodeId) {
      // Whatever a follower complains of: the leader knows better (KIP-392). That may name the same follower again at once.
      state.preferLeader();
      state.retryLater(this.#context);
      return errorInfo(errorCode).refreshMetadata;
    }
    if (errorCode === ErrorCode.OFFSET_OUT_OF_RANGE) {
      this.#context.events.outOfRange(state);
      return false;
    }
    if (errorCode === ErrorCode.CORRUPT_MESSAGE) {
      // The broker has met the damage itself (Kafka's consumer throws on it as well). Trying on would be silence for ever.
      this.#corrupt(state, { fault: 'the broker answers CORRUPT_MESSAGE', offset: state.fetchOffset });
      this.#context.events.readable(state);
      return false;
    }
    if (this.#learnLeader(answer)) return false;
    state.retryLater(this.#context);
    if (mayPass(errorCode)) return errorCode !== ErrorCode.UNKNOWN_LEADER_EPOCH;
    this.#context.events.failed(state, error);
    return false;
  }

  /** An answer from a former leader may name the new one (KIP-951). */
  #learnLeader({ state, data, nodes }: PartitionAnswer): boolean {
    const { leaderId, leaderEpoch } = data.currentLeader;
    if (data.errorCode !== ErrorCode.NOT_LEADER_OR_FOLLOWER && data.errorCode !== ErrorCode.FENCED_LEADER_EPOCH) {
      return false;
    }
    const known = this.#context.cluster.partition(state.topic, state.partition)?.leaderEpoch ?? -1;
    if (leaderId < 0 || leaderEpoch <= known) return false;
    this.#context.cluster.applyLeaderHints([{ ...this.#place(state), leaderId, leaderEpoch }], nodes);
    return (this.#context.cluster.partition(state.topic, state.partition)?.leaderEpoch ?? -1) >= leaderEpoch;
  }

  #place({ topic, partition }: AssignedPartition): { topic: string; partition: number } {
    return { topic, partition };
  }
}

/** Errors that others mend: leaders that move, logs that are being loaded, topics that are being made or deleted. */
function mayPass(errorCode: number): boolean {
  return (
    errorInfo(errorCode).retriable ||
    errorCode === ErrorCode.UNKNOWN_SERVER_ERROR ||
    errorCode === ErrorCode.UNKNOWN_TOPIC_ID ||
    errorCode === ErrorCode.INCONSISTENT_TOPIC_ID ||
    errorCode === ErrorCode.OFFSET_NOT_AVAILABLE
  );
}
