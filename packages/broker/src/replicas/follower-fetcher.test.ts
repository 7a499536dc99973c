import { defaultLogConfig, LogManager } from '@millrace/log';
import { ManualClock, MemoryDisk, seededRandom, silentLogger } from '@millrace/ports';
import { ErrorCode, type FetchRequestInput, type FetchResponseInput } from '@millrace/protocol';
import { setBatchBaseOffset, setBatchLeaderEpoch } from '@millrace/records';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ReplicaState } from '../cluster/broker-channel.ts';
import { interBrokerVersions } from '../cluster/inter-broker-versions.ts';
import type { PeerLane } from '../cluster/peers.ts';
import { Deadlines } from '../shared/deadlines.ts';
import { Guard } from '../shared/guard.ts';
import { noMetrics } from '../shared/metrics.ts';
import { batchOf } from '../testing/test-broker.ts';
import { FollowerFetcher } from './follower-fetcher.ts';
import { Partition } from './partition.ts';
import { TrafficCounters } from './partition-traffic.ts';
import { ReplicationThrottle } from './replication-throttle.ts';

const [LEADER_ID, BROKER_ID] = [1, 2];
const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';
const BACKOFF_MS = 1000;

type Answer = NonNullable<NonNullable<FetchResponseInput['responses']>[number]['partitions']>[number];

/** A leader that is asked and answers when the test says so. */
class HeldLine implements PeerLane {
  readonly asked: { readonly body: FetchRequestInput; readonly answer: (partitions: readonly Answer[]) => void }[] = [];
  resets = 0;

  send = ((_api: unknown, _version: unknown, body: FetchRequestInput) =>
    new Promise<unknown>((resolve) => {
      const answer = (partitions: readonly Answer[]): void =>
        resolve({
          throttleTimeMs: 0,
          errorCode: 0,
          sessionId: 0,
          responses: [{ topic: '', topicId: TOPIC_ID, partitions }],
          nodeEndpoints: [],
        });
      this.asked.push({ body, answer });
      // The port's types follow the API that is asked, of which there is one here.
    })) as never;

  /** The leader that holds everything takes no notice either. */
  reset(): void {
    this.resets += 1;
  }

  close(): void {}
}

let clock: ManualClock;
let logs: LogManager;
let lane: HeldLine;
let fetcher: FollowerFetcher;

beforeEach(async () => {
  clock = new ManualClock();
  lane = new HeldLine();
  logs = new LogManager({
    disk: new MemoryDisk(),
    clock,
    random: seededRandom(1),
    logDirs: ['/data'],
    brokerId: BROKER_ID,
    clusterId: TOPIC_ID,
    configOf: () => defaultLogConfig,
  });
  await logs.open();
  const settings = {
    waitMsMax: 500,
    minBytes: 1,
    partitionBytesMax: 1_000_000,
    responseBytesMax: 10_000_000,
    backoffMs: BACKOFF_MS,
    timeoutMs: 30_000,
  };
  const bytesPerSecond = (): number => Number.POSITIVE_INFINITY;
  fetcher = new FollowerFetcher({
    brokerId: BROKER_ID,
    brokerEpoch: () => 1,
    leaderId: LEADER_ID,
    lane,
    versions: interBrokerVersions('3.9')!,
    settings,
    clock,
    logger: silentLogger,
    throttle: new ReplicationThrottle({
      clock,
      brokerId: BROKER_ID,
      windows: 11,
      windowMs: 1000,
      bytesPerSecond,
      replicasOf: () => undefined,
    }),
    onBytes: () => {},
  });
});

afterEach(async () => {
  await fetcher.close();
  await logs.close();
});

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 30; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

function stateOf(partition: number, leaderEpoch: number): ReplicaState {
  return {
    topic: 't',
    topicId: TOPIC_ID,
    partition,
    controllerEpoch: 1,
    leader: LEADER_ID,
    leaderEpoch,
    isr: [LEADER_ID, BROKER_ID],
    partitionEpoch: leaderEpoch,
    replicas: [LEADER_ID, BROKER_ID],
    addingReplicas: [],
    removingReplicas: [],
    leaderRecoveryState: 0,
    isNew: false,
  };
}

