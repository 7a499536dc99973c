/** Where a live tail is, so that one that was cut off goes on where it was and not where the topic ends by then. */
import type { TailGap } from '../api/contract.ts';
import { cursorOf, type Readable, readCursor } from './ranges.ts';
import type { TailStart } from './tails.ts';

/** What of the time without a connection is told afterwards, of all partitions together: who was away for a night is not sent all of it. */
export const RESUMED_RECORDS_MAX = 100_000;
/** A browser sends it back in a header, which has to have its room. */
const PLACE_CHARS_MAX = 64 * 1024;
/** In the place of a place that is too long to be sent back. */
const TOO_LONG = '?';
/** Of a partition that could not be asked where it ends. */
const NOT_KNOWN = Number.MAX_SAFE_INTEGER;

/** The next offset of each partition that one tail follows. */
export class TailPlaces {
  readonly #next: Map<number, number>;

  constructor(starts: readonly TailStart[]) {
    this.#next = new Map(starts.map(({ partition, offset }) => [partition, offset ?? NOT_KNOWN]));
  }

  cameTo(partition: number, nextOffset: number): void {
    this.#next.set(partition, nextOffset);
  }

  /** All of it as a text that the tail can be begun with. */
  toString(): string {
    const text = cursorOf(this.#next) ?? '';
    return text.length > PLACE_CHARS_MAX ? TOO_LONG : text;
  }
}

/** Where a tail begins, and what it does not tell. */
export interface TailBeginning {
  readonly starts: readonly TailStart[];
  readonly gap: TailGap | undefined;
}

/**
 * Where a tail begins: at the ends, or where it was cut off.
 * @param place as it was told before the cut
 * @throws ConsoleError `CONSOLE_BAD_REQUEST` for a place that no tail has told
 */
export function tailBeginning(topic: string, { ranges, unread }: Readable, place?: string): TailBeginning {
  // What cannot be asked where it ends is heard of from where it ends when it is back.
  const unknown = unread.map(({ partition }) => ({ topic, partition }));
  const atEnds = ranges.map(({ partition, to }) => ({ topic, partition, offset: to }));
  if (place === undefined) return { starts: [...atEnds, ...unknown], gap: undefined };
  if (place === TOO_LONG) return { starts: [...atEnds, ...unknown], gap: { records: null } };
  const was = place === '' ? new Map<number, number>() : readCursor(place);
  let isKnown = true;
  let skipped = 0;
  const each = Math.floor(RESUMED_RECORDS_MAX / Math.max(1, ranges.length));
  const starts = ranges.map(({ partition, from, to }): TailStart => {
    // What was added to the topic meanwhile is heard of from its beginning.
    const wanted = was.get(partition) ?? from;
    // Fewer records than there were: the topic is another of the same name, or has lost its end.
    if (wanted > to) isKnown = false;
    const offset = wanted > to ? to : Math.max(wanted, from, to - each);
    skipped += Math.max(0, offset - wanted);
    return { topic, partition, offset };
  });
  // One without an answer goes on where it was, once it can be read; a consumer that finds nothing there takes the end.
  const back = unknown.map(({ partition }): TailStart => {
    const offset = was.get(partition);
    if (offset === undefined || offset === NOT_KNOWN) isKnown = false;
    return { topic, partition, ...(offset === undefined || offset === NOT_KNOWN ? {} : { offset }) };
  });
  const gap = isKnown ? (skipped > 0 ? { records: skipped } : undefined) : { records: null };
  return { starts: [...starts, ...back], gap };
}
