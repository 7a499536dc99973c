import type { VerificationGuard } from '@millrace/log';

/**
 * What a coordinator (of groups, of transactions) needs of the log that holds its state. `ReplicaManager` gives one
 * out per topic (`replicas.coordinatorLog('__consumer_offsets')`).
 */
export interface CoordinatorLog {
  readonly topic: string;
  /**
   * Appends one record batch to a partition that this broker leads, as acks=all does. Resolves when it is durable and below
   * the high watermark, or with the error code of the refusal (NOT_LEADER_OR_FOLLOWER, NOT_ENOUGH_REPLICAS,
   * MESSAGE_TOO_LARGE, KAFKA_STORAGE_ERROR ...). Batches of one partition are appended in call order.
   */
  append(partition: number, batch: Buffer, options: CoordinatorAppendOptions): Promise<CoordinatorAppendResult>;
  /**
   * Reads a partition that this broker leads from its log start to its end at the time of the call, for loading. `onBatches`
   * gets whole batches, several in one buffer, in order; the buffer is only valid during the call.
   * Resolves with the offset after the last batch, or the error code of what went wrong; not before all of it is on every in-sync replica,
   * so that nothing is answered out of what another leader may never have had.
   */
  readAll(partition: number, onBatches: (batches: Buffer) => void): Promise<CoordinatorReadResult>;
  /** Whether another broker may lead the partition for all that this one, which did, knows; see `Partition.isInDoubt`. */
  isInDoubt(partition: number): boolean;
}

/** What settings say about a coordinator's log. */
export interface CoordinatorLogLimits {
  /** How much is read at a time while it is loaded (`offsets.load.buffer.size`, `transaction.state.log.load.buffer.size`). */
  readonly loadBytes: number;
  /** How long the other replicas may take until they have all that is loaded. */
  readonly commitTimeoutMs: number;
}

/** What goes with a coordinator's append. */
export interface CoordinatorAppendOptions {
  /** The term in which the coordinator decided on it: refused as NOT_LEADER_OR_FOLLOWER in any other. */
  readonly leaderEpoch?: number | undefined;
  /** How long the other replicas may take. */
  readonly timeoutMs: number;
  /** For offsets of a transaction; see `AppendOptions` of the log. */
  readonly guard?: VerificationGuard | undefined;
}

export interface CoordinatorAppendResult {
  /** 0 (NONE) when the batch is kept. */
  readonly errorCode: number;
  /** Offset of the batch's first record; -1 when refused. */
  readonly baseOffset: number;
}

export interface CoordinatorReadResult {
  readonly errorCode: number;
  readonly endOffset: number;
}

/**
 * Told when this broker becomes or ceases to be the leader of a partition of a coordinator's topic. Called synchronously
 * while LeaderAndIsr or StopReplica is carried out, so implementations start their work and return.
 */
export interface CoordinatorPartitionListener {
  /** This broker leads the partition: load its state. Called again with a higher epoch when it is elected anew. */
  onElected(partition: number, leaderEpoch: number): void;
  /** This broker leads it no longer (or the partition is gone): drop its state. */
  onResigned(partition: number, leaderEpoch: number): void;
}
