import { defaultLogConfig, LogManager, type PartitionLog } from '@millrace/log';
import { ManualClock, MemoryDisk, seededRandom, silentLogger } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import { setBatchBaseOffset, setBatchLeaderEpoch } from '@millrace/records';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ReplicaState } from '../cluster/broker-channel.ts';
import { Deadlines } from '../shared/deadlines.ts';
import { Guard } from '../shared/guard.ts';
import { noMetrics } from '../shared/metrics.ts';
import { batchOf } from '../testing/test-broker.ts';
import type { IsrChange, IsrOutcome } from './isr-changes.ts';
import { Partition, type PartitionAppend, type PartitionSurroundings, type PartitionWaiter } from './partition.ts';
import { TrafficCounters } from './partition-traffic.ts';

const BROKER_ID = 1;
const LAG_MS_MAX = 10_000;
const ALL: PartitionAppend = { origin: 'client', acks: -1, timeoutMs: 1000 };
const LEADER_ONLY: PartitionAppend = { ...ALL, acks: 1 };

let clock: ManualClock;
let deadlines: Deadlines;
let logs: LogManager;
let log: PartitionLog;
let partition: Partition;
let surroundings: { -readonly [Name in keyof PartitionSurroundings]: PartitionSurroundings[Name] };
let withdrawn: IsrChange[];
let proposals: { change: IsrChange; answer: (outcome: IsrOutcome | undefined) => void }[];
let committed: [readonly number[], readonly number[]][];

/** A follower fetches from an offset on, having everything below. */
function fetched(brokerId: number, fetchOffset: number): void {
  partition.followerFetched(brokerId, { fetchOffset, logStartOffset: 0, leaderEndOffset: log.durableEndOffset });
}

function state(overrides: Partial<ReplicaState> = {}): ReplicaState {
  return {
    topic: 't',
    topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
    partition: 0,
    controllerEpoch: 1,
    leader: BROKER_ID,
    leaderEpoch: 0,
    isr: [BROKER_ID, 2],
    partitionEpoch: 0,
    replicas: [BROKER_ID, 2],
    addingReplicas: [],
    removingReplicas: [],
    leaderRecoveryState: 0,
    isNew: false,
    ...overrides,
  };
}

