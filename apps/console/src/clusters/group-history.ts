/** What has been seen of groups since somebody first looked: how their lag went, and how their members came and left. */
import type { GroupEvent, GroupHistory, LagPoint } from '../api/contract.ts';
import { LagLines, type PartitionLag, POINT_MS_MIN, POINTS_MAX } from './lag-lines.ts';

/** Groups that are remembered; of more, those that were not seen for the longest time are forgotten. */
export const GROUPS_MAX = 1000;
/** What is remembered of each. */
export const EVENTS_MAX = 100;
/** Members that an event names; of more it tells the number. */
export const NAMED_MAX = 20;
/** Groups whose partitions have lines of their own: those that somebody had open last. */
export const LINED_GROUPS_MAX = 20;

/** A member as one look found it. */
export interface SeenMember {
  readonly id: string;
  readonly name: string;
  readonly assignment: readonly { readonly topic: string; readonly partition: number }[];
}

/** A group as one look found it. */
export interface SeenGroup {
  readonly state: string;
  /** Undefined where the cluster does not tell. */
  readonly members: readonly SeenMember[] | undefined;
  readonly lag: number | null;
  /** Each partition's; undefined where a look counted them together. */
  readonly lags?: readonly PartitionLag[] | undefined;
}

/** What of a history is asked for. */
export interface WantedHistory {
  /** The points of this partition, and not of the whole group. */
  readonly place?: { readonly topic: string; readonly partition: number } | undefined;
  /** Which topics whoever asks may see; undefined for somebody who may see all that there are. */
  readonly sees?: ((topic: string) => boolean) | undefined;
}

interface Remembered {
  readonly points: LagPoint[];
  readonly events: GroupEvent[];
  state: string | undefined;
  members: ReadonlyMap<string, string>;
  /** Who reads each partition. */
  readers: ReadonlyMap<string, string>;
}

/** The history of a cluster's groups. */
export class GroupHistories {
  readonly #groups = new Map<string, Remembered>();
  readonly #lines = new Map<string, LagLines>();

  /** Takes down what a look has found. */
  note(group: string, seen: SeenGroup, atMs: number): void {
    const known = this.#groups.get(group);
    const remembered: Remembered = known ?? {
      points: [],
      events: [],
      state: undefined,
      members: new Map(),
      readers: new Map(),
    };
    // What was seen last stands last.
    this.#groups.delete(group);
    this.#groups.set(group, remembered);
    if (this.#groups.size > GROUPS_MAX) this.#forgetOldest();
    addPoint(remembered.points, { at: atMs, lag: seen.lag });
    if (seen.lags !== undefined) this.#noteLines(group, seen.lags, atMs);
    if (seen.members !== undefined) compare(remembered, { ...seen, members: seen.members }, atMs);
  }

  /** What is remembered of a group, or of a partition that it reads: nothing of one that nobody has looked at. */
  of(group: string, { place, sees }: WantedHistory = {}): GroupHistory {
    const { points = [], events = [] } = this.#groups.get(group) ?? {};
    const lines = this.#lines.get(group);
    const ofGroup = sees === undefined ? [...points] : (lines?.sums(sees) ?? []);
    const wanted = place === undefined ? ofGroup : (lines?.pointsOf(place.topic, place.partition) ?? []);
    const trends = lines?.trends().filter(({ topic }) => sees?.(topic) !== false) ?? [];
    return { points: wanted, events: [...events], trends };
  }

  #noteLines(group: string, lags: readonly PartitionLag[], atMs: number): void {
    const lines = this.#lines.get(group) ?? new LagLines();
    this.#lines.delete(group);
    this.#lines.set(group, lines);
    const [oldest] = this.#lines.keys();
    if (this.#lines.size > LINED_GROUPS_MAX && oldest !== undefined) this.#lines.delete(oldest);
    lines.add(atMs, lags);
  }

  #forgetOldest(): void {
    const [oldest] = this.#groups.keys();
    if (oldest === undefined) return;
    this.#groups.delete(oldest);
    this.#lines.delete(oldest);
  }
}

function addPoint(points: LagPoint[], point: LagPoint): void {
  const last = points.at(-1);
  if (last !== undefined && point.at - last.at < POINT_MS_MIN) return;
  points.push(point);
  if (points.length > POINTS_MAX) points.shift();
}

/** The states of a group, of both kinds, whose members are about to read other partitions. */
const UNSETTLED = /Rebalance|Assigning|Reconciling/;

function readersOf(members: readonly SeenMember[]): ReadonlyMap<string, string> {
  return new Map(
    members.flatMap(({ id, assignment }) => assignment.map(({ topic, partition }) => [`${topic}/${partition}`, id])),
  );
}

/** Adds an event where the group is not as it was. */
function compare(
  remembered: Remembered,
  { state, members: seen }: { state: string; members: readonly SeenMember[] },
  atMs: number,
): void {
  const before = { ...remembered };
  remembered.state = state;
  remembered.members = new Map(seen.map(({ id, name }) => [id, name]));
  // While members are given their partitions they have none: who reads what afterwards is held against what was before.
  if (!UNSETTLED.test(state)) remembered.readers = readersOf(seen);
  const joined = [...remembered.members].filter(([id]) => !before.members.has(id)).map(([, name]) => name);
  const left = [...before.members].filter(([id]) => !remembered.members.has(id)).map(([, name]) => name);
  const moved = [...remembered.readers].filter(([place, id]) => before.readers.get(place) !== id).length;
  const isFirst = before.state === undefined;
  if (!isFirst && before.state === state && joined.length + left.length + moved === 0) return;
  remembered.events.push({
    at: atMs,
    isFirst,
    state,
    members: seen.length,
    joined: joined.slice(0, NAMED_MAX),
    joinedCount: joined.length,
    left: left.slice(0, NAMED_MAX),
    leftCount: left.length,
    moved: isFirst ? 0 : moved,
  });
  if (remembered.events.length > EVENTS_MAX) remembered.events.shift();
}
