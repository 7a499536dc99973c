import { ErrorCode } from '@millrace/protocol';
import { buildEndTxnMarker, ControlRecordType, RecordBatchBuilder } from '@millrace/records';
import { describe, expect, it } from 'vitest';
import { partitionOf } from '../shared/java-hash.ts';
import { silentLogger } from '../shared/logger.ts';
import { commitOf, joinRequest, SESSION_MS, TestCoordinator } from '../testing/test-groups.ts';
import { GroupState } from './group-state.ts';
import { offsetRecord } from './state-records.ts';

describe('a partition that is being read', () => {
  it('puts requests off, each in the way its clients understand', async () => {
    const test = await TestCoordinator.start();
    const member = await test.stableMember();
    await test.commit(1, member);
    let go: () => void = () => {};
    test.log.readAfter(
      new Promise((resolve) => {
        go = resolve;
      }),
    );
    test.restart();
    await test.settle();
    const { groups } = test;
    expect((await groups.join(joinRequest())).errorCode).toBe(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
    expect((await test.sync(member)).errorCode).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
    expect(test.heartbeat(member)).toBe(ErrorCode.NONE);
    expect(await test.commit(2, member)).toBe(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
    expect(groups.fetchOffsets('group', null, false).errorCode).toBe(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
    expect(groups.describe('group')).toMatchObject({
      errorCode: ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
      groupState: '',
    });
    expect(groups.list([], [])).toEqual({ errorCode: ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, groups: [] });
    expect(await groups.deleteGroups(['group'])).toEqual([ErrorCode.COORDINATOR_LOAD_IN_PROGRESS]);
    go();
    await test.settle();
    expect(test.heartbeat(member)).toBe(ErrorCode.NONE);
    expect(test.offset()).toBe(1);
  });

  it('is read again when reading fails', async () => {
    const test = await TestCoordinator.start();
    await test.commit(1);
    test.log.readError = ErrorCode.KAFKA_STORAGE_ERROR;
    test.restart();
    await test.advance(5_000);
    expect(test.groups.fetchOffsets('group', null, false).errorCode).toBe(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
    test.log.readError = ErrorCode.NONE;
    await test.advance(1_000);
    expect(test.offset()).toBe(1);
  });

  it('is read again when something fails before the first record is read', async () => {
    const test = await TestCoordinator.start();
    await test.commit(1);
    const monotonic = test.clock.monotonic.bind(test.clock);
    let failures = 0;
    test.clock.monotonic = () => {
      // What else asks for the time is not what is tried.
      if (failures === 0 && new Error().stack?.includes('load')) {
        failures += 1;
        throw new Error('no clock');
      }
      return monotonic();
    };
    test.restart();
    await test.advance(5_000);
    expect(failures).toBe(1);
    expect(test.offset()).toBe(1);
  });

  it.each([
    [
      ErrorCode.REQUEST_TIMED_OUT,
      'warn',
      'The state of a partition that is coordinated here is not yet on all replicas in sync',
    ],
    [ErrorCode.KAFKA_STORAGE_ERROR, 'error', 'Could not read the state of a partition that is coordinated here'],
  ])('is said to wait for what (%i)', async (errorCode, level, message) => {
    const said: unknown[] = [];
    const logger = { ...silentLogger, [level]: (_fields: object, text: string) => said.push(text) };
    const test = await TestCoordinator.start({ logger });
    test.log.readError = errorCode;
    test.restart();
    await test.advance(0);
    expect(said).toContain(message);
  });

  it("gives its members a session's time to be heard of", async () => {
    const test = await TestCoordinator.start();
    const member = await test.stableMember();
    test.restart();
    await test.advance(SESSION_MS - 1);
    expect(test.groups.describe('group')).toMatchObject({ groupState: GroupState.STABLE, protocolData: 'range' });
    expect(test.groups.describe('group').members[0]?.memberAssignment.toString()).toBe('all');
    await test.advance(1);
    expect(test.heartbeat(member)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('rebalances a group that has become larger than group.max.size', async () => {
    const test = await TestCoordinator.start({ config: { initialRebalanceDelayMs: 10 } });
    const joins = [0, 1].map(() => test.join({ requireKnownMemberId: false }));
    await test.advance(100);
    const [leader, follower] = joins.map(({ result }) => result!);
    await Promise.all([test.sync(leader!), test.sync(follower!)]);
    Object.assign(test.config, { maxSize: 1 });
    test.restart();
    await test.settle();
    expect(test.heartbeat(leader!)).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
    const again = test.join({ memberId: follower!.memberId });
    expect((await test.join({ memberId: leader!.memberId }).promise).errorCode).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED);
    expect((await again.promise).generationId).toBe(2);
  });

  it('skips what it cannot read and what belongs to other kinds of groups', async () => {
    const test = new TestCoordinator();
    const builder = new RecordBatchBuilder();
    const good = offsetRecord('group', commitOf('topic', 0, 7, 0));
    builder.append(0, Buffer.from([0, 3, 1, 2, 3]), Buffer.from('a newer kind of group'));
    builder.append(0, Buffer.from([0, 1, 0]), good.value);
    builder.append(0, Buffer.from([0]), good.value);
    builder.append(0, null, good.value);
    builder.append(0, good.key, good.value);
    builder.append(0, offsetRecord('group', commitOf('topic', 1, 7, 0)).key, Buffer.from([0, 99]));
    test.log.addBatch(0, builder.build());
    await test.settle();
    expect([test.offset(0), test.offset(1)]).toEqual([7, -1]);
  });

  it('lets a plain commit that stands later in the log win over a transaction that ends afterwards', async () => {
    const test = new TestCoordinator();
    const batch = (offset: number, producerId?: number): Buffer => {
      const builder = new RecordBatchBuilder();
      const { key, value } = offsetRecord('group', commitOf('topic', 0, offset, 0));
      builder.append(0, key, value);
      return builder.build(
        producerId === undefined ? {} : { producerId, producerEpoch: 0, baseSequence: 0, isTransactional: true },
      );
    };
    test.log.addBatch(0, batch(1, 10));
    test.log.addBatch(0, batch(2));
    test.log.addBatch(
      0,
      buildEndTxnMarker({
        producerId: 10,
        producerEpoch: 0,
        type: ControlRecordType.COMMIT,
        coordinatorEpoch: 0,
        timestampMs: 0,
      }),
    );
    await test.settle();
    expect(test.offset()).toBe(2);
  });
});

describe('a partition that is led elsewhere', () => {
  it('is not answered for', async () => {
    const test = await TestCoordinator.start({ partitionCount: 4 });
    const elsewhere = partitionOf('group', 4);
    test.listener.onResigned(elsewhere, 2);
    expect((await test.join().promise).errorCode).toBe(ErrorCode.NOT_COORDINATOR);
    expect(await test.commit(1)).toBe(ErrorCode.NOT_COORDINATOR);
    expect((await test.groups.deleteOffsets('group', [])).errorCode).toBe(ErrorCode.NOT_COORDINATOR);
    test.listener.onElected(elsewhere, 3);
    await test.settle();
    expect(await test.commit(1)).toBe(ErrorCode.NONE);
  });

  it('is not answered for, but kept, while others may lead it for all that the broker knows', async () => {
    const test = await TestCoordinator.start();
    const member = await test.stableMember();
    expect(await test.commit(1, member)).toBe(ErrorCode.NONE);
    test.log.inDoubt = true;
    const { groups } = test;
    expect((await groups.join(joinRequest())).errorCode).toBe(ErrorCode.NOT_COORDINATOR);
    expect((await test.sync(member)).errorCode).toBe(ErrorCode.NOT_COORDINATOR);
    expect(test.heartbeat(member)).toBe(ErrorCode.NOT_COORDINATOR);
    expect(groups.leave('group', []).errorCode).toBe(ErrorCode.NOT_COORDINATOR);
    expect(await test.commit(2, member)).toBe(ErrorCode.NOT_COORDINATOR);
    expect(groups.fetchOffsets('group', null, false).errorCode).toBe(ErrorCode.NOT_COORDINATOR);
    expect(groups.describe('group').errorCode).toBe(ErrorCode.NOT_COORDINATOR);
    expect(await groups.deleteGroups(['group'])).toEqual([ErrorCode.NOT_COORDINATOR]);
    test.log.inDoubt = false;
    expect(test.heartbeat(member)).toBe(ErrorCode.NONE);
    expect(test.offset()).toBe(1);
  });

  it('lets go of everyone who waits when it is handed over', async () => {
    const test = await TestCoordinator.start();
    const member = await test.stableMember();
    const joining = test.join({ requireKnownMemberId: false });
    test.log.hold();
    const commits = [test.commit(1, member), test.commit(2, member)];
    test.listener.onResigned(0, 2);
    expect((await joining.promise).errorCode).toBe(ErrorCode.NOT_COORDINATOR);
    expect(await commits[1]).toBe(ErrorCode.NOT_COORDINATOR);
    test.log.letGo();
    expect(await commits[0]).toBe(ErrorCode.NONE);
    expect(test.groups.deadlineCount).toBe(1);
  });

  it('does not resign for an epoch that is over', async () => {
    const test = await TestCoordinator.start();
    test.listener.onElected(0, 5);
    test.listener.onResigned(0, 4);
    expect(await test.commit(1)).toBe(ErrorCode.NONE);
  });

  it('is not taken over when it was handed on while it was being read', async () => {
    const test = await TestCoordinator.start();
    test.listener.onResigned(0, 1);
    test.listener.onElected(0, 2);
    test.listener.onResigned(0, 3);
    await test.settle();
    expect((await test.join().promise).errorCode).toBe(ErrorCode.NOT_COORDINATOR);
  });
});

describe('stop', () => {
  it('answers everyone who waits and leaves no timer', async () => {
    const test = await TestCoordinator.start();
    await test.stableMember();
    const joining = test.join({ requireKnownMemberId: false });
    test.groups.stop();
    expect((await joining.promise).errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    expect((await test.join().promise).errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    expect(test.clock.pendingCount).toBe(0);
  });
});
