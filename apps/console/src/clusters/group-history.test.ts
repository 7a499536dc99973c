import { describe, expect, it } from 'vitest';
import {
  EVENTS_MAX,
  GROUPS_MAX,
  GroupHistories,
  LINED_GROUPS_MAX,
  NAMED_MAX,
  type SeenMember,
} from './group-history.ts';
import { LINES_MAX, POINTS_MAX, TREND_POINTS_MAX } from './lag-lines.ts';

function member(id: string, ...partitions: number[]): SeenMember {
  return { id, name: `client ${id}`, assignment: partitions.map((partition) => ({ topic: 'orders', partition })) };
}

function stable(...members: SeenMember[]) {
  return { state: 'Stable', members, lag: 7 };
}

describe('the history of a group', () => {
  it('begins with what was found first, and adds nothing while nothing changes', () => {
    const histories = new GroupHistories();
    histories.note('billing', stable(member('a', 0, 1)), 1000);
    histories.note('billing', stable(member('a', 0, 1)), 3000);
    const { events, points } = histories.of('billing');
    expect(events).toMatchObject([
      { at: 1000, isFirst: true, state: 'Stable', members: 1, joined: ['client a'], moved: 0 },
    ]);
    expect(points).toEqual([
      { at: 1000, lag: 7 },
      { at: 3000, lag: 7 },
    ]);
  });

  it('tells who came and who left, and how many partitions another reads now', () => {
    const histories = new GroupHistories();
    histories.note('billing', stable(member('a', 0, 1, 2)), 1000);
    histories.note('billing', stable(member('a', 0, 1), member('b', 2)), 3000);
    histories.note('billing', { state: 'Empty', members: [], lag: null }, 5000);
    expect(histories.of('billing').events.slice(1)).toMatchObject([
      { at: 3000, isFirst: false, members: 2, joined: ['client b'], left: [], moved: 1 },
      { at: 5000, state: 'Empty', members: 0, joined: [], left: ['client a', 'client b'], moved: 0 },
    ]);
  });

  it('tells partitions that went from one member to another who had both stayed', () => {
    const histories = new GroupHistories();
    histories.note('billing', stable(member('a', 0), member('b', 1)), 1000);
    histories.note('billing', stable(member('a', 1), member('b', 0)), 3000);
    expect(histories.of('billing').events[1]).toMatchObject({ joined: [], left: [], moved: 2 });
  });

  it('counts what went to others over a rebalance, in which nobody has anything', () => {
    const histories = new GroupHistories();
    histories.note('billing', stable(member('a', 0, 1, 2)), 1000);
    histories.note('billing', { state: 'PreparingRebalance', members: [member('a'), member('b')], lag: 7 }, 3000);
    histories.note('billing', stable(member('a', 0, 1), member('b', 2)), 5000);
    expect(histories.of('billing').events.slice(1)).toMatchObject([
      { state: 'PreparingRebalance', joined: ['client b'], moved: 0 },
      { state: 'Stable', joined: [], moved: 1 },
    ]);
  });

  it('takes members that the cluster does not tell for unknown, not for gone', () => {
    const histories = new GroupHistories();
    histories.note('billing', stable(member('a', 0)), 1000);
    histories.note('billing', { state: 'Stable', members: undefined, lag: null }, 3000);
    histories.note('billing', stable(member('a', 0)), 5000);
    expect(histories.of('billing').events).toHaveLength(1);
  });

  it('is bounded in groups, events, points and names, and keeps the latest', () => {
    const histories = new GroupHistories();
    for (let n = 0; n < 1000; n += 1) histories.note('busy', stable(member(String(n))), n * 2000);
    const { events, points } = histories.of('busy');
    expect([events.length, points.length]).toEqual([EVENTS_MAX, POINTS_MAX]);
    expect(events.at(-1)).toMatchObject({ joined: ['client 999'], left: ['client 998'] });
    expect(points.at(-1)?.at).toBe(999 * 2000);
    const many = Array.from({ length: NAMED_MAX + 5 }, (_, n) => member(`m${n}`));
    histories.note('crowd', stable(...many), 0);
    expect(histories.of('crowd').events[0]).toMatchObject({ joinedCount: NAMED_MAX + 5 });
    expect(histories.of('crowd').events[0]?.joined).toHaveLength(NAMED_MAX);
    for (let n = 0; n < GROUPS_MAX; n += 1) histories.note(`group-${n}`, stable(), 0);
    expect(histories.of('busy')).toEqual({ points: [], events: [], trends: [] });
    expect(histories.of('group-0').events).toHaveLength(1);
  });
});

