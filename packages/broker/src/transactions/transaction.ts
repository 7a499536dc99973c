import type { Deadline } from '../shared/deadlines.ts';

/** The states that a transactional id can be in, under Kafka's names. */
export const TransactionState = {
  EMPTY: 'Empty',
  ONGOING: 'Ongoing',
  PREPARE_COMMIT: 'PrepareCommit',
  PREPARE_ABORT: 'PrepareAbort',
  COMPLETE_COMMIT: 'CompleteCommit',
  COMPLETE_ABORT: 'CompleteAbort',
  DEAD: 'Dead',
  PREPARE_EPOCH_FENCE: 'PrepareEpochFence',
} as const;
/** One of the values in {@link (TransactionState:variable)}. */
export type TransactionState = (typeof TransactionState)[keyof typeof TransactionState];

/** The states in the order of their numbers in the log and in the protocol. */
export const STATES_BY_NUMBER: readonly TransactionState[] = Object.values(TransactionState);

/** From here on a producer's epoch is at its end: it gets another producer id. Leaves room for the one epoch that fences it. */
export const EPOCH_EXHAUSTED: number = 0x7fff - 1;

/** Partitions by topic. */
export type PartitionsByTopic = ReadonlyMap<string, ReadonlySet<number>>;

/** What is known of a transactional id at one moment. Never changed: a change makes another. */
export interface TransactionImage {
  readonly state: TransactionState;
  readonly producerId: number;
  /** The producer id before the epochs of the last one were exhausted; -1 if they never were. */
  readonly previousProducerId: number;
  /** The producer id that takes over when the transaction is complete, since its epochs are exhausted; -1 where none does. */
  readonly nextProducerId: number;
  readonly epoch: number;
  /** The epoch before the last InitProducerId, whose answer may have been lost; -1 where there is none. */
  readonly lastEpoch: number;
  /**
   * Whether the epoch was raised for the end that was decided, until that is complete: told with the markers, so that one of them that comes
   * late does not end the next transaction, whose records have the same epoch (KAFKA-19999).
   */
  readonly isRaised: boolean;
  readonly timeoutMs: number;
  readonly partitions: PartitionsByTopic;
  /** When the transaction began; -1 outside of one. */
  readonly startMs: number;
  readonly updateMs: number;
}

/** Who asks for a transaction. */
export interface TransactionAsker {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

export const NO_PARTITIONS: PartitionsByTopic = new Map();

/** Partitions that several have asked for while a write was under way. */
export interface JoinedPartitions {
  partitions: PartitionsByTopic;
  readonly outcome: Promise<number>;
}

/** A transactional id as its coordinator knows it. */
export class Transaction {
  readonly id: string;
  /** As it stands in the log. */
  now: TransactionImage;
  /** What is being written: until it is replicated, nobody else may change the id. */
  pending: TransactionImage | undefined;
  /** The epoch was raised in memory and could not be written: the next attempt takes the same one (KAFKA-9666). */
  hasFailedFence = false;
  /** What it counts for in memory; see `state-memory.ts`. */
  bytes = 0;
  /** Partitions that are added with the next write, for one is under way. */
  joined: JoinedPartitions | undefined;
  /** When it is looked at whether its time is over; that of an id without a transaction may still wait. */
  timeout: Deadline | undefined;
  /** Which transaction was looked at last, by its beginning, and since when this broker has known of it. */
  #watched = { startMs: -1, sinceMs: -1 };
  readonly #settled: (() => void)[] = [];
  readonly #written: (() => void)[] = [];

  constructor(id: string, now: TransactionImage) {
    this.id = id;
    this.now = now;
  }

  /** Whether its outcome is decided, and its markers are under way. */
  get isPrepared(): boolean {
    return isPrepared(this.now.state);
  }

  /** Whether nobody may begin anything with it now. */
  get isBusy(): boolean {
    return this.pending !== undefined || this.isPrepared;
  }

  /**
   * How long the transaction is open by now: by the calendar, or by how long it has been looked at, whichever is longer. A calendar that was
   * set back would have readers wait for a transaction of which nobody is left until it comes to where it was.
   */
  openMs(nowMs: number, monotonicMs: number): number {
    const { startMs } = this.now;
    if (this.#watched.startMs !== startMs) this.#watched = { startMs, sinceMs: monotonicMs };
    return Math.max(nowMs - startMs, monotonicMs - this.#watched.sinceMs);
  }

  /** Calls `then` once, when the transaction is complete or given up here. */
  onSettled(then: () => void): void {
    this.#settled.push(then);
  }

  /** It is complete, or given up here. */
  settle(): void {
    for (const then of this.#settled.splice(0)) then();
    this.written();
  }

  /** Calls `then` once, when what is pending has been written or has failed. */
  onWritten(then: () => void): void {
    this.#written.push(then);
  }

  /** What was pending has been written or has failed. */
  written(): void {
    for (const then of this.#written.splice(0)) then();
  }
}

/** A transactional id that nobody has used yet: epoch -1, so that the first to come gets 0. */
export function newTransaction(producerId: number, timeoutMs: number, nowMs: number): TransactionImage {
  return {
    state: TransactionState.EMPTY,
    producerId,
    previousProducerId: -1,
    nextProducerId: -1,
    epoch: -1,
    lastEpoch: -1,
    isRaised: false,
    timeoutMs,
    partitions: NO_PARTITIONS,
    startMs: -1,
    updateMs: nowMs,
  };
}

/** Whether a transaction's outcome is decided in a state, and not carried out everywhere. */
export function isPrepared(state: TransactionState): boolean {
  return state === TransactionState.PREPARE_COMMIT || state === TransactionState.PREPARE_ABORT;
}

/** Whether a producer's next epoch would be its last. */
export function isExhausted(epoch: number): boolean {
  return epoch >= EPOCH_EXHAUSTED;
}

/** The partitions with some more; the same map when all of them are in it. */
export function withPartitions(known: PartitionsByTopic, added: PartitionsByTopic): PartitionsByTopic {
  let all: Map<string, ReadonlySet<number>> | undefined;
  for (const [topic, partitions] of added) {
    const before = known.get(topic);
    if (before !== undefined && [...partitions].every((partition) => before.has(partition))) continue;
    all ??= new Map(known);
    all.set(topic, new Set([...(before ?? []), ...partitions]));
  }
  return all ?? known;
}
