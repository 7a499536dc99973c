import { crc32 } from 'node:zlib';
import { batchIsControl, batchIsTransactional, batchLeaderEpoch, readRecords } from '@millrace/records';
import type { StoredBatch } from './stored-batches.ts';

/** What one replica has of a partition's committed prefix: the part below the high watermark. */
export interface PrefixPart {
  readonly broker: number;
  /** Its batches, in their order, those before {@link from} left out. */
  readonly batches: readonly StoredBatch[];
  readonly from: number;
  /** The end of the committed prefix. */
  readonly end: number;
  /** What lies before this is deleted, and of no account any more. */
  readonly logStartOffset: number;
}

/** How a replica's part of the committed prefix is not that of the others. */
export interface Difference {
  readonly anomaly: 'taken-back' | 'diverged';
  readonly message: string;
}

/** The committed prefix of one partition, as the replicas in sync have shown it. */
export interface CommittedPrefix {
  /** Holds a replica's part against what was committed before; what is new in it is what others are held against from now on. */
  hold(part: PrefixPart): Difference | undefined;
  /** Holds a whole log that lies at rest against all that was committed, where it takes that to see what it lacks. */
  holdAtRest(part: PrefixPart): Difference | undefined;
}

interface Known {
  readonly hash: number;
  readonly by: number;
}

/**
 * Of a log from which nothing goes but its beginning: every replica in sync has the same batches, to the byte, without a hole. Kept are their
 * hashes by base offset, so that a look at a log that has grown costs no more than what is new in it.
 */
export class CommittedBatches implements CommittedPrefix {
  readonly #known = new Map<number, Known>();
  #end = 0;
  /** Where any of the logs has begun: what was deleted there before it was looked at is not known. */
  #start = 0;

  hold({ broker, batches, from, end, logStartOffset }: PrefixPart): Difference | undefined {
    this.#start = Math.max(this.#start, logStartOffset);
    let expected = from;
    for (const { baseOffset, endOffset, bytes } of batches) {
      if (endOffset > end) break;
      if (endOffset <= logStartOffset) continue;
      const isHole = baseOffset > expected && baseOffset > logStartOffset;
      if (isHole) return lacks(broker, expected, baseOffset);
      const difference = this.#holdOne(broker, baseOffset, endOffset, crc32(bytes));
      if (difference !== undefined) return difference;
      expected = endOffset;
    }
    return expected < end && logStartOffset < end ? lacks(broker, expected, end) : undefined;
  }

  holdAtRest(part: PrefixPart): Difference | undefined {
    return this.hold(part);
  }

  #holdOne(broker: number, baseOffset: number, endOffset: number, hash: number): Difference | undefined {
    const known = this.#known.get(baseOffset);
    if (known === undefined && baseOffset < this.#end && endOffset > this.#start) {
      const message = `broker ${broker} has a batch of its own at offset ${baseOffset}, below the high watermark`;
      return { anomaly: 'diverged', message };
    }
    if (known === undefined) {
      this.#known.set(baseOffset, { hash, by: broker });
      this.#end = Math.max(this.#end, endOffset);
      return undefined;
    }
    return known.hash === hash ? undefined : differs(broker, known.by, baseOffset);
  }
}

/**
 * Of a log that is compacted, each broker at its time: a record that two replicas have is the same in both. At rest every replica has the last
 * record of each key, unless that says that the key is gone, or was written in a transaction, which may have been aborted.
 */
export class CommittedRecords implements CommittedPrefix {
  readonly #known = new Map<number, Known>();
  /** By key, the offset of the last record; undefined where it may go. */
  readonly #last = new Map<string, number | undefined>();
  #end = 0;

  hold({ broker, batches, end, logStartOffset }: PrefixPart): Difference | undefined {
    for (const { endOffset, bytes } of batches) {
      if (endOffset > end) break;
      if (endOffset <= logStartOffset) continue;
      const isControl = batchIsControl(bytes, 0);
      const isLasting = !isControl && !batchIsTransactional(bytes, 0);
      const epoch = batchLeaderEpoch(bytes, 0);
      for (const { offset, key, value } of readRecords(bytes)) {
        const known = this.#known.get(offset);
        const hash = crc32(value ?? 'null', crc32(key ?? 'null', epoch + 1));
        if (known !== undefined && known.hash !== hash) return differs(broker, known.by, offset);
        if (known === undefined) this.#known.set(offset, { hash, by: broker });
        if (offset < this.#end || isControl || key === null) continue;
        this.#last.set(key.toString('latin1'), isLasting && value !== null ? offset : undefined);
      }
      this.#end = Math.max(this.#end, endOffset);
    }
    return undefined;
  }

  holdAtRest(part: PrefixPart): Difference | undefined {
    const difference = this.hold(part);
    if (difference !== undefined) return difference;
    const offsets = new Set(part.batches.flatMap(({ bytes }) => readRecords(bytes).map(({ offset }) => offset)));
    for (const offset of this.#last.values()) {
      if (offset === undefined || offset < part.logStartOffset || offset >= part.end) continue;
      if (!offsets.has(offset)) return lacks(part.broker, offset, offset + 1);
    }
    return undefined;
  }
}

function lacks(broker: number, from: number, to: number): Difference {
  const message = `the files of broker ${broker}, which is in sync, lack what was committed from offset ${from} to ${to}`;
  return { anomaly: 'taken-back', message };
}

function differs(broker: number, other: number, offset: number): Difference {
  return { anomaly: 'diverged', message: `brokers ${broker} and ${other} differ at offset ${offset}` };
}
