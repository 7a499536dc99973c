/** How the lag of a group's partitions went, one line each over the same moments. */
import type { LagPoint, PartitionTrend } from '../api/contract.ts';

/** Partitions of a group that have a line; of more, the first ones. */
export const LINES_MAX = 100;
/** Points that are kept of a line. */
export const POINTS_MAX = 720;
/** Looks that follow one another sooner are one point of a line. */
export const POINT_MS_MIN = 1500;
/** Points of a trend: more than that nobody tells apart in a table's cell. */
export const TREND_POINTS_MAX = 60;

/** The lag of a partition, as one look found it. */
export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  readonly lag: number | null;
}

interface Line extends Pick<PartitionLag, 'topic' | 'partition'> {
  /** As many as there are moments; undefined where the group did not read it. */
  readonly lags: (number | null | undefined)[];
}

/** The lines of one group. */
export class LagLines {
  readonly #moments: number[] = [];
  readonly #lines = new Map<string, Line>();
  /** Topics that have partitions without a line: no sum of their lines is what the group lags. */
  readonly #cutTopics = new Set<string>();

  /** Adds a moment; partitions that are not told of have a hole there, and none for so long that nothing is left of them are forgotten. */
  add(atMs: number, seen: readonly PartitionLag[]): void {
    const lastMs = this.#moments.at(-1);
    if (lastMs !== undefined && atMs - lastMs < POINT_MS_MIN) return;
    const found = new Map(seen.map((each) => [`${each.topic}/${each.partition}`, each]));
    this.#moments.push(atMs);
    for (const [name, line] of this.#lines) line.lags.push(found.get(name)?.lag);
    for (const [name, { topic, partition, lag }] of found) {
      if (this.#lines.has(name)) continue;
      if (this.#lines.size >= LINES_MAX) {
        this.#cutTopics.add(topic);
        continue;
      }
      const before = new Array<undefined>(this.#moments.length - 1).fill(undefined);
      this.#lines.set(name, { topic, partition, lags: [...before, lag] });
    }
    if (this.#moments.length <= POINTS_MAX) return;
    this.#moments.shift();
    for (const [name, line] of this.#lines) {
      line.lags.shift();
      if (line.lags.every((lag) => lag === null || lag === undefined)) this.#lines.delete(name);
    }
  }

  /** A partition's line; nothing of one that has none. */
  pointsOf(topic: string, partition: number): LagPoint[] {
    const line = this.#lines.get(`${topic}/${partition}`);
    return line === undefined ? [] : this.#moments.map((at, index) => ({ at, lag: line.lags[index] ?? null }));
  }

  /** What the group lags on these topics together; nothing where a partition of theirs has no line: what is left of a sum is none. */
  sums(isWanted: (topic: string) => boolean): LagPoint[] {
    const lines = [...this.#lines.values()].filter(({ topic }) => isWanted(topic));
    if (lines.length === 0 || [...this.#cutTopics].some(isWanted)) return [];
    return this.#moments.map((at, index) => {
      const lags = lines.map((line) => line.lags[index]).filter((lag) => lag !== undefined);
      const isKnown = lags.length > 0 && !lags.includes(null);
      return { at, lag: isKnown ? lags.reduce<number>((sum, lag) => sum + (lag ?? 0), 0) : null };
    });
  }

  /** All lines, each by as many points as a small picture shows: of moments that fall together the largest lag. */
  trends(): PartitionTrend[] {
    return [...this.#lines.values()].map(({ topic, partition, lags }) => ({
      topic,
      partition,
      lags: thinned(lags.map((lag) => lag ?? null)),
    }));
  }
}

function thinned(lags: readonly (number | null)[]): (number | null)[] {
  if (lags.length <= TREND_POINTS_MAX) return [...lags];
  const each = Math.ceil(lags.length / TREND_POINTS_MAX);
  // Counted from the end, so that the last point is a whole one like the others.
  const first = lags.length % each;
  const starts = Array.from({ length: Math.floor(lags.length / each) }, (_, n) => first + n * each);
  return starts.map((start) => largest(lags.slice(start, start + each)));
}

function largest(lags: readonly (number | null)[]): number | null {
  return lags.reduce((most, lag) => (lag === null || (most !== null && most >= lag) ? most : lag), null);
}
