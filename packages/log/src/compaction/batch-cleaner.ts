import {
  BatchFilter,
  batchBaseOffset,
  batchBaseTimestamp,
  batchHasDeleteHorizon,
  batchIsControl,
  batchLastOffset,
  batchLastOffsetDelta,
  batchProducerEpoch,
  batchProducerId,
  batchRecordCount,
  batchSizeBytes,
  NO_PRODUCER_ID,
  type RecordCursor,
  RecordsError,
} from '@millrace/records';
import type { CleanedTransactions } from './cleaned-transactions.ts';
import type { OffsetMap } from './offset-map.ts';
import type { ProducerEnds } from './shared-lists.ts';

/** What decides about records and batches while a log is cleaned. */
export interface CleaningRules {
  readonly newest: OffsetMap;
  /** The offset up to which `newest` knows all records; what lies behind stays as it is. */
  readonly knownUpTo: number;
  readonly transactions: CleanedTransactions;
  readonly producers: ProducerEnds;
  readonly nowMs: number;
  /** `delete.retention.ms` */
  readonly deleteRetentionMs: number;
}

/** What the cleaning of batches came to. */
export interface CleaningCounts {
  recordsRead: number;
  recordsKept: number;
  /** Batches that were left out or written otherwise than they were. */
  batchesChanged: number;
  /** Batches whose records nobody can read: they stay as they are. */
  batchesUnread: number;
}

export const NOTHING_COUNTED: Readonly<CleaningCounts> = {
  recordsRead: 0,
  recordsKept: 0,
  batchesChanged: 0,
  batchesUnread: 0,
};

/**
 * Decides what of a batch stays (Kafka's `Cleaner.cleanInto`): of each key the newest record; a tombstone until its delete horizon
 * has passed, and a marker until nothing of its transaction is left and the same; nothing of aborted transactions. A batch
 * that nothing is left of goes, unless its header is needed: it holds the last sequence number of its producer, or tells where
 * the segments end that are replaced.
 */
export class BatchCleaner {
  readonly #rules: CleaningRules;
  readonly counts: CleaningCounts = { ...NOTHING_COUNTED };

  constructor(rules: CleaningRules) {
    this.#rules = rules;
  }

  /**
   * What is written for a batch: the bytes as they are, other ones, or nothing. A batch whose records cannot be read, with a right
   * CRC, is what its producer made of it; it stays, and keeps nobody else's records from being cleaned.
   *
   * @param endsGroup whether it is the last batch of the segments that are replaced
   */
  clean(buffer: Buffer, at: number, endsGroup: boolean): Buffer | undefined {
    const batch = buffer.subarray(at, at + batchSizeBytes(buffer, at));
    const { counts } = this;
    let cleaned: Buffer | undefined = batch;
    try {
      cleaned = batchIsControl(batch, 0) ? this.#cleanMarker(batch, endsGroup) : this.#cleanRecords(batch, endsGroup);
    } catch (error) {
      if (!(error instanceof RecordsError)) throw error;
      counts.batchesUnread += 1;
    }
    counts.recordsRead += batchRecordCount(batch, 0);
    if (cleaned !== undefined) counts.recordsKept += batchRecordCount(cleaned, 0);
    if (cleaned !== batch) counts.batchesChanged += 1;
    return cleaned;
  }

  #cleanMarker(batch: Buffer, endsGroup: boolean): Buffer | undefined {
    const isObsolete = this.#rules.transactions.isObsoleteMarker(batch, 0);
    if (batchRecordCount(batch, 0) === 0) return endsGroup ? batch : undefined;
    // The epoch of a producer that has written nothing with it stands in its marker only.
    if (!isObsolete || this.#isLastMarkerOfProducer(batch)) return batch;
    if (!batchHasDeleteHorizon(batch, 0)) return this.#withHorizon(batch);
    if (this.#rules.nowMs < batchBaseTimestamp(batch, 0)) return batch;
    return endsGroup ? emptied(batch) : undefined;
  }

  #withHorizon(batch: Buffer): Buffer {
    const horizonMs = this.#newHorizonMs();
    if (horizonMs === undefined) return batch;
    const filter = new BatchFilter(batch);
    while (filter.next()) filter.keep();
    return filter.build(horizonMs);
  }