/** A replica that follows from epoch 0 on. */
async function follower(index: number): Promise<Partition> {
  const deadlines = new Deadlines(clock, new Guard(silentLogger));
  const surroundings = {
    clock,
    deadlines,
    guard: new Guard(silentLogger),
    logger: silentLogger,
    lagMsMax: 10_000,
    isAlive: () => true,
    isrChanges: { propose: () => new Promise<never>(() => {}), withdraw: () => {} },
    onBehind: () => {},
    onShort: () => {},
    onIsrCommitted: () => {},
  };
  const log = await logs.getOrCreate('t', index, { topicId: TOPIC_ID });
  const identity = { topic: 't', topicId: TOPIC_ID, partition: index, brokerId: BROKER_ID };
  const partition = new Partition(identity, log, surroundings, new TrafficCounters(noMetrics).of('t'));
  partition.applyState(stateOf(index, 0));
  return partition;
}

/** One record at an offset, as a leader of an epoch has it. */
function recordAt(offset: number, leaderEpoch = 0, value = 'x'): Buffer {
  const batch = batchOf([value]);
  setBatchBaseOffset(batch, 0, offset);
  setBatchLeaderEpoch(batch, 0, leaderEpoch);
  return batch;
}

function answered(partitionIndex: number, records: Buffer, rest: Partial<Answer> = {}): Answer {
  const none = {
    highWatermark: 0,
    lastStableOffset: 0,
    logStartOffset: 0,
    divergingEpoch: { epoch: -1, endOffset: -1 },
  };
  return { partitionIndex, errorCode: 0, ...none, records, ...rest };
}

/** The partitions that a request names. */
const named = (at: number): (number | undefined)[] =>
  (lane.asked[at]?.body.topics ?? []).flatMap(({ partitions = [] }) => partitions.map((each) => each.partition));

describe('a fetcher of several partitions', () => {
  it('goes on with the others when one has an error, or gets what is damaged, and comes back to it (KAFKA-4384, KAFKA-5758)', async () => {
    const partitions = [await follower(0), await follower(1), await follower(2)];
    for (const partition of partitions) fetcher.add(partition);
    await settle();
    // The first was under way before the others came.
    lane.asked.at(-1)!.answer([]);
    await settle();
    const damaged = recordAt(0);
    damaged[damaged.length - 1]! ^= 1;
    const last = lane.asked.at(-1)!;
    last.answer([
      answered(0, recordAt(0)),
      answered(1, damaged),
      answered(2, Buffer.alloc(0), { errorCode: ErrorCode.UNKNOWN_SERVER_ERROR }),
    ]);
    await settle();
    expect(partitions.map(({ log }) => log.logEndOffset)).toEqual([1, 0, 0]);
    expect(named(lane.asked.length - 1)).toEqual([0]);
    const before = lane.asked.length;
    clock.advance(BACKOFF_MS);
    lane.asked.at(-1)!.answer([answered(0, recordAt(1))]);
    await settle();
    expect(lane.asked.length).toBeGreaterThan(before);
    expect(named(lane.asked.length - 1).toSorted()).toEqual([0, 1, 2]);
    lane.asked.at(-1)!.answer([1, 2].map((index) => answered(index, recordAt(0))));
    await settle();
    expect(partitions.map(({ log }) => log.logEndOffset)).toEqual([2, 1, 1]);
  });
});

describe('a partition whose leader has not been told yet', () => {
  it('is asked for again after its pause, however long the others could wait', async () => {
    for (const index of [0, 1]) fetcher.add(await follower(index));
    await settle();
    lane.asked.at(-1)!.answer([]);
    await settle();
    expect(lane.asked.at(-1)!.body.maxWaitMs).toBe(500);
    lane.asked.at(-1)!.answer([answered(1, Buffer.alloc(0), { errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER })]);
    await settle();
    expect(named(lane.asked.length - 1)).toEqual([0]);
    expect(lane.asked.at(-1)!.body.maxWaitMs).toBe(5);
    clock.advance(5);
    lane.asked.at(-1)!.answer([]);
    await settle();
    expect(named(lane.asked.length - 1).toSorted()).toEqual([0, 1]);
    expect(lane.asked.at(-1)!.body.maxWaitMs).toBe(500);
  });
});

