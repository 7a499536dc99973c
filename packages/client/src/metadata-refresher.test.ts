import type { MetadataRequestInput, MetadataResponse } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MetadataCache } from './metadata-cache.ts';
import { MetadataRefresher } from './metadata-refresher.ts';

const NOTHING = { brokers: [], clusterId: 'c', controllerId: 1, topics: [] } as unknown as MetadataResponse;

/** A refresher, and what it has asked. */
function asking(version = 12): { refresher: MetadataRefresher; asked: MetadataRequestInput[] } {
  const asked: MetadataRequestInput[] = [];
  const ask = async (request: (version: number) => MetadataRequestInput): Promise<MetadataResponse> => {
    asked.push(request(version));
    return NOTHING;
  };
  return { refresher: new MetadataRefresher(new MetadataCache(), ask, () => {}), asked };
}

function namesOf({ topics }: MetadataRequestInput): string[] {
  return (topics ?? []).map(({ name }) => name ?? '');
}

describe('a refresh of metadata', () => {
  it('asks in one request for what several want in one turn', async () => {
    const { refresher, asked } = asking();
    await Promise.all([
      refresher.refresh(['a'], true),
      refresher.refresh(['b', 'a'], true),
      refresher.refresh([], true),
    ]);
    expect(asked.map(namesOf)).toEqual([['a', 'b'], []]);
  });

  it('never has a topic created because another may be that is asked for at the same time', async () => {
    const wish = fc.record({
      topics: fc.oneof(fc.constant('all' as const), fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 3 })),
      mayCreate: fc.boolean(),
      later: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(wish, { maxLength: 8 }), async (wishes) => {
        const { refresher, asked } = asking();
        const answers: Promise<unknown>[] = [];
        for (const { topics, mayCreate, later } of wishes) {
          if (later) await Promise.resolve();
          answers.push(refresher.refresh(topics, mayCreate));
        }
        await Promise.all(answers);
        const allowed = new Set<string>(
          wishes.flatMap(({ topics, mayCreate }) => (mayCreate && topics !== 'all' ? topics : [])),
        );
        const created = asked.filter(({ allowAutoTopicCreation }) => allowAutoTopicCreation).flatMap(namesOf);
        expect(created.filter((topic) => !allowed.has(topic))).toEqual([]);
        // And everybody was served.
        const wanted = new Set(wishes.flatMap(({ topics }) => (topics === 'all' ? [] : topics)));
        const served = new Set(asked.flatMap(namesOf));
        const all = asked.some(({ topics }) => topics === null);
        expect([...wanted].filter((topic) => !served.has(topic) && !all)).toEqual([]);
      }),
    );
  });

  it('that is urgent waits behind none that is not, whose older answer then takes nothing back', async () => {
    const cache = new MetadataCache();
    const held = Promise.withResolvers<MetadataResponse>();
    const asked: [boolean, string[]][] = [];
    const answer = (port: number, ...topicIds: [string, string][]): MetadataResponse =>
      ({
        brokers: [{ nodeId: 1, host: 'h', port, rack: null }],
        clusterId: 'c',
        controllerId: 1,
        topics: topicIds.map(([name, topicId]) => ({ name, topicId, errorCode: 0, isInternal: false, partitions: [] })),
      }) as unknown as MetadataResponse;
    const ask = (request: (version: number) => MetadataRequestInput, isUrgent: boolean): Promise<MetadataResponse> => {
      asked.push([isUrgent, namesOf(request(12))]);
      return isUrgent ? Promise.resolve(answer(2, ['a', 'new'])) : held.promise;
    };
    const refresher = new MetadataRefresher(cache, ask, () => {});
    const first = refresher.refresh(['a', 'b'], false);
    await Promise.resolve();
    const second = refresher.refresh(['b'], false);
    await refresher.refresh(['a'], false, true);
    expect(asked).toEqual([
      [false, ['a', 'b']],
      [true, ['a']],
    ]);
    expect(cache.topic('a')).toMatchObject({ topicId: 'new' });
    held.resolve(answer(1, ['a', 'old'], ['b', 'b']));
    expect((await first).topics).toHaveLength(2);
    expect([cache.topic('a')?.topicId, cache.topic('b')?.topicId]).toEqual(['new', 'b']);
    await second;
    // Asked after the urgent answer, and so believed.
    expect([cache.topic('a')?.topicId, cache.brokers.get(1)?.port]).toEqual(['old', 1]);
  });

  it('has no choice with a broker before version 4, which does as it is configured', async () => {
    const { refresher, asked } = asking(3);
    await refresher.refresh(['a'], false);
    expect(asked[0]?.allowAutoTopicCreation).toBe(true);
  });
});
