import { ConsumerProtocolSubscription, ErrorCode, encodeVersioned } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { commitOf, SESSION_MS, TestCoordinator } from '../testing/test-groups.ts';
import { GroupState } from './group-state.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Often enough for a session timeout of half an hour. */
const BEAT_MS = 25 * 60 * 1000;

function subscribedTo(...topics: string[]) {
  const metadata = encodeVersioned(ConsumerProtocolSubscription, 0, { topics, userData: null });
  return { protocols: [{ name: 'range', metadata }] };
}

describe('OffsetCommit', () => {
  it('keeps offsets of one who is no member while the group has none', async () => {
    const test = await TestCoordinator.start();
    expect(test.offset()).toBe(-1);
    expect(await test.commit(7)).toBe(ErrorCode.NONE);
    expect(test.offset()).toBe(7);
    expect(test.groups.describe('group')).toMatchObject({ groupState: GroupState.EMPTY, protocolType: '' });
  });

  it('refuses numbers that no record can hold, each for itself, and leaves no mark of them', async () => {
    const test = await TestCoordinator.start();
    const now = test.clock.now();
    const beyond = 2 ** 53;
    const commits = [
      commitOf('topic', 0, 7, now),
      commitOf('topic', 1, beyond, now),
      commitOf('topic', 2, -(2 ** 63), now),
      commitOf('topic', 3, 7, beyond),
      { ...commitOf('topic', 4, 7, now), expireTimestampMs: now + Number.MAX_SAFE_INTEGER },
    ];
    const request = { groupId: 'group', generationId: -1, memberId: '', groupInstanceId: null, offsets: commits };
    const refused = ErrorCode.INVALID_COMMIT_OFFSET_SIZE;
    expect(await test.groups.commitOffsets(request)).toEqual([ErrorCode.NONE, refused, refused, refused, refused]);
    const topics = [{ topic: 'topic', partitions: [0, 1, 2, 3, 4] }];
    const fetched = test.groups.fetchOffsets('group', topics, true).topics[0]!.partitions;
    expect(fetched.map(({ offset, errorCode }) => [offset, errorCode])).toEqual([
      [7, 0],
      [-1, 0],
      [-1, 0],
      [-1, 0],
      [-1, 0],
    ]);
  });

  it('is answered when it is durable, and not seen before', async () => {
    const test = await TestCoordinator.start();
    await test.commit(1);
    test.log.hold();
    const pending = test.commit(2);
    await test.settle();
    expect(test.offset()).toBe(1);
    const topics = [{ topic: 'topic', partitions: [0] }];
    expect(test.groups.fetchOffsets('group', topics, true).topics[0]!.partitions[0]).toMatchObject({
      offset: -1,
      errorCode: ErrorCode.UNSTABLE_OFFSET_COMMIT,
    });
    test.log.letGo();
    expect(await pending).toBe(ErrorCode.NONE);
    expect(test.offset()).toBe(2);
  });

  it('puts commits that arrive during an append into the next one', async () => {
    const test = await TestCoordinator.start();
    test.log.hold();
    const commits = Array.from({ length: 100 }, (_, n) => test.commit(n, { partition: n }));
    test.log.letGo();
    expect(await Promise.all(commits)).toEqual(commits.map(() => ErrorCode.NONE));
    expect(test.log.appendCount).toBe(2);
    expect(test.offset(99)).toBe(99);
  });

  it('is taken from members of this generation only', async () => {
    const test = await TestCoordinator.start();
    const { memberId, generationId } = await test.stableMember();
    expect(await test.commit(1, { memberId, generationId })).toBe(ErrorCode.NONE);
    expect(await test.commit(1)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(await test.commit(1, { memberId: 'x', generationId })).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(await test.commit(1, { memberId, generationId: 9 })).toBe(ErrorCode.ILLEGAL_GENERATION);
    expect(await test.commit(1, { memberId, generationId, groupInstanceId: 'i' })).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(await test.commit(1, { groupId: 'nowhere', generationId: 1 })).toBe(ErrorCode.ILLEGAL_GENERATION);
  });

  it('is taken before a rebalance is complete, and refused between join and assignment', async () => {
    const test = await TestCoordinator.start();
    const member = await test.stableMember();
    void test.join({ requireKnownMemberId: false });
    const { memberId, generationId } = member;
    expect(await test.commit(1, { memberId, generationId })).toBe(ErrorCode.NONE);
    const again = await test.join({ memberId }).promise;
    expect(await test.commit(1, { memberId, generationId: again.generationId })).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
  });

  it('counts as a heartbeat', async () => {
    const test = await TestCoordinator.start();
    const { memberId, generationId } = await test.stableMember();
    for (let n = 0; n < 5; n += 1) {
      await test.advance(SESSION_MS - 1);
      expect(await test.commit(n, { memberId, generationId })).toBe(ErrorCode.NONE);
    }
  });

  it('refuses metadata that is too long, and takes the rest', async () => {
    const test = await TestCoordinator.start();
    const long = { ...commitOf('topic', 0, 1, 0), metadata: 'x'.repeat(4097) };
    const fits = { ...commitOf('topic', 1, 1, 0), metadata: 'x'.repeat(4096) };
    const request = { groupId: 'group', generationId: -1, memberId: '', groupInstanceId: null };
    expect(await test.groups.commitOffsets({ ...request, offsets: [long, fits] })).toEqual([
      ErrorCode.OFFSET_METADATA_TOO_LARGE,
      ErrorCode.NONE,
    ]);
    expect(await test.groups.commitOffsets({ ...request, offsets: [long] })).toEqual([
      ErrorCode.OFFSET_METADATA_TOO_LARGE,
    ]);
  });

  it.each([
    [ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.NOT_COORDINATOR],
    [ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.COORDINATOR_NOT_AVAILABLE],
    [ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.INVALID_COMMIT_OFFSET_SIZE],
    [ErrorCode.REQUEST_TIMED_OUT, ErrorCode.REQUEST_TIMED_OUT],
  ])('tells of append error %i as %i and keeps the old offset', async (appendError, errorCode) => {
    const test = await TestCoordinator.start();
    await test.commit(1);
    test.log.appendError = appendError;
    expect(await test.commit(2)).toBe(errorCode);
    expect(test.offset()).toBe(1);
  });

  it('times out where the log does not answer, and holds when it does at last', async () => {
    const test = await TestCoordinator.start();
    test.log.hold();
    const commits = [test.commit(1), test.commit(2)];
    await test.advance(5_000);
    expect(await Promise.all(commits)).toEqual([ErrorCode.REQUEST_TIMED_OUT, ErrorCode.REQUEST_TIMED_OUT]);
    test.log.letGo();
    await test.settle();
    expect(test.offset()).toBe(2);
  });
});

describe('OffsetFetch', () => {
  it('gives all offsets of a group when no topics are named', async () => {
    const test = await TestCoordinator.start();
    await test.commit(1, { topic: 'a', partition: 0 });
    await test.commit(2, { topic: 'a', partition: 3 });
    await test.commit(3, { topic: 'b' });
    const { topics } = test.groups.fetchOffsets('group', null, true);
    expect(
      topics.map(({ topic, partitions }) => [topic, partitions.map(({ partition, offset }) => [partition, offset])]),
    ).toEqual([
      [
        'a',
        [
          [0, 1],
          [3, 2],
        ],
      ],
      ['b', [[0, 3]]],
    ]);
    expect(test.groups.fetchOffsets('nowhere', null, true)).toEqual({ errorCode: 0, topics: [] });
  });
});

describe('DeleteGroups and OffsetDelete', () => {
  it('delete a group without members for good', async () => {
    const test = await TestCoordinator.start();
    const member = await test.stableMember();
    await test.commit(5, member);
    expect(await test.groups.deleteGroups(['group', 'nowhere'])).toEqual([
      ErrorCode.NON_EMPTY_GROUP,
      ErrorCode.GROUP_ID_NOT_FOUND,
    ]);
    test.groups.leave('group', [{ memberId: member.memberId, groupInstanceId: null, reason: null }]);
    expect(await test.groups.deleteGroups(['group'])).toEqual([ErrorCode.NONE]);
    for (const _time of ['before', 'after a restart']) {
      expect(test.groups.describe('group').groupState).toBe(GroupState.DEAD);
      expect(test.offset()).toBe(-1);
      test.restart();
      await test.settle();
    }
  });

  it('delete commits that are still on their way', async () => {
    const test = await TestCoordinator.start();
    await test.commit(1);
    test.log.hold();
    const commit = test.commit(2);
    const deleted = test.groups.deleteGroups(['group']);
    test.log.letGo();
    expect(await commit).toBe(ErrorCode.NONE);
    expect(await deleted).toEqual([ErrorCode.NONE]);
    expect(test.offset()).toBe(-1);
    test.restart();
    await test.settle();
    expect(test.offset()).toBe(-1);
  });

  it('forget an offset, whatever is on its way before and after', async () => {
    const test = await TestCoordinator.start();
    await test.commit(1);
    await test.commit(1, { partition: 1 });
    test.log.hold();
    const outcomes = [
      test.commit(2),
      test.groups.deleteOffsets('group', [{ topic: 'topic', partition: 0 }]),
      test.commit(3, { partition: 1 }),
      test.groups.deleteOffsets('group', [{ topic: 'topic', partition: 1 }]),
      test.commit(4, { partition: 1 }),
    ];
    test.log.letGo();
    await Promise.all(outcomes);
    for (const _time of ['before', 'after a restart']) {
      expect([test.offset(0), test.offset(1)]).toEqual([-1, 4]);
      test.restart();
      await test.settle();
    }
  });

  it('leave offsets alone that a live group needs', async () => {
    const test = await TestCoordinator.start();
    const member = await test.stableMember(subscribedTo('topic'));
    await test.commit(1, { ...member, topic: 'topic' });
    await test.commit(1, { ...member, topic: 'other' });
    const remove = (...topics: string[]) =>
      test.groups.deleteOffsets(
        'group',
        topics.map((topic) => ({ topic, partition: 0 })),
      );
    expect(await remove('topic', 'other')).toEqual({
      errorCode: ErrorCode.NONE,
      partitions: [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode.NONE],
    });
    expect([test.offset(0, 'topic'), test.offset(0, 'other')]).toEqual([1, -1]);
    expect((await test.groups.deleteOffsets('nowhere', [])).errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
  });

  it('cannot tell what members other than consumers need', async () => {
    const test = await TestCoordinator.start();
    await test.stableMember({ protocolType: 'connect' });
    const outcome = await test.groups.deleteOffsets('group', [{ topic: 'topic', partition: 0 }]);
    expect(outcome.errorCode).toBe(ErrorCode.NON_EMPTY_GROUP);
  });

  it('report a tombstone that could not be written', async () => {
    const test = await TestCoordinator.start();
    await test.commit(1);
    test.log.appendError = ErrorCode.NOT_LEADER_OR_FOLLOWER;
    expect(await test.groups.deleteGroups(['group'])).toEqual([ErrorCode.NOT_COORDINATOR]);
  });

  it('forget the offsets of deleted topics', async () => {
    const test = await TestCoordinator.start();
    await test.commit(1, { topic: 'gone' });
    await test.commit(2, { topic: 'kept' });
    test.groups.forgetTopics(new Set(['gone']));
    await test.settle();
    test.restart();
    await test.settle();
    expect([test.offset(0, 'gone'), test.offset(0, 'kept')]).toEqual([-1, 2]);
  });
});

describe('offset retention', () => {
  it('counts from the commit where there are no members at all', async () => {
    const test = await TestCoordinator.start();
    await test.commit(1);
    await test.advance(4 * DAY_MS);
    await test.commit(2, { partition: 1 });
    await test.advance(3 * DAY_MS);
    expect([test.offset(0), test.offset(1)]).toEqual([-1, 2]);
    await test.advance(4 * DAY_MS);
    expect(test.groups.describe('group').groupState).toBe(GroupState.DEAD);
  });

  it('counts from when the last member left, also after a restart', async () => {
    const test = await TestCoordinator.start();
    const member = await test.stableMember({ sessionTimeoutMs: 1_800_000 });
    await test.commit(1, member);
    for (let elapsedMs = 0; elapsedMs < 10 * DAY_MS; elapsedMs += BEAT_MS) {
      await test.advance(BEAT_MS);
      test.heartbeat(member);
    }
    test.groups.leave('group', [{ memberId: member.memberId, groupInstanceId: null, reason: null }]);
    await test.settle();
    await test.advance(4 * DAY_MS);
    test.restart();
    await test.settle();
    await test.advance(3 * DAY_MS - 1);
    expect(test.offset()).toBe(1);
    await test.advance(601_000);
    expect(test.offset()).toBe(-1);
    test.restart();
    await test.settle();
    expect(test.groups.list([], []).groups).toEqual([]);
  });

  it('takes from a live group only what it does not subscribe to', async () => {
    const test = await TestCoordinator.start();
    const member = await test.stableMember({ ...subscribedTo('read'), sessionTimeoutMs: 1_800_000 });
    await test.commit(1, { ...member, topic: 'read' });
    await test.commit(1, { ...member, topic: 'left' });
    for (let elapsedMs = 0; elapsedMs < 8 * DAY_MS; elapsedMs += BEAT_MS) {
      await test.advance(BEAT_MS);
      expect(test.heartbeat(member)).toBe(ErrorCode.NONE);
    }
    expect([test.offset(0, 'read'), test.offset(0, 'left')]).toEqual([1, -1]);
  });

  it('goes by the time a commit gave itself, also after a restart', async () => {
    const test = await TestCoordinator.start();
    const nowMs = test.clock.now();
    const offsets = [{ ...commitOf('topic', 0, 1, nowMs), expireTimestampMs: nowMs + DAY_MS }];
    await test.groups.commitOffsets({
      groupId: 'group',
      generationId: -1,
      memberId: '',
      groupInstanceId: null,
      offsets,
    });
    test.restart();
    await test.settle();
    await test.advance(DAY_MS - 1);
    expect(test.offset()).toBe(1);
    await test.advance(601_000);
    expect(test.offset()).toBe(-1);
  });

  it('forgets groups that were never more than a name', async () => {
    const test = await TestCoordinator.start();
    await test.join().promise;
    expect(test.groups.list([], []).groups).toHaveLength(1);
    await test.advance(600_000);
    expect(test.groups.list([], []).groups).toEqual([]);
  });
});
