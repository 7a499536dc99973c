import { ErrorCode } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { SESSION_MS, TestCoordinator } from '../testing/test-groups.ts';
import { GroupState } from './group-state.ts';
import type { JoinRequest } from './membership.ts';
import type { JoinResult } from './results.ts';

/** Two static members `a` (the leader) and `b`, with the assignments `for a` and `for b`. */
async function stablePair(
  fields: Partial<JoinRequest> = {},
): Promise<{ test: TestCoordinator; a: JoinResult; b: JoinResult }> {
  const test = await TestCoordinator.start({ config: { initialRebalanceDelayMs: 10 } });
  const joins = ['a', 'b'].map((groupInstanceId) => test.join({ ...fields, groupInstanceId }));
  await test.advance(100);
  const [a, b] = joins.map(({ result }) => result!) as [JoinResult, JoinResult];
  const assignments = [
    { memberId: a.memberId, assignment: Buffer.from('for a') },
    { memberId: b.memberId, assignment: Buffer.from('for b') },
  ];
  await test.sync(a, { assignments, groupInstanceId: 'a' });
  await test.sync(b, { groupInstanceId: 'b' });
  return { test, a, b };
}

describe('static members', () => {
  it('get ids that begin with their instance id, without being sent round', async () => {
    const { test, a, b } = await stablePair();
    expect(a.memberId).toMatch(/^a-/);
    expect(b.memberId).toMatch(/^b-/);
    expect(test.groups.describe('group').members.map(({ groupInstanceId }) => groupInstanceId)).toEqual(['a', 'b']);
  });

  it('come back under a new id with the same work, and nobody else notices', async () => {
    const { test, a, b } = await stablePair();
    const back = await test.join({ groupInstanceId: 'b' }).promise;
    expect(back).toMatchObject({
      errorCode: 0,
      generationId: 1,
      leader: a.memberId,
      skipAssignment: false,
      members: [],
    });
    expect(back.memberId).not.toBe(b.memberId);
    expect((await test.sync(back, { groupInstanceId: 'b' })).assignment.toString()).toBe('for b');
    expect(test.heartbeat(a, 'a')).toBe(ErrorCode.NONE);
    expect(test.heartbeat(b, 'b')).toBe(ErrorCode.FENCED_INSTANCE_ID);
    expect(test.heartbeat(b)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(await test.join({ memberId: b.memberId, groupInstanceId: 'b' }).promise).toMatchObject({
      errorCode: ErrorCode.FENCED_INSTANCE_ID,
    });
  });

  it('that lead are told to skip the assignment from version 9 on', async () => {
    const { test } = await stablePair();
    const back = await test.join({ groupInstanceId: 'a' }).promise;
    expect(back).toMatchObject({ generationId: 1, leader: back.memberId, skipAssignment: true });
    expect(back.members).toHaveLength(2);
  });

  it('that lead are told before version 9 that their former self leads', async () => {
    const { test, a } = await stablePair();
    const back = await test.join({ groupInstanceId: 'a', supportsSkippingAssignment: false }).promise;
    expect(back).toMatchObject({ generationId: 1, leader: a.memberId, skipAssignment: false, members: [] });
  });

  it('cause a rebalance when the chosen protocol changes with them', async () => {
    const sticky = { name: 'sticky', metadata: Buffer.from('s') };
    const range = { name: 'range', metadata: Buffer.from('r') };
    const { test, a } = await stablePair({ protocols: [range, sticky] });
    const back = test.join({ groupInstanceId: 'b', protocols: [sticky] });
    await test.settle();
    expect(back.result).toBeUndefined();
    expect(test.heartbeat(a, 'a')).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
    const leader = await test.join({ memberId: a.memberId, groupInstanceId: 'a', protocols: [range, sticky] }).promise;
    expect(leader).toMatchObject({ generationId: 2, protocolName: 'sticky' });
  });

  it('that come back before the assignment make all start over', async () => {
    const test = await TestCoordinator.start({ config: { initialRebalanceDelayMs: 10 } });
    const joins = ['a', 'b'].map((groupInstanceId) => test.join({ groupInstanceId }));
    await test.advance(100);
    const waiting = test.sync(joins[1]!.result!, { groupInstanceId: 'b' });
    const back = test.join({ groupInstanceId: 'b' });
    expect((await waiting).errorCode).toBe(ErrorCode.FENCED_INSTANCE_ID);
    await test.settle();
    expect(back.result).toBeUndefined();
    expect(test.groups.describe('group').groupState).toBe(GroupState.PREPARING_REBALANCE);
  });

  it('fence their former self that waits in JoinGroup', async () => {
    const { test } = await stablePair();
    void test.join({ requireKnownMemberId: false });
    const former = test.join({ groupInstanceId: 'b' });
    await test.settle();
    expect(former.result).toBeUndefined();
    const back = test.join({ groupInstanceId: 'b' });
    await test.settle();
    expect(former.result?.errorCode).toBe(ErrorCode.FENCED_INSTANCE_ID);
    expect(back.result).toBeUndefined();
  });

  it('keep their place in a rebalance that they miss, as long as others may take to sync', async () => {
    const { test, a, b } = await stablePair({ rebalanceTimeoutMs: 1_000 });
    const again = test.join({ memberId: a.memberId, groupInstanceId: 'a', rebalanceTimeoutMs: 1_000 });
    await test.advance(1_000);
    expect(again.result).toMatchObject({ generationId: 2 });
    expect(again.result?.members.map(({ memberId }) => memberId)).toContain(b.memberId);
    expect(test.heartbeat(again.result!, 'a')).toBe(ErrorCode.NONE);
    expect(test.heartbeat(b, 'b')).toBe(ErrorCode.ILLEGAL_GENERATION);
    await test.advance(1_000);
    expect(test.heartbeat(b, 'b')).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('postpone a rebalance in which nobody has joined', async () => {
    const { test, a, b } = await stablePair({ rebalanceTimeoutMs: 1_000 });
    test.groups.leave('group', [{ memberId: '', groupInstanceId: 'b', reason: null }]);
    await test.advance(3_500);
    expect(test.heartbeat(a, 'a')).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
    expect(test.heartbeat(b, 'b')).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    await test.advance(SESSION_MS);
    expect(test.groups.describe('group').groupState).toBe(GroupState.EMPTY);
  });

  it('are known after a restart, as they were written', async () => {
    const { test } = await stablePair();
    const back = await test.join({ groupInstanceId: 'b' }).promise;
    test.restart();
    await test.settle();
    expect(test.heartbeat(back, 'b')).toBe(ErrorCode.NONE);
    expect((await test.sync(back, { groupInstanceId: 'b' })).assignment.toString()).toBe('for b');
  });

  it('keep their former id when the new one cannot be written', async () => {
    const { test, b } = await stablePair();
    test.log.appendError = ErrorCode.NOT_LEADER_OR_FOLLOWER;
    expect(await test.join({ groupInstanceId: 'b' }).promise).toMatchObject({
      errorCode: ErrorCode.NOT_COORDINATOR,
      memberId: '',
    });
    expect(test.heartbeat(b, 'b')).toBe(ErrorCode.NONE);
  });

  it('are removed by an administrator by instance id, and fenced where the member id is another', async () => {
    const { test, a } = await stablePair();
    const leave = (memberId: string, groupInstanceId: string) =>
      test.groups.leave('group', [{ memberId, groupInstanceId, reason: null }]).members[0];
    expect(leave(a.memberId, 'b')).toBe(ErrorCode.FENCED_INSTANCE_ID);
    expect(leave('', 'c')).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(leave('', 'b')).toBe(ErrorCode.NONE);
    expect(test.groups.describe('group').members).toHaveLength(1);
  });

  it('cannot take over an id that was given to a dynamic one', async () => {
    const { test } = await stablePair();
    const { memberId } = await test.join().promise;
    expect(await test.join({ memberId, groupInstanceId: 'c' }).promise).toMatchObject({
      errorCode: ErrorCode.UNKNOWN_MEMBER_ID,
    });
  });
});
