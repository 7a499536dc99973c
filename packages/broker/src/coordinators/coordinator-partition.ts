import type { WriteQueue } from './write-queue.ts';

/** One partition of a coordinator's topic that this broker leads, with what the coordinator knows from it. */
export interface CoordinatorPartition<State> {
  readonly index: number;
  leaderEpoch: number;
  /** Its state is still being read; requests for what it holds are put off. */
  loading: boolean;
  state: State;
  readonly writes: WriteQueue;
}

/** Rebuilds the state of a partition from its batches. */
export interface StateLoader<State> {
  /** How many records were read. */
  readonly recordCount: number;
  /** Takes in whole batches, in order; nothing of the buffer is kept. */
  addBatches(batches: Buffer): void;
  /** The state as it was left. */
  finish(): State;
}

/** The coordinator whose state the partitions of a topic hold: of groups, of transactions. */
export interface StateOwner<State> {
  /**
   * Whether what is in memory belongs to one term of leadership: an election with a higher epoch has it read anew, whoever led in
   * between.
   */
  readonly isBoundToTerm?: boolean;
  /** The state of a partition that holds nothing. */
  empty(): State;
  newLoader(): StateLoader<State>;
  /** How many groups, or whatever the state consists of; for the log. */
  countOf(state: State): number;
  /** The state has been read: its timeouts begin. */
  resume(state: State, partition: CoordinatorPartition<State>): void;
  /** This broker coordinates it no longer: everybody who waits is told so with the code. */
  drop(state: State, errorCode: number): void;
}