beforeEach(async () => {
  clock = new ManualClock();
  deadlines = new Deadlines(clock, new Guard(silentLogger));
  logs = new LogManager({
    disk: new MemoryDisk(),
    clock,
    random: seededRandom(1),
    logDirs: ['/data'],
    brokerId: BROKER_ID,
    clusterId: 'AAAAAAAAAAAAAAAAAAAAAQ',
    configOf: () => ({ ...defaultLogConfig, minInSyncReplicas: 2 }),
  });
  await logs.open();
  log = await logs.getOrCreate('t', 0);
  const identity = { topic: 't', topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', partition: 0, brokerId: BROKER_ID };
  proposals = [];
  withdrawn = [];
  committed = [];
  surroundings = {
    clock,
    deadlines,
    guard: new Guard(silentLogger),
    logger: silentLogger,
    lagMsMax: LAG_MS_MAX,
    isAlive: () => true,
    isrChanges: {
      propose: (change) =>
        new Promise((resolve) => {
          proposals.push({ change, answer: resolve });
        }),
      withdraw: (change) => withdrawn.push(change),
    },
    onBehind: () => {},
    onShort: () => {},
    onIsrCommitted: (_partition, before, now) => committed.push([before, now]),
  };
  partition = new Partition(identity, log, surroundings, new TrafficCounters(noMetrics).of('t'));
});

afterEach(() => logs.close());

describe('a replica that is told of an epoch', () => {
  it('takes none over that its log knows a later one of, and has the store raised', () => {
    let asked = 0;
    const identity = { topic: 't', topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', partition: 0, brokerId: BROKER_ID };
    surroundings = { ...surroundings, onBehind: () => (asked += 1) };
    log.assignEpoch(9);
    partition = new Partition(identity, log, surroundings, new TrafficCounters(noMetrics).of('t'));
    expect([8, 9, 10].map((epoch) => partition.isPast(epoch))).toEqual([true, false, false]);
    expect(asked).toBe(1);
    partition.applyState(state({ leaderEpoch: 10 }));
    expect([9, 10, 11].map((epoch) => partition.isPast(epoch))).toEqual([true, true, false]);
    expect(asked).toBe(1);
  });

  it('takes it over where its log’s is one that nobody can have come to', () => {
    log.assignEpoch(2 ** 30 + 3);
    expect(partition.isPast(4)).toBe(false);
  });
});

describe('the leader of a partition with followers', () => {
  it('moves the high watermark to what all in-sync replicas have', async () => {
    partition.applyState(state());
    await partition.append(batchOf(['a', 'b']), LEADER_ONLY);
    expect(log.highWatermark).toBe(0);
    fetched(2, 1);
    expect(log.highWatermark).toBe(1);
    fetched(2, 2);
    expect(log.highWatermark).toBe(2);
    expect([partition.isFollower(2), partition.isFollower(3)]).toEqual([true, false]);
  });

  it('leads on where one is in sync that is no replica any more, and waits for those that are', async () => {
    partition.applyState(state());
    expect(partition.applyState(state({ leaderEpoch: 9, isr: [BROKER_ID, 2, 7] }))).toBe(true);
    await partition.append(batchOf(['a']), LEADER_ONLY);
    fetched(2, 1);
    expect([partition.isLeader, log.highWatermark]).toEqual([true, 1]);
  });

  it('acknowledges acks=all when the followers have it', async () => {
    partition.applyState(state());
    const appended = Promise.resolve(partition.append(batchOf(['a']), ALL));
    let isAcknowledged = false;
    void appended.then(() => {
      isAcknowledged = true;
    });
    await clock.advanceAsync(10);
    expect(isAcknowledged).toBe(false);
    fetched(2, 1);
    expect(await appended).toMatchObject({ errorCode: 0, baseOffset: 0 });
    expect(deadlines.size).toBe(0);
  });

  it('gives up after the request’s timeout', async () => {
    partition.applyState(state());
    const appended = Promise.resolve(partition.append(batchOf(['a']), ALL));
    await clock.advanceAsync(1000);
    expect(await appended).toMatchObject({ errorCode: ErrorCode.REQUEST_TIMED_OUT, baseOffset: -1 });
  });

  it('tells those who wait for followers when it leads no longer', async () => {
    partition.applyState(state());
    const appended = Promise.resolve(partition.append(batchOf(['a']), ALL));
    await clock.advanceAsync(1);
    partition.applyState(state({ leader: 2, leaderEpoch: 1 }));
    expect(await appended).toMatchObject({ errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER });
  });

  it('answers who waits when it resigns, refuses what comes, and takes up what the controller says then', async () => {
    partition.applyState(state());
    const appended = Promise.resolve(partition.append(batchOf(['a']), ALL));
    await clock.advanceAsync(1);
    partition.resign();
    expect(await appended).toMatchObject({ errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER });
    expect([partition.leaderError(-1), partition.replicaError(-1), partition.leaderId]).toEqual([
      ErrorCode.NOT_LEADER_OR_FOLLOWER,
      ErrorCode.NOT_LEADER_OR_FOLLOWER,
      -1,
    ]);
    // What comes late of the epoch that it resigned from gives it nothing back.
    expect(partition.applyState(state())).toBe(false);
    expect(partition.isLeader).toBe(false);
    expect(partition.applyState(state({ leader: 2, leaderEpoch: 1 }))).toBe(true);
    expect(partition.following?.leaderId).toBe(2);
  });

  it('refuses acks=all with too few replicas in sync', async () => {
    partition.applyState(state({ isr: [BROKER_ID] }));
    expect(await partition.append(batchOf(['a']), ALL)).toMatchObject({ errorCode: ErrorCode.NOT_ENOUGH_REPLICAS });
    expect([partition.isUnderReplicated, partition.isUnderMinIsr]).toEqual([true, true]);
    expect(await partition.append(batchOf(['a']), LEADER_ONLY)).toMatchObject({ errorCode: 0 });
  });

  it('says so when too few are left in sync by the time that all of them have it', async () => {
    partition.applyState(state({ replicas: [BROKER_ID, 2, 3], isr: [BROKER_ID, 2] }));
    partition.addWaiter({
      // As soon as it is durable here, and so before the append has resolved.
      appended: () => {
        fetched(2, 1);
        log.updateConfig({ ...log.config, minInSyncReplicas: 3 });
      },
      highWatermarkAdvanced: () => {},
      partitionChanged: () => {},
    });
    const appended = await partition.append(batchOf(['a']), ALL);
    expect([appended.errorCode, log.highWatermark]).toEqual([ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND, 1]);
  });

  it('answers in time when too few are left in sync after the append', async () => {
    partition.applyState(state({ replicas: [BROKER_ID, 2, 3], isr: [BROKER_ID, 2] }));
    const appended = Promise.resolve(partition.append(batchOf(['a']), ALL));
    await clock.advanceAsync(1);
    log.updateConfig({ ...log.config, minInSyncReplicas: 3 });
    fetched(2, 1);
    // Nothing is committed while there are too few: what they have may be lost with one more.
    expect(log.highWatermark).toBe(0);
    await clock.advanceAsync(1000);
    expect(await appended).toMatchObject({ errorCode: ErrorCode.REQUEST_TIMED_OUT });
  });

  it('is in doubt from the end of the registration in which it was told of, until it is told of in a later one', () => {
    partition.applyState(state());
    expect(partition.isInDoubt(Number.POSITIVE_INFINITY)).toBe(false);
    partition.confirm(5);
    const doubts = (): boolean[] => [5, 9, Number.POSITIVE_INFINITY].map((epoch) => partition.isInDoubt(epoch));
    expect(doubts()).toEqual([false, true, true]);
    partition.confirm(9);
    // One that was said before, and comes late.
    partition.confirm(5);
    expect(doubts()).toEqual([false, false, true]);
    // A controller that tells no registrations.
    partition.confirm(-1);
    expect(doubts()).toEqual([false, false, false]);
  });

  it('is never in doubt where it is the only replica', () => {
    partition.applyState(state({ isr: [BROKER_ID], replicas: [BROKER_ID] }));
    partition.confirm(5);
    expect(partition.isInDoubt(Number.POSITIVE_INFINITY)).toBe(false);
  });

  it('says when what it found in its log as it began is on all in sync, for nothing may be answered out of it before', async () => {
    partition.applyState(state());
    await partition.append(batchOf(['a']), LEADER_ONLY);
    partition.applyState(state({ leaderEpoch: 1, partitionEpoch: 1 }));
    const outcomes: number[] = [];
    const waiting = partition.whenCommitted(1, 1000).then((errorCode) => outcomes.push(errorCode));
    await clock.advanceAsync(500);
    expect(outcomes).toEqual([]);
    fetched(2, 1);
    await waiting;
    expect(outcomes).toEqual([ErrorCode.NONE]);
    expect(await partition.whenCommitted(1, 1000)).toBe(ErrorCode.NONE);
    const tooLong = partition.whenCommitted(2, 1000);
    await clock.advanceAsync(1000);
    expect(await tooLong).toBe(ErrorCode.REQUEST_TIMED_OUT);
  });

  it('asks for no more replicas than there are, whatever min.insync.replicas says', async () => {
    partition.applyState(state({ isr: [BROKER_ID], replicas: [BROKER_ID] }));
    expect(await partition.append(batchOf(['a']), ALL)).toMatchObject({ errorCode: 0 });
    expect(log.highWatermark).toBe(1);
  });

  it('keeps who waits when it is elected again, for nothing of its log has gone', async () => {
    partition.applyState(state());
    const appended = Promise.resolve(partition.append(batchOf(['a']), ALL));
    await clock.advanceAsync(1);
    partition.applyState(state({ leaderEpoch: 1, partitionEpoch: 1 }));
    fetched(2, 1);
    expect(await appended).toMatchObject({ errorCode: 0, baseOffset: 0 });
  });

  it('answers who waits with the failure of its log, and not with a timeout', async () => {
    partition.applyState(state());
    const appended = Promise.resolve(partition.append(batchOf(['a']), ALL));
    await clock.advanceAsync(1);
    log.fail(new Error('the disk is gone'));
    expect(await appended).toMatchObject({ errorCode: ErrorCode.KAFKA_STORAGE_ERROR });
  });

  it('wakes followers by what is durable, before the high watermark moves', async () => {
    partition.applyState(state());
    const heard: string[] = [];
    partition.addWaiter({
      appended: (_partition, sizeBytes) => heard.push(`appended ${sizeBytes} at ${log.highWatermark}`),
      highWatermarkAdvanced: () => heard.push(`high watermark ${log.highWatermark}`),
      partitionChanged: () => {},
    });
    const batch = batchOf(['a']);
    await partition.append(batch, LEADER_ONLY);
    expect(heard).toEqual([`appended ${batch.length} at 0`]);
    fetched(2, 1);
    expect(heard.at(-1)).toBe('high watermark 1');
  });
});

describe('the in-sync replicas of a leader', () => {
  const three = { replicas: [BROKER_ID, 2, 3], isr: [BROKER_ID, 2] };
  const agreed = (isr: readonly number[], partitionEpoch: number): IsrOutcome => ({
    errorCode: 0,
    isr,
    leaderEpoch: 0,
    partitionEpoch,
    leaderRecoveryState: 0,
  });

  async function answer(outcome: IsrOutcome | undefined): Promise<void> {
    proposals.shift()?.answer(outcome);
    await clock.advanceAsync(0);
  }

  it('grow by one that has reached the high watermark and the start of the epoch', async () => {
    partition.applyState(state(three));
    await partition.append(batchOf(['a', 'b']), LEADER_ONLY);
    partition.applyState(state({ ...three, leaderEpoch: 1, partitionEpoch: 1 }));
    expect(log.highWatermark).toBe(0);
    fetched(3, 1);
    expect(proposals).toEqual([]);
    fetched(3, 2);
    expect(proposals.map(({ change }) => change)).toEqual([
      {
        topic: 't',
        topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
        partition: 0,
        leaderEpoch: 1,
        partitionEpoch: 1,
        isr: [1, 2, 3],
        leaderRecoveryState: 0,
      },
    ]);
  });

  it('are not counted by a fetch from behind the durable end, which is about other records than those that come there', async () => {
    partition.applyState(state());
    fetched(2, 1);
    const { errorCode, lastOffset } = await partition.append(batchOf(['a']), LEADER_ONLY);
    expect([errorCode, lastOffset, log.highWatermark]).toEqual([0, 0, 0]);
    fetched(2, 1);
    expect(log.highWatermark).toBe(1);
  });

  it('hold the high watermark up from when they are proposed, and count for nobody before they are agreed to', async () => {
    partition.applyState(state(three));
    fetched(3, 0);
    expect([partition.isr, partition.leading?.maximalIsr]).toEqual([
      [1, 2],
      [1, 2, 3],
    ]);
    await partition.append(batchOf(['a']), LEADER_ONLY);
    fetched(2, 1);
    expect(log.highWatermark).toBe(0);
    fetched(3, 1);
    expect(log.highWatermark).toBe(1);
    await answer(agreed([1, 2, 3], 1));
    expect([partition.isr, partition.partitionEpoch, committed]).toEqual([
      [1, 2, 3],
      1,
      [
        [
          [1, 2],
          [1, 2, 3],
        ],
      ],
    ]);
  });

  it('go on without one that the controller has just left out, though it still fetches: it is about to stop', async () => {
    partition.applyState(state({ ...three, leader: 3, isr: [BROKER_ID, 2, 3] }));
    partition.applyState(state({ ...three, leaderEpoch: 1, partitionEpoch: 1 }));
    await partition.append(batchOf(['a']), LEADER_ONLY);
    fetched(3, 1);
    await partition.append(batchOf(['b']), LEADER_ONLY);
    fetched(2, 2);
    expect([log.highWatermark, proposals]).toEqual([2, []]);
    // Told of it again, it knows that still.
    partition.applyState(state({ ...three, leaderEpoch: 2, partitionEpoch: 2 }));
    fetched(3, 2);
    expect(proposals).toEqual([]);
    await clock.advanceAsync(500);
    await partition.append(batchOf(['c']), LEADER_ONLY);
    fetched(2, 3);
    expect(log.highWatermark).toBe(3);
    fetched(3, 3);
    expect(proposals.map(({ change }) => change.isr)).toEqual([[1, 2, 3]]);
  });

  it.each([ErrorCode.INELIGIBLE_REPLICA, ErrorCode.OPERATION_NOT_ATTEMPTED])(
    'are what they were as soon as the controller refuses one (%i), and those who wait for it are answered',
    async (errorCode) => {
      partition.applyState(state(three));
      fetched(3, 0);
      await partition.append(batchOf(['a']), LEADER_ONLY);
      fetched(2, 1);
      expect([log.highWatermark, partition.leading?.maximalIsr]).toEqual([0, [1, 2, 3]]);
      await answer({ ...agreed([1, 2], 0), errorCode });
      expect([log.highWatermark, partition.leading?.maximalIsr]).toEqual([1, [1, 2]]);
      expect(partition.leading?.isChangingIsr).toBe(false);
      fetched(3, 1);
      expect(proposals).toEqual([]);
      await clock.advanceAsync(500);
      fetched(3, 1);
      expect(proposals).toHaveLength(1);
    },
  );

  it('lose those that lag for too long, and then the high watermark moves though nothing is appended (KAFKA-13091)', async () => {
    partition.applyState(state({ replicas: [BROKER_ID, 2, 3], isr: [BROKER_ID, 2, 3] }));
    await partition.append(batchOf(['a']), LEADER_ONLY);
    fetched(2, 1);
    clock.advance(LAG_MS_MAX);
    partition.checkFollowers();
    expect(proposals).toEqual([]);
    clock.advance(1);
    partition.checkFollowers();
    expect(proposals[0]?.change.isr).toEqual([1, 2]);
    // Until the controller agrees, a new leader may be chosen from the larger set.
    expect([partition.leading?.maximalIsr, log.highWatermark]).toEqual([[1, 2, 3], 0]);
    await answer(agreed([1, 2], 1));
    expect([partition.isr, log.highWatermark]).toEqual([[1, 2], 1]);
  });

  it('are not left to a leader alone whose log has failed (KAFKA-7837)', async () => {
    partition.applyState(state());
    await partition.append(batchOf(['a']), LEADER_ONLY);
    log.fail(new Error('the disk is gone'));
    clock.advance(LAG_MS_MAX + 1);
    partition.checkFollowers();
    expect(proposals).toEqual([]);
  });

  it('are not waited for by one that comes back far behind, though it was there when the epoch before ended', async () => {
    partition.applyState(state({ replicas: [BROKER_ID, 2, 3], isr: [BROKER_ID, 2, 3] }));
    await partition.append(batchOf(['a']), LEADER_ONLY);
    for (const id of [2, 3]) fetched(id, 1);
    partition.applyState(state({ ...three, leaderEpoch: 1, partitionEpoch: 1 }));
    await partition.append(batchOf(['b', 'c']), LEADER_ONLY);
    fetched(2, 3);
    fetched(3, 1);
    await partition.append(batchOf(['d']), LEADER_ONLY);
    fetched(2, 4);
    expect(log.highWatermark).toBe(4);
  });

  it('keep one that has everything, however long ago it fetched', async () => {
    partition.applyState(state());
    await partition.append(batchOf(['a']), LEADER_ONLY);
    fetched(2, 1);
    clock.advance(10 * LAG_MS_MAX);
    partition.checkFollowers();
    expect(proposals).toEqual([]);
  });

  it('keep one that always has what there was at its fetch before, though it never has all', async () => {
    partition.applyState(state());
    for (let round = 0; round < 5; round += 1) {
      await partition.append(batchOf(['a']), LEADER_ONLY);
      const leaderEndOffset = log.durableEndOffset;
      partition.followerFetched(2, { fetchOffset: leaderEndOffset - 1, logStartOffset: 0, leaderEndOffset });
      clock.advance(LAG_MS_MAX * 0.4);
      partition.checkFollowers();
    }
    expect(proposals).toEqual([]);
  });

  it.each([ErrorCode.FENCED_LEADER_EPOCH, ErrorCode.INVALID_UPDATE_VERSION, ErrorCode.UNKNOWN_TOPIC_ID])(
    'stay in doubt after error %i until the controller says what counts',
    async (errorCode) => {
      partition.applyState(state(three));
      fetched(3, 0);
      await answer({ ...agreed([], -1), errorCode });
      fetched(3, 0);
      expect([proposals.length, partition.leading?.maximalIsr]).toEqual([0, [1, 2, 3]]);
      partition.applyState(state({ ...three, leaderEpoch: 1, partitionEpoch: 4 }));
      expect([partition.leading?.maximalIsr, partition.partitionEpoch]).toEqual([[1, 2], 4]);
    },
  );

  it('are not changed by an answer that belongs to an epoch before (KAFKA-12686)', async () => {
    partition.applyState(state(three));
    fetched(3, 0);
    partition.applyState(state({ ...three, leaderEpoch: 1, partitionEpoch: 1 }));
    await answer(agreed([1, 2, 3], 9));
    expect([partition.isr, partition.partitionEpoch]).toEqual([[1, 2], 1]);
    expect(withdrawn).toMatchObject([{ leaderEpoch: 0, isr: [1, 2, 3] }]);
  });

  it('do not take one whose broker is gone', () => {
    surroundings.isAlive = () => false;
    partition.applyState(state(three));
    fetched(3, 0);
    expect(proposals).toEqual([]);
  });
});

describe('a follower', () => {
  it('appends what it fetched, up to the epoch that it follows, and takes over high watermark and log start', async () => {
    partition.applyState(state({ leader: 2, leaderEpoch: 3 }));
    const role = partition.following!;
    const batches = [batchOf(['a']), batchOf(['b']), batchOf(['c'])];
    for (const [offset, batch] of batches.entries()) {
      setBatchBaseOffset(batch, 0, offset);
      setBatchLeaderEpoch(batch, 0, [1, 3, 4][offset]!);
    }
    const records = Buffer.concat([...batches, batchOf(['cut']).subarray(0, 40)]);
    expect(await partition.follow(role, { records, highWatermark: 7, logStartOffset: 1 })).toBe(0);
    expect([log.logEndOffset, log.highWatermark, log.logStartOffset, log.latestEpoch]).toEqual([2, 2, 1, 3]);
    await partition.follow(role, { records: Buffer.alloc(0), highWatermark: 1, logStartOffset: 0 });
    expect([log.highWatermark, log.logStartOffset]).toEqual([1, 1]);
  });

  it('wakes consumers that wait here when its high watermark moves', async () => {
    partition.applyState(state({ leader: 2, leaderEpoch: 3 }));
    const heard: number[] = [];
    partition.addWaiter({ highWatermarkAdvanced: (_, size) => heard.push(size), partitionChanged: () => {} });
    const records = batchOf(['a']);
    setBatchLeaderEpoch(records, 0, 3);
    await partition.follow(partition.following!, { records, highWatermark: 0, logStartOffset: 0 });
    expect(heard).toEqual([]);
    await partition.follow(partition.following!, { records: Buffer.alloc(0), highWatermark: 1, logStartOffset: 0 });
    expect(heard).toEqual([records.length]);
  });

  it('stays where it ends when all that it had was deleted on demand, and begins anew only where it cannot be cut', async () => {
    partition.applyState(state({ isr: [BROKER_ID], replicas: [BROKER_ID, 2] }));
    await partition.append(batchOf(['a', 'b', 'c']), LEADER_ONLY);
    log.advanceHighWatermark(3);
    expect(log.deleteRecordsBefore(3)).toMatchObject({ errorCode: 0 });
    partition.applyState(state({ leader: 2, leaderEpoch: 5 }));
    const role = partition.following!;
    // It is in sync, and has everything: a leader that has not heard of the deletion must find it where it was.
    await role.cutTo(3, 0);
    expect([role.logStartOffset, role.fetchOffset]).toEqual([3, 3]);
    await role.cutTo(2, 0);
    expect([role.logStartOffset, role.fetchOffset]).toEqual([0, 0]);
  });

  it('cuts to where its own epoch ends, when that is before where the leader’s does', async () => {
    for (const leaderEpoch of [0, 1, 2]) {
      partition.applyState(state({ leaderEpoch, isr: [BROKER_ID], replicas: [BROKER_ID, 2] }));
      await partition.append(batchOf(['a', 'b']), LEADER_ONLY);
    }
    partition.applyState(state({ leader: 2, leaderEpoch: 5 }));
    const role = partition.following!;
    await role.truncateTo(1, 3, 0);
    expect([role.fetchOffset, role.lastFetchedEpoch]).toEqual([3, 1]);
    await role.truncateTo(0, 10, 0);
    expect([role.fetchOffset, role.lastFetchedEpoch]).toEqual([2, 0]);
    await role.truncateTo(9, 1, 0);
    expect([role.fetchOffset, role.lastFetchedEpoch]).toEqual([1, 0]);
  });

  it('loses nothing but the epoch when it led for a while and wrote nothing', async () => {
    partition.applyState(state({ isr: [BROKER_ID] }));
    await partition.append(batchOf(['a']), LEADER_ONLY);
    partition.applyState(state({ isr: [BROKER_ID], leaderEpoch: 1 }));
    partition.applyState(state({ leader: 2, leaderEpoch: 2 }));
    const role = partition.following!;
    expect([role.fetchOffset, role.lastFetchedEpoch]).toEqual([1, 1]);
    await role.truncateTo(0, 1, 0);
    expect([role.fetchOffset, role.lastFetchedEpoch]).toEqual([1, 0]);
  });
});

describe('a partition', () => {
  it('refuses requests that believe in another leader, and all when another broker leads', () => {
    partition.applyState(state({ leaderEpoch: 5 }));
    expect([-1, 5, 4, 6].map((epoch) => partition.leaderError(epoch))).toEqual([
      ErrorCode.NONE,
      ErrorCode.NONE,
      ErrorCode.FENCED_LEADER_EPOCH,
      ErrorCode.UNKNOWN_LEADER_EPOCH,
    ]);
    partition.applyState(state({ leaderEpoch: 6, leader: 2 }));
    expect(partition.leaderError(-1)).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER);
  });

  it('leaves alone what is older than what it knows', () => {
    partition.applyState(state({ leaderEpoch: 5 }));
    expect(partition.applyState(state({ leaderEpoch: 4, leader: 2 }))).toBe(false);
    // A LeaderAndIsr that crossed what the controller answered to a change of the in-sync replicas would undo that.
    expect(partition.applyState(state({ leaderEpoch: 5, partitionEpoch: 9, isr: [BROKER_ID] }))).toBe(false);
    expect([partition.leaderEpoch, partition.leaderId, partition.isr]).toEqual([5, BROKER_ID, [BROKER_ID, 2]]);
  });

  it('tells waiters how much can be read, and that something else has changed', async () => {
    partition.applyState(state({ isr: [BROKER_ID], replicas: [BROKER_ID] }));
    const heard: (number | 'changed')[] = [];
    const waiter: PartitionWaiter = {
      highWatermarkAdvanced: (_partition, sizeBytes) => heard.push(sizeBytes),
      partitionChanged: () => heard.push('changed'),
    };
    partition.addWaiter(waiter);
    const batch = batchOf(['a']);
    await partition.append(batch, LEADER_ONLY);
    partition.close();
    partition.removeWaiter(waiter);
    expect(heard).toEqual([batch.length, 'changed']);
    expect(await partition.append(batchOf(['b']), LEADER_ONLY)).toMatchObject({
      errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER,
    });
  });
});
