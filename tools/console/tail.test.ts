import { expect, it } from 'vitest';
import { TAIL_MAX, type Tailed, Told, withGap, withMore } from '../../apps/console/page/src/lib/tail.ts';
import type { Message } from '../../apps/console/src/api/contract.ts';

const messages = (from: number, count: number, partition = 0): Message[] =>
  // Nothing else of a message is looked at here.
  Array.from({ length: count }, (_, n) => ({ partition, offset: from + n }) as Message);
const nothing: Tailed = { messages: [], left: 0, gap: undefined };
const offsets = (some: readonly Message[]): number[] => some.map(({ offset }) => offset);

it('keeps the newest, and counts those that have left', () => {
  const some = withMore(nothing, messages(0, TAIL_MAX - 1));
  expect(some.left).toBe(0);
  const more = withMore(some, messages(TAIL_MAX - 1, 3));
  expect([more.messages.length, more.left, more.messages[0]?.offset]).toEqual([TAIL_MAX, 2, TAIL_MAX + 1]);
  expect(withMore(nothing, messages(0, 3 * TAIL_MAX)).left).toBe(2 * TAIL_MAX);
});

it('adds up what was not told, and does not take what nobody knows for none', () => {
  const some = withGap(withGap(nothing, { records: 3 }), { records: 4 });
  expect(some.gap).toEqual({ records: 7, isKnown: true });
  expect(withGap(withGap(some, { records: null }), { records: 1 }).gap).toMatchObject({ isKnown: false });
});

it('tells once what is told again after a cut, and what begins anew', () => {
  const told = new Told();
  expect(offsets(told.new(messages(5, 3)))).toEqual([5, 6, 7]);
  told.again();
  expect(offsets(told.new([...messages(6, 3), ...messages(0, 1, 1)]))).toEqual([8, 0]);
  expect(offsets(told.new(messages(9, 1)))).toEqual([9]);
  told.again();
  told.anew();
  expect(offsets(told.new(messages(0, 2)))).toEqual([0, 1]);
});
