import type { ProducerEntry } from '../producer-entry.ts';
import type { AbortedEntry } from '../transaction-index.ts';
import type { AbortedList } from './cleaned-transactions.ts';

/** Numbers to an aborted transaction: producer id, first offset, last offset, last stable offset. */
const ABORTED_WIDTH = 4;
/** Numbers to a producer: id, epoch, last offset. */
const PRODUCER_WIDTH = 3;

/** Aborted transactions in memory that threads share. */
export class SharedAborted implements AbortedList {
  readonly length: number;
  readonly #numbers: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#numbers = new Float64Array(memory);
    this.length = this.#numbers.length / ABORTED_WIDTH;
  }

  static memory(entries: readonly AbortedEntry[]): SharedArrayBuffer {
    return sharedNumbers(
      entries.map(({ producerId, firstOffset, lastOffset, lastStableOffset }) => [
        producerId,
        firstOffset,
        lastOffset,
        lastStableOffset,
      ]),
    );
  }

  at(index: number): AbortedEntry | undefined {
    if (index < 0 || index >= this.length) return undefined;
    const [producerId = 0, firstOffset = 0, lastOffset = 0, lastStableOffset = 0] = this.#numbers.subarray(
      index * ABORTED_WIDTH,
      (index + 1) * ABORTED_WIDTH,
    );
    return { producerId, firstOffset, lastOffset, lastStableOffset };
  }
}

/**
 * Where the producers of a log stood when its cleaning began, in memory that threads share. What a producer has written since lies
 * behind what is cleaned, so that keeping the header of the batch that was its last then does no harm.
 */
export class ProducerEnds {
  readonly #numbers: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#numbers = new Float64Array(memory);
  }

  static memory(producers: Iterable<ProducerEntry>): SharedArrayBuffer {
    const sorted = [...producers].sort((a, b) => a.producerId - b.producerId);
    return sharedNumbers(sorted.map(({ producerId, epoch, lastOffset }) => [producerId, epoch, lastOffset]));
  }

  /** Offset of the producer's last record, -1 when there is none of its epoch; undefined when it is not known. */
  lastOffsetOf(producerId: number): number | undefined {
    const at = this.#find(producerId);
    return at < 0 ? undefined : this.#numbers[at + 2];
  }

  epochOf(producerId: number): number | undefined {
    const at = this.#find(producerId);
    return at < 0 ? undefined : this.#numbers[at + 1];
  }

  #find(producerId: number): number {
    let low = 0;
    let high = this.#numbers.length / PRODUCER_WIDTH - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = this.#numbers[middle * PRODUCER_WIDTH]!;
      if (found === producerId) return middle * PRODUCER_WIDTH;
      if (found < producerId) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }
}

function sharedNumbers(rows: readonly (readonly number[])[]): SharedArrayBuffer {
  const numbers = rows.flat();
  const memory = new SharedArrayBuffer(numbers.length * Float64Array.BYTES_PER_ELEMENT);
  new Float64Array(memory).set(numbers);
  return memory;
}
