import { invariant } from '@millrace/ports';
import type { ProduceBatch, ProducerIdentity } from './produce-batch.ts';

/** Sequences wrap from 2^31 - 1 to 0, so that which of two comes first is seen in their difference. */
const SEQUENCE_MASK = 0x7fffffff;

/** The batches of one partition on their way to its leader, in order. */
export class PartitionQueue {
  readonly topic: string;
  readonly partition: number;
  /** The batch that takes records now. */
  open: ProduceBatch | undefined;
  /** Full batches and those to be sent again, the next to go first. */
  readonly waiting: ProduceBatch[] = [];
  /** Sent and not answered yet, in the order of sending. */
  readonly inFlight: ProduceBatch[] = [];
  #batchesSent = 0;
  /** `Clock.monotonic` before which nothing is sent, after an error. */
  retryAtMs = 0;
  /** Errors in a row, which the backoff grows with. */
  failures = 0;
  /** The broker that failed it as its leader, until another one is known; -1 where there was none, undefined while all is well. */
  lostLeader: number | undefined;
  /** Another broker leads than the one that failed, and has acknowledged nothing yet: it may not have heard of it before us. */
  hasNewLeader = false;
  /** Why nothing was acknowledged of late, for those whose time ends meanwhile. */
  lastError: Error | undefined;
  /** The sequence of the next record under `identity`. */
  nextSequence = 0;
  /** The sequence after the last acknowledged record's: what the broker expects next. */
  acknowledgedSequence = 0;
  identity: ProducerIdentity | undefined;
  /** Under which identity the leader has acknowledged a batch: from then on it refuses what is out of sequence. */
  #knownIdentity: ProducerIdentity | undefined;
  /** The first batch that the broker refused for its sequence, and under which identity. */
  #gap: { readonly identity: ProducerIdentity; readonly order: number } | undefined;

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  get isIdle(): boolean {
    return this.open === undefined && this.waiting.length === 0 && this.inFlight.length === 0;
  }

  /** Every batch here, oldest first. */
  batches(): ProduceBatch[] {
    const batches = [...this.inFlight, ...this.waiting];
    if (this.open !== undefined) batches.push(this.open);
    return batches;
  }

  /** Moves the open batch to those that wait to be sent. */
  seal(): void {
    const { open } = this;
    if (open === undefined) return;
    invariant(() => open.recordCount > 0, 'no batch waits to be sent without a record');
    this.waiting.push(open);
    this.open = undefined;
  }

  /** Forgets a batch whose first record was refused: nothing would ever be sent of it, nor anybody be told. */
  dropEmptyOpen(): void {
    if (this.open?.recordCount === 0) this.open = undefined;
  }

  /** The oldest batch that is not in flight. */
  get head(): ProduceBatch | undefined {
    return this.waiting[0] ?? this.open;
  }

  /**
   * Puts a batch whose sending failed back where it belongs: in front, behind those that were sent before it. Batches in
   * flight may fail in any order, and the first sent has to go first again.
   */
  putBack(batch: ProduceBatch): void {
    invariant(() => !batch.isDone, 'a batch whose records know what became of them is not sent again');
    invariant(
      () => !this.inFlight.includes(batch) && !this.waiting.includes(batch),
      'a batch is in one place at a time',
    );
    let at = 0;
    while (at < this.waiting.length && this.waiting[at]!.attempts > 0 && wasSentBefore(this.waiting[at]!, batch))
      at += 1;
    this.waiting.splice(at, 0, batch);
  }

  removeInFlight(batch: ProduceBatch): void {
    const at = this.inFlight.indexOf(batch);
    if (at >= 0) this.inFlight.splice(at, 1);
  }

  /**
   * The broker has refused a batch for its sequence, so it is not in the log; and nor is any later one of the same identity,
   * whatever became of its answer, for it would have left a gap. All of them may take new sequences.
   */
  openGap(batch: ProduceBatch): void {
    const { identity, order } = batch;
    if (identity !== undefined) {
      if (this.#gap === undefined || this.#gap.identity !== identity || this.#gap.order > order) {
        this.#gap = { identity, order };
      }
      for (const later of this.waiting) if (this.isBeyondGap(later)) later.clearSequence();
    }
    batch.clearSequence();
  }

  /** Whether a batch was sent behind one that the broker refused for its sequence. */
  isBeyondGap(batch: ProduceBatch): boolean {
    return this.#gap !== undefined && batch.identity === this.#gap.identity && batch.order > this.#gap.order;
  }

  /**
   * Whether the leader knows this producer. One that does not takes whatever sequence comes first for the beginning
   * (`ProducerAppendInfo.checkSequence`): a batch behind one that failed would get into the log before it.
   */
  get isKnownToLeader(): boolean {
    return this.identity !== undefined && this.#knownIdentity === this.identity;
  }

  /** Takes note that a batch was acknowledged: what sequence the leader expects next. */
  acknowledged(batch: ProduceBatch): void {
    if (batch.baseSequence < 0 || batch.identity !== this.identity) return;
    this.acknowledgedSequence = batch.nextSequence;
    this.#knownIdentity = batch.identity;
  }

  /** Whether a batch lies behind what the leader expects next: one that was sent later is in the log already. */
  isOvertaken(batch: ProduceBatch): boolean {
    const ahead = (batch.baseSequence - this.acknowledgedSequence) & SEQUENCE_MASK;
    return batch.identity === this.identity && ahead > SEQUENCE_MASK / 2;
  }

  sent(batch: ProduceBatch): void {
    batch.place = this.#batchesSent;
    this.#batchesSent += 1;
    this.inFlight.push(batch);
  }

  /** How many batches were sent since the oldest that is not answered, which counts. */
  get sentSinceOldest(): number {
    const [oldest] = this.inFlight;
    return oldest === undefined ? 0 : this.#batchesSent - oldest.place;
  }

  /** Stamps the batch with the next sequence, unless it was stamped when it was first sent. */
  assignSequence(batch: ProduceBatch, identity: ProducerIdentity): void {
    if (batch.baseSequence >= 0) return;
    if (this.identity !== identity) {
      this.identity = identity;
      this.nextSequence = 0;
      this.acknowledgedSequence = 0;
    }
    batch.assignSequence(identity, this.nextSequence);
    this.nextSequence = batch.nextSequence;
  }
}

/** Batches of a partition are opened one after the other, so that their order of opening is their order. */
function wasSentBefore(one: ProduceBatch, other: ProduceBatch): boolean {
  return one.order < other.order;
}
