import { ErrorCode } from '@millrace/protocol';
import {
  batchBaseOffset,
  batchBaseSequence,
  batchIsTransactional,
  batchLastOffset,
  batchLastSequence,
  batchMaxTimestamp,
  batchProducerEpoch,
  batchProducerId,
} from '@millrace/records';
import { endMarkerOf } from './end-marker.ts';
import type { ProducerDescription, VerificationGuard, VerifiedBatch } from './log-types.ts';
import { type CompletedTransaction, OpenTransactions } from './open-transactions.ts';
import { type ProducedBatch, ProducerEntry } from './producer-entry.ts';
import { type ProducerStep, ProducerSteps } from './producer-steps.ts';

/** Of the producers that may be known: how many are forgotten when there is no room for one more. */
const FORGOTTEN_SHARE = 0.1;

/** Of so many producers whose first batch was not taken yet, the sequence number is remembered: some 100 bytes each. */
const FIRST_SEQUENCES_MAX = 10_000;

/** Goes with batches whose transaction was seen open: nobody need be asked for it, and they may not begin one if it ends before their turn. */
const GOING_ON: VerificationGuard = { producerId: -1, isRaising: false };

/** Why a batch of an idempotent producer is refused. */
export interface SequenceRefusal {
  readonly errorCode: number;
  readonly message: string;
}

/**
 * What a log knows of the idempotent producers that write to it: epochs, the last sequence numbers, open transactions
 * (Kafka's `ProducerStateManager` and `ProducerAppendInfo`). Works on batch headers; synchronous throughout.
 */
export class ProducerStates {
  #producers: Map<number, ProducerEntry>;
  #transactions: OpenTransactions;
  readonly #producersMax: number;
  /** Questions whether a producer's transaction is open that are under way, or answered and not made use of. */
  readonly #guards = new Map<number, VerificationGuard>();
  /**
   * The lowest sequence number that each producer has asked for under its epoch, until something of it is written: one that is not known
   * here may begin with any, and a batch that was refused for now must not be overtaken by the one behind it (`VerificationStateEntry`).
   */
  readonly #firstSequences = new Map<number, { readonly epoch: number; readonly sequence: number }>();
  readonly #steps = new ProducerSteps();

  /** @param producersMax beyond it, those are forgotten that have not written for longest; never one with an open transaction */
  constructor(producers: Map<number, ProducerEntry> = new Map(), producersMax: number = Number.POSITIVE_INFINITY) {
    this.#producers = producers;
    this.#producersMax = producersMax;
    this.#transactions = new OpenTransactions(producers.values());
  }

  /** How many producers are known. */
  get size(): number {
    return this.#producers.size;
  }

  get entries(): ReadonlyMap<number, ProducerEntry> {
    return this.#producers;
  }

  /** Where the first transaction begins that is open, or is not known to be replicated; undefined when there is none. */
  get firstUnstableOffset(): number | undefined {
    return this.#transactions.firstUnstableOffset;
  }

  /** The batch as it was written before, when it is one of the last of its producer. */
  findDuplicate(b: Buffer, at: number): ProducedBatch | undefined {
    const entry = this.#producers.get(batchProducerId(b, at));
    return entry?.findDuplicate(batchProducerEpoch(b, at), batchBaseSequence(b, at), batchLastSequence(b, at));
  }

  /** Lets batches go on with a transaction that is open here and was begun with this epoch; undefined where there is none. */
  goOnWith(producerId: number, epoch: number): VerificationGuard | undefined {
    return isOpenIn(this.#producers.get(producerId), epoch) ? GOING_ON : undefined;
  }

  /** Begins to ask whether a producer's transaction is open; whatever is written of the producer, or cut off, makes the answer stale. */
  beginVerification({ producerId, isRaising, epoch, baseSequence }: VerifiedBatch): VerificationGuard {
    const guard = { producerId, isRaising };
    this.#guards.set(producerId, guard);
    if (baseSequence >= 0 && !isRaising) this.#noteFirstSequence(producerId, epoch, baseSequence);
    return guard;
  }

  #noteFirstSequence(producerId: number, epoch: number, sequence: number): void {
    const known = this.#firstSequences.get(producerId);
    if (known !== undefined && (known.epoch > epoch || (known.epoch === epoch && known.sequence <= sequence))) return;
    this.#firstSequences.set(producerId, { epoch, sequence });
    if (this.#firstSequences.size <= FIRST_SEQUENCES_MAX) return;
    const [oldest] = this.#firstSequences.keys();
    if (oldest !== undefined) this.#firstSequences.delete(oldest);
  }

  #forgetQuestions(producerId: number): void {
    this.#guards.delete(producerId);
    this.#firstSequences.delete(producerId);
  }

