/** What a read has come by of some ranges: which records it has looked at, and which of them were worth making. */
import type { TopicPartition, UnmadeRecord } from '@millrace/consumer';
import type { RecordToShow } from './shown.ts';
import type { TextPlaces } from './text-places.ts';

export type Records = readonly RecordToShow[];

/** What has come of one partition at once. */
export interface Portion {
  readonly partition: number;
  /** Those that may be wanted: all, where their bytes tell nothing. */
  readonly records: Records;
  /** Which each of them is of those that were looked at, from 0. */
  readonly indexes: readonly number[];
  /** How many were looked at. */
  readonly count: number;
  /** The offset after the last that was looked at; 0 for none. */
  readonly next: number;
}

/** Looks at records as they lie: before the end of their range, and for what is looked for. */
export class LookedThrough {
  /** Where the partitions end that are not through. */
  readonly #ends: ReadonlyMap<number, number>;
  readonly #places: TextPlaces | undefined;
  #indexes: number[] = [];
  #count = 0;
  #next = 0;

  constructor(ends: ReadonlyMap<number, number>, places: TextPlaces | undefined) {
    this.#ends = ends;
    this.#places = places;
  }

  /** Whether a record is worth making. */
  isWanted(record: UnmadeRecord, { partition }: TopicPartition): boolean {
    if (record.offset >= (this.#ends.get(partition) ?? 0)) return false;
    const isWanted = this.#places?.mayBeIn(record) ?? true;
    if (isWanted) this.#indexes.push(this.#count);
    this.#count += 1;
    this.#next = record.offset + 1;
    return isWanted;
  }

  /** What was looked at since the last portion, and what was made of it. */
  portion(partition: number, records: Records): Portion {
    const portion = { partition, records, indexes: this.#indexes, count: this.#count, next: this.#next };
    this.#indexes = [];
    this.#count = 0;
    this.#next = 0;
    return portion;
  }
}
