import { ErrorCode } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { REBALANCE_MS, SESSION_MS, TestCoordinator } from '../testing/test-groups.ts';
import { GroupState } from './group-state.ts';

const RANGE = { name: 'range', metadata: Buffer.from('r') };
const STICKY = { name: 'sticky', metadata: Buffer.from('s') };

describe('JoinGroup', () => {
  it('gives a dynamic member an id first and lets it join with that', async () => {
    const test = await TestCoordinator.start();
    const first = await test.join().promise;
    expect(first).toMatchObject({ errorCode: ErrorCode.MEMBER_ID_REQUIRED, generationId: -1 });
    expect(first.memberId).toMatch(/^client-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const second = test.join({ memberId: first.memberId });
    await test.settle();
    expect(second.result).toMatchObject({
      errorCode: ErrorCode.NONE,
      generationId: 1,
      protocolType: 'consumer',
      protocolName: 'range',
      leader: first.memberId,
      memberId: first.memberId,
      skipAssignment: false,
    });
    expect(second.result?.members).toHaveLength(1);
  });

  it('lets clients before version 4 join without an id', async () => {
    const test = await TestCoordinator.start();
    const joined = await test.joined({ requireKnownMemberId: false });
    expect(joined).toMatchObject({ errorCode: ErrorCode.NONE, generationId: 1 });
  });

  it('takes an unused id back after the session timeout', async () => {
    const test = await TestCoordinator.start();
    const { memberId } = await test.join().promise;
    await test.advance(SESSION_MS);
    expect(await test.join({ memberId }).promise).toMatchObject({ errorCode: ErrorCode.UNKNOWN_MEMBER_ID });
    expect(test.groups.deadlineCount).toBe(1);
  });

  it('waits with a rebalance for whoever holds an id, and goes on when the id lapses', async () => {
    const test = await TestCoordinator.start();
    const leader = await test.stableMember();
    await test.join().promise;
    const again = test.join({ memberId: leader.memberId });
    await test.advance(SESSION_MS - 1);
    expect(again.result).toBeUndefined();
    await test.advance(1);
    expect(again.result).toMatchObject({ errorCode: ErrorCode.NONE, generationId: 2 });
  });

  it.each([
    ['an unknown group', {}],
    ['a group without members', { prepare: true }],
  ])('does not know a member id of %s', async (_name, { prepare = false }: { prepare?: boolean }) => {
    const test = await TestCoordinator.start();
    if (prepare) await test.commit(1);
    const joined = await test.join({ memberId: 'somebody' }).promise;
    expect(joined).toMatchObject({ errorCode: ErrorCode.UNKNOWN_MEMBER_ID, memberId: 'somebody' });
  });

  it.each([
    [5_999, ErrorCode.INVALID_SESSION_TIMEOUT],
    [6_000, ErrorCode.MEMBER_ID_REQUIRED],
    [1_800_000, ErrorCode.MEMBER_ID_REQUIRED],
    [1_800_001, ErrorCode.INVALID_SESSION_TIMEOUT],
  ])('judges a session timeout of %i ms', async (sessionTimeoutMs, errorCode) => {
    const test = await TestCoordinator.start();
    expect(await test.join({ sessionTimeoutMs }).promise).toMatchObject({ errorCode });
  });

  it.each([
    ['', ErrorCode.INVALID_GROUP_ID],
    ['group', ErrorCode.MEMBER_ID_REQUIRED],
    ['g'.repeat(16_383), ErrorCode.MEMBER_ID_REQUIRED],
    ['g'.repeat(16_384), ErrorCode.INVALID_GROUP_ID],
  ])('judges the group id %.20s', async (groupId, errorCode) => {
    const test = await TestCoordinator.start();
    expect(await test.join({ groupId }).promise).toMatchObject({ errorCode });
  });

  it('refuses members without a protocol in common', async () => {
    const test = await TestCoordinator.start();
    expect(await test.join({ protocols: [] }).promise).toMatchObject({
      errorCode: ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
    });
    await test.stableMember({ protocols: [RANGE] });
    for (const other of [{ protocols: [STICKY] }, { protocolType: 'connect', protocols: [RANGE] }]) {
      expect(await test.join(other).promise).toMatchObject({ errorCode: ErrorCode.INCONSISTENT_GROUP_PROTOCOL });
    }
  });

  it('chooses the protocol that all know and most prefer', async () => {
    const test = await TestCoordinator.start({ config: { initialRebalanceDelayMs: 100 } });
    const round = { name: 'round', metadata: Buffer.from('o') };
    const joins = [
      [round, RANGE, STICKY],
      [STICKY, RANGE],
      [STICKY, RANGE],
      [STICKY, round, RANGE],
    ].map((protocols) => test.join({ requireKnownMemberId: false, protocols }));
    await test.advance(1_000);
    for (const { result } of joins) expect(result?.protocolName).toBe('sticky');
    expect(joins[0]?.result?.members.map(({ metadata }) => metadata.toString())).toEqual(['s', 's', 's', 's']);
    expect(joins[1]?.result?.members).toEqual([]);
  });

  it('keeps no bytes of the request', async () => {
    const test = await TestCoordinator.start();
    const frame = Buffer.from('rrr');
    const pending = test.join({ requireKnownMemberId: false, protocols: [{ name: 'range', metadata: frame }] });
    frame.fill(0);
    await test.settle();
    expect(pending.result?.members[0]?.metadata.toString()).toBe('rrr');
  });

  it('refuses members above group.max.size', async () => {
    const test = await TestCoordinator.start({ config: { maxSize: 1 } });
    const joined = await test.stableMember();
    expect(await test.join().promise).toMatchObject({ errorCode: ErrorCode.GROUP_MAX_SIZE_REACHED });
    expect(test.heartbeat(joined)).toBe(ErrorCode.NONE);
  });

  it('holds a new group open while members keep coming, up to the rebalance timeout', async () => {
    const test = await TestCoordinator.start({ config: { initialRebalanceDelayMs: 3_000 } });
    const joins = [test.join({ requireKnownMemberId: false, rebalanceTimeoutMs: 10_000 })];
    for (let second = 0; second < 4; second += 1) {
      await test.advance(2_000);
      joins.push(test.join({ requireKnownMemberId: false, rebalanceTimeoutMs: 10_000 }));
    }
    await test.advance(1_999);
    expect(joins.map(({ result }) => result)).toEqual(joins.map(() => undefined));
    await test.advance(1);
    for (const { result } of joins) expect(result).toMatchObject({ errorCode: ErrorCode.NONE, generationId: 1 });
  });

  it('starts a new group after one delay when nobody else comes', async () => {
    const test = await TestCoordinator.start({ config: { initialRebalanceDelayMs: 3_000 } });
    const joined = test.join({ requireKnownMemberId: false });
    await test.advance(2_999);
    expect(joined.result).toBeUndefined();
    await test.advance(1);
    expect(joined.result?.errorCode).toBe(ErrorCode.NONE);
  });

  it('answers all who wait though completing their join has failed once, by whatever', async () => {
    const test = await TestCoordinator.start({ config: { initialRebalanceDelayMs: 3_000 } });
    const joins = [0, 1].map(() => test.join({ requireKnownMemberId: false }));
    // It waits once more, because another has come.
    await test.advance(3_000);
    const { clock } = test;
    const now = clock.now.bind(clock);
    clock.now = () => {
      clock.now = now;
      throw new Error('on purpose');
    };
    await test.advance(3_000);
    await test.advance(1_000);
    for (const { result } of joins) expect(result).toMatchObject({ errorCode: ErrorCode.NONE });
  });

  it('removes a new member whose JoinGroup has waited for five minutes', async () => {
    const test = await TestCoordinator.start();
    const [leader] = [await test.stableMember({ rebalanceTimeoutMs: 3_600_000, sessionTimeoutMs: 1_800_000 })];
    const other = test.join({ requireKnownMemberId: false });
    await test.advance(5 * 60_000);
    expect(other.result).toMatchObject({ errorCode: ErrorCode.UNKNOWN_MEMBER_ID, memberId: '' });
    expect(test.heartbeat(leader!)).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
  });

  it('answers a JoinGroup that is overtaken by one of the same member', async () => {
    const test = await TestCoordinator.start();
    const leader = await test.stableMember();
    const other = test.join({ requireKnownMemberId: false });
    const overtaken = test.join({ memberId: leader.memberId, protocols: [RANGE] });
    void other;
    await test.settle();
    const { memberId } = overtaken.result!;
    expect(memberId).toBe(leader.memberId);
  });
});

describe('a rebalance', () => {
  it('calls the members together when one comes, and gives all the next generation', async () => {
    const test = await TestCoordinator.start();
    const leader = await test.stableMember();
    const other = test.join({ requireKnownMemberId: false });
    await test.settle();
    expect(other.result).toBeUndefined();
    expect(test.heartbeat(leader)).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
    const again = test.join({ memberId: leader.memberId });
    await test.settle();
    expect(again.result).toMatchObject({ generationId: 2, leader: leader.memberId });
    expect(other.result).toMatchObject({ generationId: 2, leader: leader.memberId, members: [] });
    expect(again.result?.members.map(({ memberId }) => memberId)).toEqual([leader.memberId, other.result?.memberId]);
  });

  it('goes on without dynamic members that do not come back within the rebalance timeout', async () => {
    const test = await TestCoordinator.start();
    const leader = await test.stableMember({ sessionTimeoutMs: 120_000 });
    const other = test.join({ requireKnownMemberId: false });
    await test.advance(REBALANCE_MS - 1);
    expect(other.result).toBeUndefined();
    await test.advance(1);
    expect(other.result).toMatchObject({ generationId: 2, leader: other.result?.memberId });
    expect(test.heartbeat(leader)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('waits as long as the most patient member asks', async () => {
    const test = await TestCoordinator.start();
    await test.stableMember({ sessionTimeoutMs: 600_000, rebalanceTimeoutMs: 300_000 });
    const other = test.join({ requireKnownMemberId: false, rebalanceTimeoutMs: 1_000 });
    await test.advance(299_999);
    expect(other.result).toBeUndefined();
    await test.advance(1);
    expect(other.result?.errorCode).toBe(ErrorCode.NONE);
  });

  it('is forced by the leader, and by a follower only with other metadata', async () => {
    const test = await TestCoordinator.start({ config: { initialRebalanceDelayMs: 10 } });
    const joins = [test.join({ requireKnownMemberId: false }), test.join({ requireKnownMemberId: false })];
    await test.advance(100);
    const [leader, follower] = joins.map(({ result }) => result!);
    const synced = [test.sync(leader!), test.sync(follower!)];
    await test.settle();
    for (const sync of synced) expect((await sync).errorCode).toBe(ErrorCode.NONE);

    const repeated = await test.join({ memberId: follower!.memberId }).promise;
    expect(repeated).toMatchObject({ generationId: 1, members: [] });
    expect(test.heartbeat(leader!)).toBe(ErrorCode.NONE);

    const changed = test.join({
      memberId: follower!.memberId,
      protocols: [{ name: 'range', metadata: Buffer.from('x') }],
    });
    await test.settle();
    expect(changed.result).toBeUndefined();
    expect(test.heartbeat(leader!)).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
    await test.join({ memberId: leader!.memberId }).promise;
    expect(changed.result).toMatchObject({ generationId: 2 });
  });

  it('repeats its answer to a member that missed it before the assignment', async () => {
    const test = await TestCoordinator.start();
    const joined = await test.joined();
    const repeated = await test.join({ memberId: joined.memberId }).promise;
    expect(repeated).toEqual(joined);
  });

  it('leaves a group without members empty and writes so', async () => {
    const test = await TestCoordinator.start();
    const joined = await test.stableMember();
    const { members } = test.groups.leave('group', [
      { memberId: joined.memberId, groupInstanceId: null, reason: null },
    ]);
    expect(members).toEqual([ErrorCode.NONE]);
    expect(test.groups.describe('group')).toMatchObject({ groupState: GroupState.EMPTY, members: [] });
    await test.settle();
    test.restart();
    await test.settle();
    expect(test.groups.describe('group')).toMatchObject({ groupState: GroupState.EMPTY, protocolType: 'consumer' });
    expect((await test.joined()).generationId).toBe(3);
  });
});

describe('SyncGroup', () => {
  it("hands the leader's assignment to each member, once it is durable", async () => {
    const test = await TestCoordinator.start({ config: { initialRebalanceDelayMs: 10 } });
    const joins = [test.join({ requireKnownMemberId: false }), test.join({ requireKnownMemberId: false })];
    await test.advance(100);
    const [leader, follower] = joins.map(({ result }) => result!);
    const early = test.sync(follower!);
    test.log.hold();
    const late = test.sync(leader!, {
      assignments: [
        { memberId: follower!.memberId, assignment: Buffer.from('yours') },
        { memberId: 'stranger', assignment: Buffer.from('nobody') },
      ],
    });
    expect(test.groups.describe('group').groupState).toBe(GroupState.COMPLETING_REBALANCE);
    test.log.letGo();
    expect(await early).toMatchObject({ errorCode: 0, protocolType: 'consumer', protocolName: 'range' });
    expect((await early).assignment.toString()).toBe('yours');
    expect((await late).assignment).toHaveLength(0);
    expect(test.groups.describe('group').groupState).toBe(GroupState.STABLE);
    expect((await test.sync(follower!)).assignment.toString()).toBe('yours');
  });

  it.each([
    ['another generation', { generationId: 7 }, ErrorCode.ILLEGAL_GENERATION],
    ['another member', { memberId: 'x' }, ErrorCode.UNKNOWN_MEMBER_ID],
    ['another protocol type', { protocolType: 'connect' }, ErrorCode.INCONSISTENT_GROUP_PROTOCOL],
    ['another protocol', { protocolName: 'sticky' }, ErrorCode.INCONSISTENT_GROUP_PROTOCOL],
    ['an unknown group', { groupId: 'x' }, ErrorCode.UNKNOWN_MEMBER_ID],
    ['an instance it is not', { groupInstanceId: 'x' }, ErrorCode.UNKNOWN_MEMBER_ID],
    ['the right names', { protocolType: 'consumer', protocolName: 'range' }, ErrorCode.NONE],
  ])('judges %s', async (_name, fields, errorCode) => {
    const test = await TestCoordinator.start();
    const joined = await test.joined();
    expect((await test.sync(joined, fields)).errorCode).toBe(errorCode);
  });

  it('is told to start over when somebody joins before the assignment', async () => {
    const test = await TestCoordinator.start({ config: { initialRebalanceDelayMs: 10 } });
    const joins = [test.join({ requireKnownMemberId: false }), test.join({ requireKnownMemberId: false })];
    await test.advance(100);
    const [leader, follower] = joins.map(({ result }) => result!);
    const waiting = test.sync(follower!);
    void test.join({ requireKnownMemberId: false });
    expect((await waiting).errorCode).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
    expect((await test.sync(leader!)).errorCode).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
  });

  it('removes members that never sync, and calls the others together', async () => {
    const test = await TestCoordinator.start({ config: { initialRebalanceDelayMs: 10 } });
    const fields = { requireKnownMemberId: false, sessionTimeoutMs: 1_800_000 };
    const joins = [test.join(fields), test.join(fields)];
    await test.advance(100);
    const [leader, follower] = joins.map(({ result }) => result!);
    expect((await test.sync(leader!)).errorCode).toBe(ErrorCode.NONE);
    await test.advance(REBALANCE_MS);
    expect(test.heartbeat(leader!)).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
    expect(test.heartbeat(follower!)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect((await test.join({ memberId: leader!.memberId }).promise).generationId).toBe(2);
  });

  it('fails for all and rebalances when the group cannot be written', async () => {
    const test = await TestCoordinator.start();
    const joined = await test.joined();
    test.log.appendError = ErrorCode.NOT_ENOUGH_REPLICAS;
    expect((await test.sync(joined)).errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    expect(test.heartbeat(joined)).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
    test.log.appendError = ErrorCode.NONE;
    const again = await test.join({ memberId: joined.memberId }).promise;
    expect((await test.sync(again)).errorCode).toBe(ErrorCode.NONE);
  });

  it('does not wait for a write longer than offsets.commit.timeout.ms', async () => {
    const test = await TestCoordinator.start();
    const joined = await test.joined();
    test.log.hold();
    const synced = test.sync(joined);
    await test.advance(5_000);
    expect((await synced).errorCode).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
    test.log.letGo();
    await test.settle();
    expect(test.groups.describe('group').groupState).toBe(GroupState.PREPARING_REBALANCE);
  });
});

describe('Heartbeat', () => {
  it('keeps a member alive, and its absence ends the membership', async () => {
    const test = await TestCoordinator.start();
    const joined = await test.stableMember();
    for (let beat = 0; beat < 10; beat += 1) {
      await test.advance(SESSION_MS - 1);
      expect(test.heartbeat(joined)).toBe(ErrorCode.NONE);
    }
    await test.advance(SESSION_MS);
    expect(test.heartbeat(joined)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(test.groups.describe('group').groupState).toBe(GroupState.EMPTY);
  });

  it('judges generation, member and group', async () => {
    const test = await TestCoordinator.start();
    const joined = await test.stableMember();
    expect(test.heartbeat({ ...joined, generationId: 0 })).toBe(ErrorCode.ILLEGAL_GENERATION);
    expect(test.heartbeat({ ...joined, memberId: 'x' })).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    const elsewhere = { groupId: 'x', generationId: 1, memberId: 'x', groupInstanceId: null };
    expect(test.groups.heartbeat(elsewhere)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(test.groups.heartbeat({ ...elsewhere, groupId: '' })).toBe(ErrorCode.INVALID_GROUP_ID);
  });

  it('is not needed while a member waits for an answer', async () => {
    const test = await TestCoordinator.start();
    const leader = await test.stableMember({ sessionTimeoutMs: 100_000 });
    const other = await test.join().promise;
    const waiting = test.join({ memberId: other.memberId });
    await test.advance(SESSION_MS * 3);
    expect(waiting.result).toBeUndefined();
    void test.join({ memberId: leader.memberId });
    await test.settle();
    expect(waiting.result?.errorCode).toBe(ErrorCode.NONE);
  });

  it('costs no timer', async () => {
    const test = await TestCoordinator.start();
    const joined = await test.stableMember();
    const timers = test.clock.pendingCount;
    for (let beat = 0; beat < 1_000; beat += 1) test.heartbeat(joined);
    expect(test.clock.pendingCount).toBe(timers);
  });
});

describe('LeaveGroup', () => {
  it('takes out members, pending ones and strangers with an error for each', async () => {
    const test = await TestCoordinator.start();
    const joined = await test.stableMember();
    const pending = await test.join().promise;
    const leaving = [pending.memberId, 'stranger', joined.memberId].map((memberId) => ({
      memberId,
      groupInstanceId: null,
      reason: 'test',
    }));
    expect(test.groups.leave('group', leaving)).toEqual({
      errorCode: ErrorCode.NONE,
      members: [ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.NONE],
    });
    expect(test.groups.leave('nowhere', leaving.slice(0, 1)).members).toEqual([ErrorCode.UNKNOWN_MEMBER_ID]);
  });

  it('answers a member that leaves while it waits', async () => {
    const test = await TestCoordinator.start();
    await test.stableMember();
    const { memberId } = await test.join().promise;
    const waiting = test.join({ memberId });
    await test.settle();
    test.groups.leave('group', [{ memberId, groupInstanceId: null, reason: null }]);
    expect((await waiting.promise).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });
});

describe('expireMember', () => {
  it('ends a session by hand', async () => {
    const test = await TestCoordinator.start();
    const joined = await test.stableMember();
    expect(test.groups.expireMember('group', 'stranger')).toBe(false);
    expect(test.groups.expireMember('group', joined.memberId)).toBe(true);
    expect(test.heartbeat(joined)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });
});
