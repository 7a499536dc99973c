/** A partition's log for tests: what was appended, epochs, transactions; and who leads it. Not part of the package. */
import {
  buildEndTxnMarker,
  Compression,
  RecordBatchBuilder,
  setBatchBaseOffset,
  setBatchLeaderEpoch,
} from '@millrace/records';

interface StoredBatch {
  bytes: Buffer;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly epoch: number;
}

interface OpenTransaction {
  readonly firstOffset: number;
}

export interface AppendOptions {
  readonly producerId?: number;
  readonly transactional?: boolean;
  readonly compression?: Compression;
  readonly timestamp?: number;
}

export class FakeLog {
  readonly batches: StoredBatch[] = [];
  readonly aborted: { producerId: number; firstOffset: number; lastOffset: number }[] = [];
  readonly epochs: { epoch: number; startOffset: number }[] = [{ epoch: 0, startOffset: 0 }];
  readonly #open = new Map<number, OpenTransaction>();
  logStartOffset = 0;
  endOffset = 0;
  leaderId: number;
  leaderEpoch = 0;
  /** What fetches from the leader answer instead of records; 0 for records. */
  errorCode = 0;
  preferredReplica = -1;
  /** What the preferred replica answers instead of records; 0 for records. */
  replicaErrorCode = 0;

  constructor(leaderId: number) {
    this.leaderId = leaderId;
  }

  get lastStableOffset(): number {
    return Math.min(this.endOffset, ...[...this.#open.values()].map(({ firstOffset }) => firstOffset));
  }

  /** Appends one batch; returns the offset of its first record. */
  append(values: readonly string[], options: AppendOptions = {}): number {
    const builder = new RecordBatchBuilder();
    for (const value of values) builder.append(options.timestamp ?? 1_700_000_000_000, null, value);
    const { producerId = -1, transactional = false, compression = Compression.NONE } = options;
    const baseOffset = this.endOffset;
    if (transactional && !this.#open.has(producerId)) this.#open.set(producerId, { firstOffset: baseOffset });
    this.#store(
      builder.build({ producerId, producerEpoch: 0, isTransactional: transactional, compression }),
      values.length,
    );
    return baseOffset;
  }

  /** Ends the producer's transaction with a marker. */
  endTransaction(producerId: number, committed: boolean): void {
    const open = this.#open.get(producerId);
    const marker = { producerId, producerEpoch: 0, timestampMs: 1_700_000_000_000, coordinatorEpoch: 0 };
    const offset = this.endOffset;
    this.#store(buildEndTxnMarker({ ...marker, type: committed ? 1 : 0 }), 1);
    this.#open.delete(producerId);
    if (open !== undefined && !committed) {
      this.aborted.push({ producerId, firstOffset: open.firstOffset, lastOffset: offset });
    }
  }

  /** A new leader: every batch from now on is of its epoch. */
  elect(leaderId: number): void {
    this.leaderId = leaderId;
    this.leaderEpoch += 1;
    this.epochs.push({ epoch: this.leaderEpoch, startOffset: this.endOffset });
  }

  /** Loses what is at `offset` and above, as after an unclean election. */
  truncate(offset: number): void {
    while ((this.batches.at(-1)?.baseOffset ?? -1) >= offset) this.batches.pop();
    this.endOffset = Math.max(offset, this.batches.at(-1)?.lastOffset ?? -1);
    for (const epoch of this.epochs) if (epoch.startOffset > offset) epoch.startOffset = offset;
  }

  deleteBefore(offset: number): void {
    this.logStartOffset = offset;
    while ((this.batches[0]?.lastOffset ?? Number.POSITIVE_INFINITY) < offset) this.batches.shift();
  }

  /** Where the log ends the largest epoch that is not above the given one. */
  endOfEpoch(epoch: number): { epoch: number; endOffset: number } {
    const at = this.epochs.findLastIndex((one) => one.epoch <= epoch);
    const found = this.epochs[at];
    if (found === undefined) return { epoch: -1, endOffset: -1 };
    return { epoch: found.epoch, endOffset: this.epochs[at + 1]?.startOffset ?? this.endOffset };
  }

  read(offset: number, bytesMax: number, readCommitted: boolean) {
    const end = readCommitted ? this.lastStableOffset : this.endOffset;
    const read: Buffer[] = [];
    let bytes = 0;
    let last = offset;
    for (const batch of this.batches) {
      if (batch.lastOffset < offset || batch.baseOffset >= end) continue;
      if (bytes > 0 && bytes + batch.bytes.length > bytesMax) break;
      // Copies, so that a test that damages what was fetched does not damage the log.
      read.push(Buffer.from(batch.bytes));
      bytes += batch.bytes.length;
      last = batch.lastOffset;
    }
    const aborted = this.aborted.filter(({ firstOffset, lastOffset }) => firstOffset <= last && lastOffset >= offset);
    return { records: Buffer.concat(read), aborted };
  }

  #store(bytes: Buffer, count: number): void {
    setBatchBaseOffset(bytes, 0, this.endOffset);
    setBatchLeaderEpoch(bytes, 0, this.leaderEpoch);
    this.batches.push({
      bytes,
      baseOffset: this.endOffset,
      lastOffset: this.endOffset + count - 1,
      epoch: this.leaderEpoch,
    });
    this.endOffset += count;
  }
}
