/** Committing, as a whole engine does it in a simulated group. */
import { ErrorCode, OffsetCommit, type OffsetCommitRequest, OffsetFetch } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import type { ConsumerEngine } from '../engine.ts';
import { collect, type Harness, newHarness } from '../testing/harness.ts';

async function joined(harness: Harness, options: Parameters<Harness['engine']>[0] = {}): Promise<ConsumerEngine> {
  const engine = harness.engine({ groupId: 'g', autoOffsetReset: 'earliest', autoCommit: false, ...options });
  engine.subscribe('t');
  await harness.until('it has joined', () => engine.membership?.state === 'stable');
  return engine;
}

const commits = (harness: Harness): number[] =>
  harness.cluster
    .seen('OffsetCommit')
    .map(({ body }) => (body as OffsetCommitRequest).topics[0]?.partitions[0]?.committedOffset ?? -1);
const place = { topic: 't', partition: 0 };

describe('a commit', () => {
  it.each([1, 2, 5, 6, 7, 8, 9])('speaks OffsetCommit version %i', async (version) => {
    const harness = newHarness();
    harness.cluster.versionMax.set(OffsetCommit.key, version);
    harness.cluster.createTopic('t', 1);
    const engine = await joined(harness);
    const done = engine.commit([{ ...place, offset: 7, metadata: 'note' }]);
    await harness.clock.advanceAsync(100);
    await done;
    expect(harness.cluster.group.committed.get('t/0')).toMatchObject({ offset: 7, metadata: 'note' });
  });

  it.each([1, 5, 6, 7, 8, 9])('is found again with OffsetFetch version %i', async (version) => {
    const harness = newHarness();
    harness.cluster.versionMax.set(OffsetFetch.key, version);
    harness.cluster.createTopic('t', 1)[0]?.append(['a', 'b', 'c']);
    harness.cluster.group.committed.set('t/0', { offset: 2, leaderEpoch: -1, metadata: '' });
    const { records } = collect(await joined(harness));
    await harness.until('it is read', () => records.length === 1);
    expect(records).toEqual(['t-0@2=c']);
  });

  it('waits for the one before, so that an older one never overwrites a newer', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1);
    const engine = await joined(harness);
    let times = 0;
    harness.cluster.fault = (api) => (api === 'OffsetCommit' && times++ === 0 ? 'lost-response' : 'none');
    const both = Promise.all([5, 6, 7].map((offset) => engine.commit([{ ...place, offset }])));
    await harness.clock.advanceAsync(2_000);
    await both;
    expect(commits(harness)).toEqual([5, 5, 6, 7]);
  });

  it('is tried again with a coordinator that has moved, and fails in the end with the reason', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1);
    const engine = await joined(harness, { apiTimeoutMs: 5_000 });
    harness.cluster.coordinatorId = 2;
    const moved = engine.commit([{ ...place, offset: 5 }]);
    await harness.clock.advanceAsync(1_000);
    await moved;
    harness.cluster.fault = (api) => (api === 'OffsetCommit' ? 'lost-request' : 'none');
    const before = commits(harness).length;
    const lost = expect(engine.commit([{ ...place, offset: 6 }])).rejects.toMatchObject({
      code: 'CLIENT_TIMED_OUT',
      cause: { code: 'NETWORK_CONNECTION_LOST' },
    });
    await harness.clock.advanceAsync(10_000);
    await lost;
    expect(commits(harness).length - before).toBeGreaterThan(4);
    expect(commits(harness).length - before).toBeLessThan(15);
  });

  it('fails for good when the group has counted the member out, which then joins again', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1);
    const engine = await joined(harness);
    harness.cluster.group.remove(engine.membership?.memberId ?? '');
    const lost = expect(engine.commit([{ ...place, offset: 5 }])).rejects.toMatchObject({
      code: 'CONSUMER_COMMIT_FAILED',
      retriable: false,
      errorCode: ErrorCode.UNKNOWN_MEMBER_ID,
    });
    await harness.clock.advanceAsync(1_000);
    await lost;
    // It did not have to wait for a heartbeat to learn of it.
    expect(engine.membership?.state).toBe('stable');
    expect(engine.membership?.memberId).toBe('member-002');
  });

  it('is put off while a rebalance ends', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1);
    const engine = await joined(harness);
    harness.cluster.group.state = 'completing';
    const refused = expect(engine.commit([{ ...place, offset: 5 }])).rejects.toMatchObject({
      code: 'CONSUMER_REBALANCE_IN_PROGRESS',
      retriable: true,
    });
    await harness.clock.advanceAsync(100);
    await refused;
  });

  it('is refused with the partition that is to blame', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1);
    const engine = await joined(harness);
    const partitions = [{ partitionIndex: 3, errorCode: ErrorCode.OFFSET_METADATA_TOO_LARGE }];
    harness.cluster.fault = (api) =>
      api === 'OffsetCommit' ? { answer: { topics: [{ name: 't', partitions }] } } : 'none';
    const refused = expect(engine.commit([{ ...place, offset: 5 }])).rejects.toMatchObject({
      code: 'KAFKA_OFFSET_METADATA_TOO_LARGE',
      message: expect.stringContaining('partition 3 of "t"'),
    });
    await harness.clock.advanceAsync(100);
    await refused;
  });

  it.each(['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID'] as const)(
    'is final where a topic is gone (%s), and counts for the topics that are there',
    async (error) => {
      const harness = newHarness();
      const [log] = harness.cluster.createTopic('t', 2);
      log?.append(['a', 'b']);
      const engine = await joined(harness, { autoCommit: true });
      const { records } = collect(engine);
      await harness.until('it is read', () => records.length === 2);
      harness.cluster.fault = (api, _consumer, body) => {
        if (api !== 'OffsetCommit') return 'none';
        const topics = (body as OffsetCommitRequest).topics.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map(({ partitionIndex }) => ({
            partitionIndex,
            errorCode: partitionIndex === 0 ? ErrorCode[error] : 0,
          })),
        }));
        return { answer: { topics } };
      };
      await harness.clock.advanceAsync(60_000);
      // Once by itself, and not every five seconds again.
      expect(commits(harness).length).toBe(1);
      const refused = expect(engine.commit([{ ...place, offset: 1 }])).rejects.toMatchObject({
        code: `KAFKA_${error}`,
      });
      await harness.clock.advanceAsync(100);
      await refused;
    },
  );

  it('that reaches no broker holds up nobody who closes, though one was under way before', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1)[0]?.append(['a', 'b']);
    const engine = await joined(harness, { autoCommit: true });
    const { records } = collect(engine);
    await harness.until('it is read', () => records.length === 2);
    harness.cluster.fault = () => 'lost-request';
    const before = expect(engine.commit([{ ...place, offset: 1 }])).rejects.toMatchObject({ code: 'CLIENT_TIMED_OUT' });
    await harness.clock.advanceAsync(10_000);
    const startMs = harness.clock.monotonic();
    let closedMs: number | undefined;
    const closed = engine.close(2_000).then(() => {
      closedMs = harness.clock.monotonic() - startMs;
    });
    await harness.clock.advanceAsync(5_000);
    await Promise.all([closed, before]);
    expect(closedMs).toBeLessThanOrEqual(2_001);
  });

  it('takes its own time again after topics were unsubscribed while no broker could be reached', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1);
    const engine = await joined(harness, { closeTimeoutMs: 1_000 });
    harness.cluster.fault = () => 'lost-request';
    const left = engine.unsubscribe();
    await harness.clock.advanceAsync(5_000);
    await left;
    // The group has not heard that it left, and counts it out.
    await harness.clock.advanceAsync(60_000);
    engine.assign([{ ...place, offset: 0 }]);
    const done = engine.commit([{ ...place, offset: 1 }]);
    await harness.clock.advanceAsync(5_000);
    harness.cluster.fault = () => 'none';
    await harness.clock.advanceAsync(5_000);
    await done;
  });

  it('needs a group', async () => {
    const engine = newHarness().engine();
    await expect(engine.commit([{ ...place, offset: 5 }])).rejects.toMatchObject({ code: 'CONSUMER_NO_GROUP' });
    expect(() => engine.subscribe('t')).toThrow(expect.objectContaining({ code: 'CONSUMER_NO_GROUP' }));
  });
});

