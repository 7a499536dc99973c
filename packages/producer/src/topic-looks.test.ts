import { ManualClock } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import type { ProduceTransport, TopicPartitions } from './produce-transport.ts';
import { TopicLooks } from './topic-looks.ts';

function cluster(partitionCount: number) {
  const known = { partitionCount, availablePartitions: [] };
  const asked: string[] = [];
  const transport = {
    topic: (topic: string) => (topic === 'unknown' ? undefined : known),
    loadTopic: async (topic: string): Promise<TopicPartitions> => {
      asked.push(topic);
      return known;
    },
  } as unknown as ProduceTransport;
  const clock = new ManualClock();
  return { known, asked, clock, looks: new TopicLooks(transport, clock) };
}

describe('a topic for a record', () => {
  it('is what is known of it where the record names none of its partitions, or one that it has', () => {
    const { known, looks } = cluster(3);
    for (const partition of [undefined, null, 0, 2]) {
      expect(looks.topicOf({ topic: 't', partition })).toBe(known);
      expect(looks.topicOf({ topic: 'unknown', partition })).toBeUndefined();
    }
  });

  it('is asked for anew where the record names a partition beyond, but once a second', async () => {
    const { known, looks, clock, asked } = cluster(3);
    const record = { topic: 't', partition: 3 };
    for (let second = 0; second < 3; second += 1) {
      expect(looks.topicOf(record)).toBeUndefined();
      await looks.load('t', 1_000);
      expect(looks.topicOf(record)).toBe(known);
      clock.advance(999);
      expect(looks.topicOf(record)).toBe(known);
      expect(looks.topicOf({ ...record, topic: 'u' })).toBeUndefined();
      clock.advance(1);
    }
    expect(asked).toEqual(['t', 't', 't']);
  });
});
