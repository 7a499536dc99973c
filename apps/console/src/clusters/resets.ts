/** Where a group's offsets go: shown first, then gone to as it was shown. */
import type { TopicPartition } from '@millrace/client';
import type { ResetRow, ResetTo, SeenReset } from '../api/contract.ts';
import { refusal } from '../errors.ts';
import type { Cluster } from './cluster.ts';
import { type Offsets, offsetsOf, placeName } from './topic-look.ts';

/** What is wanted of a reset. */
export interface Reset {
  readonly group: string;
  readonly topic: string;
  readonly to: ResetTo;
  /** The time, the offset, or how far to shift. */
  readonly at?: number | undefined;
  /** For `each`: where those partitions go that go anywhere. */
  readonly offsets?: readonly SeenReset[] | undefined;
  readonly dryRun: boolean;
}

/**
 * Works out where a group's offsets of a topic go, and moves them there unless it is a dry run.
 * @throws ConsoleError `CONSOLE_CHANGED_MEANWHILE` where a partition would not go from where to where it was seen to go
 */
export async function resetOffsets(cluster: Cluster, reset: Reset): Promise<ResetRow[]> {
  if (reset.dryRun) return rowsOf(cluster, reset);
  // The protocol has no "only if nobody has committed since": of those who come here one looks and moves after the other, and a
  // coordinator moves nothing while the group has members.
  return cluster.oneByOne.run(`group ${reset.group}`, async () => {
    const rows = await rowsOf(cluster, reset);
    refuseUnlikeSeen(reset, rows);
    await cluster.admin.alterGroupOffsets(
      reset.group,
      rows.map(({ topic, partition, to }) => ({ topic, partition, offset: to })),
    );
    cluster.forget();
    return rows;
  });
}

/** What somebody has been shown holds: from where a partition goes, and where to, which may have been deleted since. */
function refuseUnlikeSeen({ topic, offsets = [] }: Reset, rows: readonly ResetRow[]): void {
  const byPartition = new Map(rows.map((row) => [row.partition, row]));
  const unlike = offsets.filter(({ partition, offset, from }) => {
    const row = byPartition.get(partition);
    return from !== undefined && (row?.from !== from || row.to !== offset);
  });
  if (unlike.length === 0) return;
  const all = unlike.map(({ partition }) => partition).join(', ');
  throw refusal('CONSOLE_CHANGED_MEANWHILE', 'notAsShown', { topic, all, n: unlike.length });
}

/** From where to where each partition would go. */
async function rowsOf(cluster: Cluster, reset: Reset): Promise<ResetRow[]> {
  const { admin } = cluster;
  const [topic] = await admin.describeTopics([reset.topic]);
  const places = (topic?.partitions ?? []).map(({ partition }) => ({ topic: reset.topic, partition }));
  const [offsets, committed] = await Promise.all([
    offsetsOf(admin, places),
    admin.listGroupOffsets(reset.group, places),
  ]);
  const byHand = new Map(reset.offsets?.map(({ partition, offset }) => [partition, offset]));
  refuseUnknown(reset, places, offsets, byHand);
  const from = new Map(committed.map((place) => [placeName(place), place.offset]));
  const byTime = reset.to === 'time' ? await offsetsAtTime(cluster, places, reset.at ?? 0) : new Map<string, number>();
  return places.flatMap((place): ResetRow[] => {
    const name = placeName(place);
    const found = offsets.get(name);
    if (found === undefined || (reset.to === 'each' && !byHand.has(place.partition))) return [];
    const before = from.get(name) ?? null;
    const wanted = wantedOffset(reset, {
      ...found,
      before,
      time: byTime.get(name),
      byHand: byHand.get(place.partition),
    });
    return [{ ...place, from: before, to: Math.min(Math.max(wanted, found.start), found.end) }];
  });
}

/** Nobody is to think that all partitions were moved where some could not be asked where they end. */
function refuseUnknown(
  { topic, to }: Reset,
  places: readonly TopicPartition[],
  offsets: Offsets,
  byHand: ReadonlyMap<number, number>,
): void {
  const there = new Set(places.map(({ partition }) => partition));
  for (const partition of byHand.keys()) {
    if (there.has(partition)) continue;
    throw refusal('CONSOLE_NOT_FOUND', 'noPartition', { topic, partition, last: places.length - 1 });
  }
  const wanted = places.filter(({ partition }) => to !== 'each' || byHand.has(partition));
  const unknown = wanted.filter((place) => !offsets.has(placeName(place))).map(({ partition }) => partition);
  if (unknown.length > 0) {
    throw refusal('CONSOLE_NOT_READ', 'noEnds', { topic, all: unknown.join(', '), n: unknown.length });
  }
}

async function offsetsAtTime(
  cluster: Cluster,
  places: readonly { topic: string; partition: number }[],
  time: number,
): Promise<Map<string, number>> {
  const found = await cluster.admin.listOffsets(places.map((place) => ({ ...place, at: time })));
  return new Map(found.filter(({ offset }) => offset >= 0).map((each) => [placeName(each), each.offset]));
}

function wantedOffset(
  { to, at = 0 }: Reset,
  known: {
    readonly start: number;
    readonly end: number;
    readonly before: number | null;
    readonly time: number | undefined;
    readonly byHand: number | undefined;
  },
): number {
  if (to === 'earliest') return known.start;
  if (to === 'latest') return known.end;
  if (to === 'each') return known.byHand ?? known.start;
  // No record is that late: the end.
  if (to === 'time') return known.time ?? known.end;
  return to === 'offset' ? at : (known.before ?? known.start) + at;
}
