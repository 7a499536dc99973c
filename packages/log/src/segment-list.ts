import type { Segment } from './segment.ts';

/** The segments of a log in the order of their base offsets. There is always one: the last, which is appended to. */
export class SegmentList {
  #segments: Segment[];
  #replacements = 0;

  constructor(segments: Segment[]) {
    this.#segments = segments;
  }

  get all(): readonly Segment[] {
    return this.#segments;
  }

  get count(): number {
    return this.#segments.length;
  }

  get first(): Segment {
    return this.#segments[0]!;
  }

  /** The segment that is appended to. */
  get active(): Segment {
    return this.#segments.at(-1)!;
  }

  /** Bytes of all segments, what waits to be written included. */
  get sizeBytes(): number {
    let sum = 0;
    for (const segment of this.#segments) sum += segment.sizeBytes;
    return sum;
  }

  /** Where an offset is looked for: the last segment that does not begin behind it. -1 when all do. */
  indexOf(offset: number): number {
    let low = 0;
    let high = this.#segments.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (this.#segments[middle]!.baseOffset <= offset) low = middle + 1;
      else high = middle - 1;
    }
    return high;
  }

  at(index: number): Segment | undefined {
    return this.#segments[index];
  }

  /** The segment behind another; undefined behind the last, or when the other is gone. */
  after(segment: Segment): Segment | undefined {
    return this.#segments[this.indexOf(segment.baseOffset) + 1];
  }

  /** Whether a segment is (still) one of these. */
  has(segment: Segment): boolean {
    return this.#segments[this.indexOf(segment.baseOffset)] === segment;
  }

  /** How often segments were replaced: who sees it change while he reads must look again. */
  get replacements(): number {
    return this.#replacements;
  }

  /** Puts one segment in the place of neighbours. Who goes through {@link all} meanwhile goes on with the old ones. */
  replace(group: readonly Segment[], replacement: Segment): void {
    const index = this.#segments.indexOf(group[0]!);
    this.#segments = this.#segments.toSpliced(index, group.length, replacement);
    this.#replacements += 1;
  }

  push(segment: Segment): void {
    this.#segments.push(segment);
  }

  /** Takes the first `count` out. */
  removeFirst(count: number): Segment[] {
    return this.#segments.splice(0, count);
  }

  /** Takes those out that begin at or behind `offset`. */
  removeFrom(offset: number): Segment[] {
    return this.#segments.splice(this.indexOf(offset - 1) + 1);
  }
}