  /** Forgets a question of which nothing came. */
  endVerification(guard: VerificationGuard): void {
    if (this.#guards.get(guard.producerId) === guard) this.#guards.delete(guard.producerId);
  }

  /** Whether a batch may begin a transaction on the strength of an answer; undefined when it may, or begins none. */
  checkGuard(
    b: Buffer,
    at: number,
    guard: VerificationGuard | undefined,
    ahead?: ProducersAhead,
  ): SequenceRefusal | undefined {
    if (guard === undefined || !batchIsTransactional(b, at)) return undefined;
    const producerId = batchProducerId(b, at);
    const entry = this.#entryAhead(producerId, ahead);
    const sequence = batchBaseSequence(b, at);
    const epoch = batchProducerEpoch(b, at);
    // Records of offsets have no sequence numbers.
    if (guard.isRaising && entry === undefined && sequence > 0) {
      return {
        errorCode: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        message: `Producer ${producerId} is not known here, and its transaction begins with sequence number ${sequence}: the batches before it are missing`,
      };
    }
    const first = this.#firstSequences.get(producerId);
    const isOvertaking = first?.epoch === epoch && sequence > first.sequence;
    if (entry === undefined && isOvertaking) {
      return {
        errorCode: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        message: `Producer ${producerId} is not known here, and would begin with sequence number ${sequence} although ${first.sequence} came first and is not written yet`,
      };
    }
    const isOpen =
      guard === GOING_ON ? isOpenIn(entry, epoch) : entry !== undefined && entry.transactionFirstOffset >= 0;
    if (isOpen || this.#guards.get(producerId) === guard) return undefined;
    const meanwhile = guard === GOING_ON ? 'the batch waited for its turn' : 'the coordinator was asked for it';
    return {
      errorCode: ErrorCode.INVALID_TXN_STATE,
      message: `The transaction of producer ${producerId} ended, or the log was cut, while ${meanwhile}`,
    };
  }

  /** Whether the producer's epoch and sequence numbers allow a batch with records; undefined when they do. */
  checkBatch(b: Buffer, at: number, checkSequence: boolean, ahead?: ProducersAhead): SequenceRefusal | undefined {
    const entry = this.#entryAhead(batchProducerId(b, at), ahead);
    if (entry === undefined) return undefined;
    const epoch = batchProducerEpoch(b, at);
    const who = `Producer ${entry.producerId}`;
    if (epoch < entry.epoch) {
      return {
        errorCode: ErrorCode.INVALID_PRODUCER_EPOCH,
        message: `${who} wrote with epoch ${epoch}, but epoch ${entry.epoch} has written since: another instance has taken over`,
      };
    }
    const sequence = batchBaseSequence(b, at);
    if (checkSequence && !entry.takesSequence(epoch, sequence)) {
      return {
        errorCode: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        message: `${who} (epoch ${epoch}) wrote sequence number ${sequence}, but ${entry.lastSequence} was its last (epoch ${entry.epoch})`,
      };
    }
    if (entry.transactionFirstOffset >= 0 && !batchIsTransactional(b, at)) {
      return {
        errorCode: ErrorCode.INVALID_TXN_STATE,
        message: `${who} has an open transaction, but wrote outside of it`,
      };
    }
    return undefined;
  }

  /** Whether a transaction's end marker may be written; undefined when it may. */
  checkMarker(b: Buffer, at: number, isRaised: boolean, ahead?: ProducersAhead): SequenceRefusal | undefined {
    const entry = this.#entryAhead(batchProducerId(b, at), ahead);
    if (entry === undefined) return undefined;
    const epoch = batchProducerEpoch(b, at);
    // Of the same epoch it was written before, unless something is open: that belongs to the next transaction.
    const isLate = isRaised && epoch === entry.epoch && entry.transactionFirstOffset >= 0;
    if (epoch < entry.epoch || isLate) {
      return {
        errorCode: ErrorCode.INVALID_PRODUCER_EPOCH,
        message: `The marker for producer ${entry.producerId} has epoch ${epoch}, but epoch ${entry.epoch} has written since`,
      };
    }
    const marker = endMarkerOf(b, at);
    if (marker !== undefined && marker.coordinatorEpoch < entry.coordinatorEpoch) {
      return {
        errorCode: ErrorCode.TRANSACTION_COORDINATOR_FENCED,
        message: `The marker for producer ${entry.producerId} is from coordinator epoch ${marker.coordinatorEpoch}, below ${entry.coordinatorEpoch}`,
      };
    }
    return undefined;
  }

  /** Notes a batch with records that has its offsets. */
  noteBatch(b: Buffer, at: number): void {
    const producerId = batchProducerId(b, at);
    const firstOffset = batchBaseOffset(b, at);
    this.#forgetQuestions(producerId);
    this.#noteStep(firstOffset, producerId);
    const entry = this.#entryOf(producerId);
    entry.addBatch(
      batchProducerEpoch(b, at),
      batchBaseSequence(b, at),
      batchLastSequence(b, at),
      firstOffset,
      batchLastOffset(b, at),
      batchMaxTimestamp(b, at),
    );
    if (batchIsTransactional(b, at) && entry.transactionFirstOffset < 0) {
      entry.transactionFirstOffset = firstOffset;
      this.#transactions.begin(producerId, firstOffset);
    }
  }

  /** Notes a batch that stands before the newest one of its producer, which a snapshot tells alone. Oldest first. */
  noteEarlierBatch(b: Buffer, at: number): void {
    const entry = this.#producers.get(batchProducerId(b, at));
    if (entry?.epoch !== batchProducerEpoch(b, at)) return;
    entry.addEarlier({
      firstSequence: batchBaseSequence(b, at),
      lastSequence: batchLastSequence(b, at),
      firstOffset: batchBaseOffset(b, at),
      lastOffset: batchLastOffset(b, at),
      timestamp: batchMaxTimestamp(b, at),
    });
  }

  /** Notes a transaction's end marker that has its offset; gives the transaction that it ends, if it wrote anything. */
  noteMarker(b: Buffer, at: number): CompletedTransaction | undefined {
    const marker = endMarkerOf(b, at);
    if (marker === undefined) return undefined;
    const offset = batchBaseOffset(b, at);
    const producerId = batchProducerId(b, at);
    this.#forgetQuestions(producerId);
    this.#noteStep(offset, producerId);
    const entry = this.#entryOf(producerId);
    entry.setEpoch(batchProducerEpoch(b, at));
    entry.coordinatorEpoch = marker.coordinatorEpoch;
    entry.lastTimestamp = batchMaxTimestamp(b, at);
    const firstOffset = entry.transactionFirstOffset;
    if (firstOffset < 0) return undefined;
    entry.transactionFirstOffset = -1;
    return this.#transactions.complete(producerId, firstOffset, offset, marker.isCommit);
  }

  #noteStep(offset: number, producerId: number): void {
    this.#steps.note({ offset, producerId, before: this.#producers.get(producerId)?.copy() });
  }

  /** What is known is that of the log up to `endOffset`, and nobody can say how it came to be. */
  beginAt(endOffset: number): void {
    this.#steps.beginAt(endOffset);
  }

  /**
   * Takes back, without a look at the log, what batches at and behind `endOffset` have changed. Tells whether it is remembered; where it
   * is not, nothing has changed.
   */
  goBackTo(endOffset: number): boolean {
    if (!this.#steps.leadBackTo(endOffset)) return false;
    this.#guards.clear();
    this.#firstSequences.clear();
    for (let step = this.#steps.popFrom(endOffset); step !== undefined; step = this.#steps.popFrom(endOffset)) {
      this.#takeBack(step);
    }
    return true;
  }

  #takeBack({ producerId, before }: ProducerStep): void {
    const openNow = this.#producers.get(producerId)?.transactionFirstOffset ?? -1;
    const openBefore = before?.transactionFirstOffset ?? -1;
    if (openNow !== openBefore && openNow >= 0) this.#transactions.revoke(openNow);
    if (openNow !== openBefore && openBefore >= 0) this.#transactions.reopen(producerId, openBefore);
    if (before === undefined) this.#producers.delete(producerId);
    else this.#producers.set(producerId, before);
  }

  /**
   * Takes over what was known of producers before the log went back to `endOffset`. The log itself may tell less: retention,
   * compaction or damage has taken batches that their producers may yet send again. Of transactions the log tells all.
   */
  takeOver(known: ProducerStates, endOffset: number): void {
    for (const entry of known.entries.values()) {
      if (entry.transactionFirstOffset >= 0 || entry.coordinatorEpoch >= 0) continue;
      const before = entry.before(endOffset);
      if (before === undefined) continue;
      const found = this.#producers.get(entry.producerId);
      // What was remembered of the batches that are gone may have taken the place of older ones, which the log still has.
      const isFoundWhole = found?.lastOffset === before.lastOffset && found.batches.length >= before.batches.length;
      if (!isFoundWhole) this.#producers.set(before.producerId, before);
    }
  }

  /** Transactions that ended below the high watermark are stable: everybody has them. Nor does anybody go back to before it. */
  highWatermarkAdvanced(highWatermark: number): void {
    this.#steps.forgetBelow(highWatermark);
    this.#transactions.forgetReplicated(highWatermark);
  }

  /** Forgets producers that have not written for long and have no open transaction. */
  removeExpired(nowMs: number, expirationMs: number): void {
    for (const entry of this.#producers.values()) {
      if (entry.transactionFirstOffset < 0 && nowMs - entry.lastTimestamp >= expirationMs) {
        this.#producers.delete(entry.producerId);
      }
    }
  }

  /** Whether a transaction is open whose producer has not written for so long (`ProducerStateManager.hasLateTransaction`). */
  hasLateTransaction(nowMs: number, lateMs: number): boolean {
    if (this.#transactions.firstUnstableOffset === undefined) return false;
    for (const { transactionFirstOffset, lastTimestamp } of this.#producers.values()) {
      if (transactionFirstOffset >= 0 && nowMs - lastTimestamp > lateMs) return true;
    }
    return false;
  }

  /** What DescribeProducers lists: those that have written with their current epoch or have a transaction open. */
  describe(): ProducerDescription[] {
    return [...this.#producers.values()].map((entry) => ({
      producerId: entry.producerId,
      producerEpoch: entry.epoch,
      lastSequence: entry.lastSequence,
      lastTimestamp: entry.lastTimestamp,
      coordinatorEpoch: entry.coordinatorEpoch,
      currentTxnStartOffset: entry.transactionFirstOffset,
    }));
  }

