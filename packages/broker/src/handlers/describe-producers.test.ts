import { describe, expect, it } from 'vitest';
import { describeProducers } from './61-describe-producers.ts';
import type { RequestContext } from './handler.ts';

describe('DescribeProducers', () => {
  it('lets others have their turn before each partition, those included that nobody may see', async () => {
    let pauses = 0;
    let described = 0;
    const replicas = {
      find: () => ({
        describeProducers: () => {
          // Whoever pauses for each has paused once more than it has described.
          expect(pauses).toBe(described + 1);
          described += 1;
          return [];
        },
      }),
    };
    const context = {
      broker: { replicas },
      authorize: (_: string, { name }: { readonly name: string }) =>
        name === 'secret' ? { errorCode: 29 } : undefined,
      pause: () => {
        pauses += 1;
        return Promise.resolve();
      },
    } as unknown as RequestContext;
    const topics = [
      { name: 't', partitionIndexes: [0, 1, 2] },
      { name: 'secret', partitionIndexes: [0, 1] },
    ];
    const answer = await describeProducers.handle({ topics }, context);
    expect([pauses, described]).toEqual([5, 3]);
    expect(answer?.topics.map(({ partitions }) => partitions?.map(({ errorCode }) => errorCode))).toEqual([
      [0, 0, 0],
      [29, 29],
    ]);
  });
});