  #cleanRecords(batch: Buffer, endsGroup: boolean): Buffer | undefined {
    const isAborted = this.#rules.transactions.isAborted(batch, 0);
    const mustStay = endsGroup || this.#isLastOfProducer(batch);
    if (batchRecordCount(batch, 0) === 0) return mustStay ? batch : undefined;
    if (isAborted) return mustStay ? emptied(batch) : undefined;
    return this.#filtered(batch, mustStay);
  }

  #filtered(batch: Buffer, mustStay: boolean): Buffer | undefined {
    const { knownUpTo } = this.#rules;
    const lastOffset = batchLastOffset(batch, 0);
    if (lastOffset - batchLastOffsetDelta(batch, 0) > knownUpTo) return batch;
    const filter = new BatchFilter(batch);
    const { record } = filter;
    const isPastHorizon = batchHasDeleteHorizon(batch, 0) && this.#rules.nowMs >= batchBaseTimestamp(batch, 0);
    checkOrder(record, batch);
    record.rewind();
    let tombstones = 0;
    while (filter.next()) {
      if (record.offset <= knownUpTo) {
        const isTombstone = record.valueBytes < 0;
        if (isTombstone && isPastHorizon) continue;
        const key = record.key();
        if (key === null || this.#rules.newest.get(key) > record.offset) continue;
        if (isTombstone) tombstones += 1;
      }
      filter.keep();
    }
    if (filter.keptCount === 0) return mustStay ? filter.build() : undefined;
    // A batch that is known in part only gets its horizon when the rest of it is cleaned.
    const needsHorizon = tombstones > 0 && !batchHasDeleteHorizon(batch, 0) && lastOffset <= knownUpTo;
    const horizonMs = needsHorizon ? this.#newHorizonMs() : undefined;
    if (filter.keptCount === record.recordCount && horizonMs === undefined) return batch;
    return filter.build(horizonMs);
  }

  /** When what is first seen now may go; undefined for a time that never comes. */
  #newHorizonMs(): number | undefined {
    const horizonMs = this.#rules.nowMs + this.#rules.deleteRetentionMs;
    return Number.isSafeInteger(horizonMs) ? horizonMs : undefined;
  }

  /** Whether the batch holds the last sequence number that its producer has used. */
  #isLastOfProducer(batch: Buffer): boolean {
    const producerId = batchProducerId(batch, 0);
    if (producerId === NO_PRODUCER_ID) return false;
    return this.#rules.producers.lastOffsetOf(producerId) === batchLastOffset(batch, 0);
  }

  #isLastMarkerOfProducer(batch: Buffer): boolean {
    const { producers } = this.#rules;
    const producerId = batchProducerId(batch, 0);
    const lastOffset = producers.lastOffsetOf(producerId);
    return lastOffset !== undefined && lastOffset < 0 && producers.epochOf(producerId) === batchProducerEpoch(batch, 0);
  }
}

/**
 * Goes over all records of a batch: they can be read, and their offsets rise within the batch's. One that claims to be of later would
 * take away what others wrote there.
 *
 * @throws RecordsError where it is not so
 */
export function checkOrder(cursor: RecordCursor, batch: Buffer): void {
  const lastOffset = batchLastOffset(batch, 0);
  let offset = batchBaseOffset(batch, 0) - 1;
  while (cursor.next()) {
    if (cursor.offset <= offset || cursor.offset > lastOffset) {
      throw new RecordsError(
        'RECORDS_CORRUPT',
        `A record claims offset ${cursor.offset} in a batch up to ${lastOffset}`,
      );
    }
    offset = cursor.offset;
  }
}

function emptied(batch: Buffer): Buffer {
  return new BatchFilter(batch).build();
}