  /** What will be known once the first batches of an append are noted, for the checks of those behind them. */
  lookAhead(): ProducersAhead {
    return new ProducersAhead(this.#producers);
  }

  #entryAhead(producerId: number, ahead: ProducersAhead | undefined): ProducerEntry | undefined {
    return ahead?.get(producerId) ?? this.#producers.get(producerId);
  }

  /** A share of them at a time, so that the search for the oldest is paid for by many new ones. */
  #forgetOldest(): void {
    const idle = [...this.#producers.values()].filter(({ transactionFirstOffset }) => transactionFirstOffset < 0);
    // Whoever forgets the epoch of a transactional producer lets zombies by, so those go last.
    idle.sort(
      (a, b) => Number(a.coordinatorEpoch >= 0) - Number(b.coordinatorEpoch >= 0) || a.lastTimestamp - b.lastTimestamp,
    );
    const count = Math.max(1, Math.floor(this.#producersMax * FORGOTTEN_SHARE));
    for (const { producerId } of idle.slice(0, count)) this.#producers.delete(producerId);
  }

  #entryOf(producerId: number): ProducerEntry {
    let entry = this.#producers.get(producerId);
    if (entry === undefined) {
      if (this.#producers.size >= this.#producersMax) this.#forgetOldest();
      entry = new ProducerEntry(producerId);
      this.#producers.set(producerId, entry);
    }
    return entry;
  }
}

/** Producers as they will be, beside those as they are: nothing is noted before all of an append is certain. */
export class ProducersAhead {
  readonly #now: ReadonlyMap<number, ProducerEntry>;
  readonly #ahead = new Map<number, ProducerEntry>();

  constructor(now: ReadonlyMap<number, ProducerEntry>) {
    this.#now = now;
  }

  get(producerId: number): ProducerEntry | undefined {
    return this.#ahead.get(producerId);
  }

  noteBatch(b: Buffer, at: number): void {
    const entry = this.#entryOf(batchProducerId(b, at));
    const lastSequence = batchLastSequence(b, at);
    // Where it will be does not matter for what comes behind it.
    entry.addBatch(batchProducerEpoch(b, at), batchBaseSequence(b, at), lastSequence, 0, 0, batchMaxTimestamp(b, at));
    if (batchIsTransactional(b, at) && entry.transactionFirstOffset < 0) entry.transactionFirstOffset = 0;
  }

  noteMarker(b: Buffer, at: number): void {
    const marker = endMarkerOf(b, at);
    if (marker === undefined) return;
    const entry = this.#entryOf(batchProducerId(b, at));
    entry.setEpoch(batchProducerEpoch(b, at));
    entry.coordinatorEpoch = marker.coordinatorEpoch;
    entry.transactionFirstOffset = -1;
  }

  #entryOf(producerId: number): ProducerEntry {
    let entry = this.#ahead.get(producerId);
    if (entry === undefined) {
      entry = this.#now.get(producerId)?.copy() ?? new ProducerEntry(producerId);
      this.#ahead.set(producerId, entry);
    }
    return entry;
  }
}

function isOpenIn(entry: ProducerEntry | undefined, epoch: number): boolean {
  return entry !== undefined && entry.transactionFirstOffset >= 0 && entry.epoch === epoch;
}