describe('the automatic commit', () => {
  it('commits what is processed by and by, and nothing when there is nothing new', async () => {
    const harness = newHarness();
    const [log] = harness.cluster.createTopic('t', 1);
    log?.append(['a', 'b', 'c']);
    const engine = await joined(harness, { autoCommit: true, autoCommitIntervalMs: 1_000 });
    collect(engine);
    await harness.clock.advanceAsync(30_000);
    expect(commits(harness)).toEqual([3]);
    log?.append(['d']);
    harness.cluster.changed();
    await harness.clock.advanceAsync(30_000);
    expect(commits(harness)).toEqual([3, 4]);
  });

  it('goes on after a commit that failed', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1)[0]?.append(['a']);
    const engine = await joined(harness, { autoCommit: true, autoCommitIntervalMs: 1_000 });
    let times = 0;
    const partitions = [{ partitionIndex: 0, errorCode: ErrorCode.UNKNOWN_SERVER_ERROR }];
    harness.cluster.fault = (api) =>
      api === 'OffsetCommit' && times++ < 3 ? { answer: { topics: [{ name: 't', partitions }] } } : 'none';
    collect(engine);
    await harness.clock.advanceAsync(10_000);
    expect(harness.cluster.group.committed.get('t/0')?.offset).toBe(1);
  });

  it('commits for partitions that were assigned by hand, as nobody in particular', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1)[0]?.append(['a', 'b']);
    const engine = harness.engine({ groupId: 'g', autoOffsetReset: 'earliest' });
    engine.assign([place]);
    const { records } = collect(engine);
    await harness.until('it is read', () => records.length === 2);
    const closed = engine.close();
    await harness.clock.advanceAsync(2_000);
    await closed;
    expect(harness.cluster.seen('OffsetCommit').at(-1)?.body).toMatchObject({
      memberId: '',
      generationIdOrMemberEpoch: -1,
    });
    // The last one was in the loop's hands when it ended.
    expect(harness.cluster.group.committed.get('t/0')?.offset).toBe(2);
  });

  it('covers what nobody sees: markers and aborted records at the end', async () => {
    const harness = newHarness();
    const [log] = harness.cluster.createTopic('t', 1);
    log?.append(['a']);
    log?.append(['no'], { producerId: 1, transactional: true });
    log?.endTransaction(1, false);
    const engine = await joined(harness, {
      autoCommit: true,
      autoCommitIntervalMs: 1_000,
      isolationLevel: 'read_committed',
    });
    const { records } = collect(engine);
    await harness.clock.advanceAsync(5_000);
    expect([records, commits(harness).at(-1)]).toEqual([['t-0@0=a'], 3]);
  });
});

describe('read_committed', () => {
  it('hands out nothing beyond an open transaction, and all of it when that ends', async () => {
    const harness = newHarness();
    const [log] = harness.cluster.createTopic('t', 1);
    log?.append(['a']);
    log?.append(['b'], { producerId: 1, transactional: true });
    log?.append(['c']);
    const { records } = collect(await joined(harness, { isolationLevel: 'read_committed' }));
    await harness.clock.advanceAsync(5_000);
    expect(records).toEqual(['t-0@0=a']);
    log?.endTransaction(1, true);
    harness.cluster.changed();
    await harness.until('the rest is read', () => records.length === 3);
    expect(records).toEqual(['t-0@0=a', 't-0@1=b', 't-0@2=c']);
  });
});