describe("the lag of a group's partitions", () => {
  const orders = (partition: number, lag: number | null) => ({ topic: 'orders', partition, lag });
  const seen = (...lags: ReturnType<typeof orders>[]) => ({ ...stable(), lags });

  it('has a line for each, with a hole where it was not known', () => {
    const histories = new GroupHistories();
    histories.note('billing', seen(orders(0, 1), orders(1, 10)), 1000);
    histories.note('billing', stable(), 3000);
    histories.note('billing', seen(orders(0, 2), orders(1, null), orders(2, 5)), 5000);
    const { points, trends } = histories.of('billing', { place: { topic: 'orders', partition: 1 } });
    expect(points).toEqual([
      { at: 1000, lag: 10 },
      { at: 5000, lag: null },
    ]);
    expect(trends).toEqual([
      { topic: 'orders', partition: 0, lags: [1, 2] },
      { topic: 'orders', partition: 1, lags: [10, null] },
      { topic: 'orders', partition: 2, lags: [null, 5] },
    ]);
    expect(histories.of('billing').points).toHaveLength(3);
    expect(histories.of('billing', { place: { topic: 'orders', partition: 9 } }).points).toEqual([]);
  });

  it('is summed for who may see some topics alone, and not where a part of these has no line', () => {
    const histories = new GroupHistories();
    const paid = (lag: number | null) => ({ topic: 'payments', partition: 0, lag });
    const bought = (topic: string): boolean => topic === 'orders';
    histories.note('billing', { ...seen(orders(0, 1), paid(5)), lag: 6 }, 1000);
    histories.note('billing', { ...seen(orders(0, 2), orders(1, 3), paid(null)), lag: null }, 3000);
    histories.note('billing', seen(orders(0, 2), orders(1, null)), 5000);
    histories.note('billing', seen(paid(1)), 7000);
    const { points, trends } = histories.of('billing', { sees: bought });
    expect(points.map(({ lag }) => lag)).toEqual([1, 5, null, null]);
    expect(trends.map(({ topic }) => topic)).toEqual(['orders', 'orders']);
    expect(histories.of('billing', { sees: () => false })).toMatchObject({ points: [], trends: [] });
    const many = Array.from({ length: LINES_MAX + 1 }, (_, partition) => orders(partition, 1));
    histories.note('wide', seen(paid(1), ...many), 1000);
    expect(histories.of('wide', { sees: bought }).points).toEqual([]);
    expect(histories.of('wide', { sees: (topic) => topic === 'payments' }).points).toEqual([{ at: 1000, lag: 1 }]);
  });

  it('takes looks that follow one another at once for one', () => {
    const histories = new GroupHistories();
    for (const at of [1000, 1100, 2400, 2500]) histories.note('billing', seen(orders(0, at)), at);
    expect(histories.of('billing').trends[0]?.lags).toEqual([1000, 2500]);
  });

  it('shows peaks in few points, and forgets a partition that nobody has told of for as long as there is memory', () => {
    const histories = new GroupHistories();
    histories.note('billing', seen(orders(0, 1), orders(1, 1)), 0);
    for (let n = 1; n <= POINTS_MAX; n += 1) {
      histories.note('billing', seen(orders(0, n === 333 ? 5000 : 7)), n * 2000);
    }
    const { trends } = histories.of('billing');
    expect(trends.map(({ partition }) => partition)).toEqual([0]);
    expect(trends[0]?.lags.length).toBeLessThanOrEqual(TREND_POINTS_MAX);
    expect(trends[0]?.lags.filter((lag) => lag === 5000)).toHaveLength(1);
    expect(trends[0]?.lags.at(-1)).toBe(7);
    expect(histories.of('billing', { place: { topic: 'orders', partition: 0 } }).points).toHaveLength(POINTS_MAX);
  });

  it('is bounded in partitions and groups, and keeps the groups that were open last', () => {
    const histories = new GroupHistories();
    const many = Array.from({ length: LINES_MAX + 1 }, (_, partition) => orders(partition, 1));
    histories.note('wide', seen(...many), 1000);
    expect(histories.of('wide').trends).toHaveLength(LINES_MAX);
    for (let n = 0; n < LINED_GROUPS_MAX; n += 1) histories.note(`group-${n}`, seen(orders(0, 1)), 1000);
    expect(histories.of('wide').trends).toEqual([]);
    expect(histories.of('group-0').trends).toHaveLength(1);
  });
});
