import type { TopicPartition } from '@millrace/client';
import type { Consumer } from '@millrace/consumer';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Output } from '../output/output.ts';
import { GroupNews } from './group-news.ts';

const PARTITIONS = [{ topic: 'orders', partition: 0 }];
const IDLE = 'A member of group g without a partition: its other members read them all';

let notes: string[];
let assignment: readonly TopicPartition[];
let news: GroupNews;
let join: () => void;

beforeEach(() => {
  vi.useFakeTimers();
  notes = [];
  assignment = [];
  const { promise: joined, resolve } = Promise.withResolvers<void>();
  join = resolve;
  const consumer = {
    joined,
    get assignment() {
      return assignment;
    },
  };
  const out = { note: (text: string) => void notes.push(text) };
  // Of both no more is used.
  news = new GroupNews(out as Output, consumer as unknown as Consumer, 'g');
});
afterEach(() => {
  news.leaving();
  vi.useRealTimers();
});

function assign(partitions: readonly TopicPartition[]): void {
  assignment = partitions;
  news.assigned(partitions);
}

it('does not call a new member idle for which others are about to give partitions up', async () => {
  join();
  assign([]);
  await vi.advanceTimersByTimeAsync(3500);
  assign(PARTITIONS);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(notes).toEqual(['Reading orders 0 as a member of group g']);
});

it('says that a member is idle once it has waited in vain', async () => {
  join();
  assign([]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(notes).toEqual([IDLE]);
});

it('says so too where a member has had to give up what it read', async () => {
  join();
  assign(PARTITIONS);
  assignment = [];
  news.revoked(PARTITIONS);
  assign([]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(notes.slice(1)).toEqual(['Giving up orders 0: group g divides its partitions anew', IDLE]);
});

it('says what it waits for before it is a member, and nothing once the command ends', async () => {
  await vi.advanceTimersByTimeAsync(2000);
  expect(notes).toEqual(['Waiting to be taken into group g: its other members may have to join again first']);
  join();
  news.leaving();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(notes).toHaveLength(1);
});
