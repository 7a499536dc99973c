import { defaultLogConfig, LogManager, type PartitionLog } from '@millrace/log';
import { ManualClock, MemoryDisk, seededRandom } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ReplicaState } from '../cluster/broker-channel.ts';
import { Deadlines } from '../shared/deadlines.ts';
import { noMetrics } from '../shared/metrics.ts';
import { batchOf } from '../test-broker.ts';
import { Partition, type PartitionAppend, type PartitionWaiter } from './partition.ts';
import { TrafficCounters } from './partition-traffic.ts';

const BROKER_ID = 1;
const ALL: PartitionAppend = { origin: 'client', acks: -1, timeoutMs: 1000 };
const LEADER_ONLY: PartitionAppend = { ...ALL, acks: 1 };

let clock: ManualClock;
let deadlines: Deadlines;
let logs: LogManager;
let log: PartitionLog;
let partition: Partition;

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
  deadlines = new Deadlines(clock);
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
  partition = new Partition(identity, log, deadlines, new TrafficCounters(noMetrics).of('t'));
});

afterEach(() => logs.close());

describe('the leader of a partition with followers', () => {
  it('moves the high watermark to what all in-sync replicas have', async () => {
    partition.applyState(state());
    await partition.append(batchOf(['a', 'b']), LEADER_ONLY);
    expect(log.highWatermark).toBe(0);
    partition.followerFetched(2, 1);
    expect(log.highWatermark).toBe(1);
    partition.followerFetched(2, 2);
    expect(log.highWatermark).toBe(2);
    expect([partition.followerFetched(2, 2), partition.followerFetched(3, 2)]).toEqual([true, false]);
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
    partition.followerFetched(2, 1);
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

  it('refuses acks=all with too few replicas in sync, before and after the append', async () => {
    partition.applyState(state());
    const appended = Promise.resolve(partition.append(batchOf(['a']), ALL));
    await clock.advanceAsync(1);
    partition.applyState(state({ isr: [BROKER_ID], partitionEpoch: 1 }));
    expect(await appended).toMatchObject({ errorCode: ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND });
    expect(await partition.append(batchOf(['a']), ALL)).toMatchObject({ errorCode: ErrorCode.NOT_ENOUGH_REPLICAS });
    expect([partition.isUnderReplicated, partition.isUnderMinIsr]).toEqual([true, true]);
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
    expect([partition.leaderEpoch, partition.leaderId]).toEqual([5, BROKER_ID]);
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