describe('a partition that is added while a fetch waits', () => {
  it('waits for an answer for a moment, and then costs the connection', async () => {
    fetcher.add(await follower(0));
    await settle();
    lane.asked.at(-1)!.answer([]);
    await settle();
    fetcher.add(await follower(1));
    clock.advance(4);
    expect(lane.resets).toBe(0);
    lane.asked.at(-1)!.answer([]);
    await settle();
    expect(named(lane.asked.length - 1).toSorted()).toEqual([0, 1]);
    clock.advance(1000);
    expect(lane.resets).toBe(0);
    fetcher.add(await follower(2));
    clock.advance(20);
    expect(lane.resets).toBe(1);
  });

  it('does not cost it where it is asked for already, though under an earlier epoch', async () => {
    const partition = await follower(0);
    fetcher.add(partition);
    await settle();
    await fetcher.remove(partition);
    partition.applyState(stateOf(0, 1));
    fetcher.add(partition);
    clock.advance(1000);
    expect(lane.resets).toBe(0);
    lane.asked.at(-1)!.answer([]);
    await settle();
    expect(lane.asked.at(-1)!.body.topics?.[0]?.partitions?.[0]).toMatchObject({ partition: 0, currentLeaderEpoch: 1 });
  });
});

describe('an answer that was under way while the leader changed', () => {
  it.each<[string, Partial<Answer>]>([
    ['brings no records', {}],
    ['cuts nothing', { divergingEpoch: { epoch: 0, endOffset: 0 } }],
    ['does not take the partition off', { errorCode: ErrorCode.FENCED_LEADER_EPOCH }],
  ])('%s (KAFKA-7786, KAFKA-18723)', async (_, what) => {
    const partition = await follower(0);
    fetcher.add(partition);
    await settle();
    lane.asked.at(-1)!.answer([answered(0, recordAt(0))]);
    await settle();
    const held = lane.asked.at(-1)!;
    await fetcher.remove(partition);
    partition.applyState(stateOf(0, 1));
    fetcher.add(partition);
    held.answer([answered(0, what.errorCode === undefined ? recordAt(1, 0, 'old') : Buffer.alloc(0), what)]);
    await settle();
    expect(partition.log.logEndOffset).toBe(1);
    lane.asked.at(-1)!.answer([answered(0, recordAt(1, 1, 'new'))]);
    await settle();
    expect(partition.log).toMatchObject({ logEndOffset: 2, latestEpoch: 1 });
    expect(fetcher.size).toBe(1);
  });
});

describe('an answer that tells of a divergence', () => {
  it('cuts, and brings neither a high watermark nor a log start, which are of what the leader has (KAFKA-14704)', async () => {
    const partition = await follower(0);
    fetcher.add(partition);
    await settle();
    for (let offset = 0; offset < 4; offset += 1) {
      lane.asked.at(-1)!.answer([answered(0, recordAt(offset))]);
      await settle();
    }
    const divergingEpoch = { epoch: 0, endOffset: 2 };
    lane.asked.at(-1)!.answer([answered(0, Buffer.alloc(0), { divergingEpoch, highWatermark: 9, logStartOffset: 1 })]);
    await settle();
    const offsets = ({ logStartOffset, highWatermark, logEndOffset }: Partition['log']): number[] => {
      return [logStartOffset, highWatermark, logEndOffset];
    };
    expect(offsets(partition.log)).toEqual([0, 0, 2]);
    lane.asked.at(-1)!.answer([answered(0, recordAt(2), { highWatermark: 9, logStartOffset: 1 })]);
    await settle();
    expect(offsets(partition.log)).toEqual([1, 3, 3]);
  });
});

describe('a fetcher that meets a defect of its own', () => {
  it('goes on after its pause, and the process too', async () => {
    const look = vi.spyOn(ReplicationThrottle.prototype, 'isExceeded', 'get').mockImplementationOnce(() => {
      throw new Error('a defect');
    });
    fetcher.add(await follower(0));
    await settle();
    expect(lane.asked).toEqual([]);
    await clock.advanceAsync(BACKOFF_MS);
    await settle();
    expect(named(0)).toEqual([0]);
    look.mockRestore();
  });
});
