import { MemoryDisk } from '@millrace/ports';
import { RecordBatchBuilder, setBatchBaseOffset, setBatchLeaderEpoch } from '@millrace/records';
import { beforeEach, describe, expect, it } from 'vitest';
import { ReplicaWatch, type WatchedBroker, type WatchedReplica } from './replica-watch.ts';
import type { WrittenState } from './state-watch.ts';

const FOLDER = '/data/t-0';
const STATE: WrittenState = { leader: 1, leaderEpoch: 3, controllerEpoch: 1, isr: [1, 2] };
/** By epoch, who leads. */
const LEADERS: readonly number[] = [1, 2, 1, 1, 1, 2];

/** A batch of two records, of which the second has the key again. */
function batch(baseOffset: number, value: string, epoch = 3, key = 'k'): Buffer {
  const builder = new RecordBatchBuilder();
  builder.append(1_700_000_000_000, key, `${value} one`);
  builder.append(1_700_000_000_000, key, value);
  const bytes = Buffer.from(builder.build());
  setBatchBaseOffset(bytes, 0, baseOffset);
  setBatchLeaderEpoch(bytes, 0, epoch);
  return bytes;
}

/** A broker with one replica, whose files and memory can be made to say anything. */
class Broker implements WatchedBroker {
  readonly id: number;
  readonly disk = new MemoryDisk();
  process = {};
  readonly replica: WatchedReplica;

  constructor(id: number, cleanupPolicy: string) {
    this.id = id;
    this.replica = {
      topic: 't',
      topicId: 'id',
      partition: 0,
      leaderEpoch: 3,
      partitionEpoch: 7,
      leaderId: 1,
      isLeader: id === 1,
      log: {
        state: 'open',
        folder: FOLDER,
        logStartOffset: 0,
        highWatermark: 0,
        durableEndOffset: 0,
        logEndOffset: 0,
        config: { cleanupPolicy: [cleanupPolicy] },
      },
    };
  }

  get replicas(): readonly WatchedReplica[] {
    return [this.replica];
  }

  is(changed: Partial<Omit<WatchedReplica, 'log'>>): this {
    // The same replica still: the watch tells by that what it has looked at.
    Object.assign(this.replica, changed);
    return this;
  }

  has(log: Partial<WatchedReplica['log']>): this {
    Object.assign(this.replica.log, log);
    return this;
  }

  async writes(...batches: readonly Buffer[]): Promise<this> {
    return this.writesSegment(0, ...batches);
  }

  async writesSegment(base: number, ...batches: readonly Buffer[]): Promise<this> {
    await this.disk.makeFolder(FOLDER);
    const file = await this.disk.open(`${FOLDER}/${String(base).padStart(20, '0')}.log`, { create: true });
    await file.truncate(0);
    await file.write(0, batches, { sync: true });
    await file.close();
    return this;
  }

  /** All that is written below an offset is committed, and nothing behind it. */
  commits(offset: number): this {
    return this.has({ highWatermark: offset, durableEndOffset: offset, logEndOffset: offset });
  }
}

describe.each(['delete', 'compact'])('replicas of a topic with cleanup.policy=%s', (policy) => {
  let protests: string[];
  let watch: ReplicaWatch;
  let leader: Broker;
  let follower: Broker;
  let state: WrittenState;
  let uncleanEpoch: number;

  beforeEach(() => {
    protests = [];
    state = STATE;
    uncleanEpoch = -1;
    const states = {
      stateOf: (): WrittenState => state,
      hasHad: (_: string, epoch: number, id: number) => LEADERS[epoch] === id,
      uncleanEpoch: () => uncleanEpoch,
    };
    watch = new ReplicaWatch(states, (anomaly, _, message) => protests.push(`${anomaly}: ${message}`));
    leader = new Broker(1, policy);
    follower = new Broker(2, policy);
  });

  const looked = (): string[] => {
    watch.look([leader, follower]);
    return protests;
  };

  it('are as they should be', async () => {
    for (const broker of [leader, follower]) (await broker.writes(batch(0, 'a'), batch(2, 'b'))).commits(4);
    expect(looked()).toEqual([]);
    watch.lookAtRest([leader, follower]);
    expect(protests).toEqual([]);
  });

  it('have two leaders in one epoch: two-leaders', () => {
    follower.is({ isLeader: true });
    expect(looked()).toEqual(['two-leaders: brokers 1 and 2 lead in epoch 3']);
  });

  it('have two leaders one after the other, each in an epoch of its own, and that is right', () => {
    expect(looked()).toEqual([]);
    // The former one has not been told yet.
    follower.is({ leaderEpoch: 5, isLeader: true, leaderId: 2 });
    expect(looked()).toEqual([]);
  });

  it('are in one epoch with a leader that the store never had: invented-state', () => {
    follower.is({ leaderId: 2 });
    expect(looked()).toEqual([
      'invented-state: broker 2 believes that 2 leads in epoch 3, which never stood in the store',
    ]);
  });

  it('go back to an earlier epoch: epoch-back', () => {
    looked();
    follower.is({ leaderEpoch: 2 });
    expect(looked()).toEqual(['epoch-back: broker 2 goes back from epoch 3 to 2']);
  });

  it('go back to an earlier epoch after they were taken from a broker and given back: epoch-back', () => {
    looked();
    follower.is({ leaderEpoch: -1, leaderId: -1 });
    expect(looked()).toEqual([]);
    follower.is({ leaderEpoch: 2, leaderId: 1 });
    expect(looked()).toEqual(['epoch-back: broker 2 goes back from epoch 3 to 2']);
  });

  it('go back to an earlier version of their state as the leader, or with a new epoch: epoch-back', () => {
    looked();
    leader.is({ partitionEpoch: 6 });
    follower.is({ leaderEpoch: 4, partitionEpoch: 5 });
    expect(looked()).toEqual([
      'epoch-back: broker 1 goes back from partition epoch 7 to 6 in epoch 3',
      'epoch-back: broker 2 goes back from partition epoch 7 to 5 in epoch 4',
    ]);
  });

  it('know no more than they were told with their epoch when they have resigned, and that is right', () => {
    looked();
    leader.is({ partitionEpoch: 9 });
    looked();
    leader.is({ partitionEpoch: 7, isLeader: false });
    expect(looked()).toEqual([]);
  });

  it('begin anew when their broker starts, in whatever epoch it is told first', () => {
    looked();
    follower.process = {};
    follower.is({ leaderEpoch: 2 });
    expect(looked()).toEqual([]);
  });

  it('end before what was committed while they are in sync: taken-back', async () => {
    for (const broker of [leader, follower]) (await broker.writes(batch(0, 'a'), batch(2, 'b'))).commits(4);
    looked();
    follower.has({ logEndOffset: 2, durableEndOffset: 2, highWatermark: 2 });
    expect(looked()).toEqual([
      'taken-back: broker 2 is in sync (1,2, epoch 3) and ends at 2; on broker 1 all before 4 was committed',
    ]);
  });

  describe('of which one was elected that was not in sync', () => {
    /** Broker 1 has led in epoch 3, and broker 2 leads in epoch 5, with less. */
    beforeEach(async () => {
      (await leader.writes(batch(0, 'a'), batch(2, 'b'))).commits(4);
      (await follower.writes(batch(0, 'a'))).commits(2);
      state = { ...STATE, isr: [1] };
      expect(looked()).toEqual([]);
      state = { ...STATE, leader: 2, leaderEpoch: 5, isr: [2] };
      follower.is({ leaderEpoch: 5, isLeader: true, leaderId: 2 });
    });

    it('begin anew with what that one has, whatever others call committed that have not been told yet', async () => {
      uncleanEpoch = 5;
      expect(looked()).toEqual([]);
      (await follower.writes(batch(0, 'a'), batch(2, 'c', 5))).commits(4);
      expect(looked()).toEqual([]);
      state = { ...state, isr: [1, 2] };
      leader.is({ leaderEpoch: 5, isLeader: false, leaderId: 2 });
      await leader.writes(batch(0, 'a'), batch(2, 'c', 5));
      watch.lookAtRest([leader, follower]);
      expect(protests).toEqual([]);
    });

    it('have other records than that one when they are in sync again: diverged', async () => {
      uncleanEpoch = 5;
      (await follower.writes(batch(0, 'a'), batch(2, 'c', 5))).commits(4);
      state = { ...state, isr: [1, 2] };
      leader.is({ leaderEpoch: 5, isLeader: false, leaderId: 2 });
      expect(looked()).toEqual([expect.stringMatching(/^diverged: brokers [12] and [12] differ at offset [23]$/)]);
    });

    it('are held against all that was committed where no topic allows it', () => {
      expect(looked()).toEqual([expect.stringContaining('taken-back: broker 2 is in sync')]);
    });
  });

  it('may end before it while they are out of sync', async () => {
    state = { ...STATE, isr: [1] };
    (await leader.writes(batch(0, 'a'), batch(2, 'b'))).commits(4);
    (await follower.writes(batch(0, 'a'))).commits(2);
    expect(looked()).toEqual([]);
  });

  it('have other records below the high watermark than one another: diverged, at once', async () => {
    (await leader.writes(batch(0, 'a'), batch(2, 'b'))).commits(4);
    (await follower.writes(batch(0, 'a'), batch(2, 'c'))).commits(4);
    expect(looked()).toEqual([expect.stringMatching(/^diverged: brokers 2 and 1 differ at offset [23]$/)]);
  });

  it('have the same records under other epochs: diverged', async () => {
    (await leader.writes(batch(0, 'a'), batch(2, 'b'))).commits(4);
    (await follower.writes(batch(0, 'a'), batch(2, 'b', 2))).commits(4);
    expect(looked()).toEqual(['diverged: brokers 2 and 1 differ at offset 2']);
  });

  it('may differ behind the high watermark', async () => {
    (await leader.writes(batch(0, 'a'), batch(2, 'b'))).commits(2).has({ logEndOffset: 4 });
    (await follower.writes(batch(0, 'a'), batch(2, 'c'))).commits(2).has({ logEndOffset: 4 });
    expect(looked()).toEqual([]);
  });

  it('are looked at whole again when they have a new epoch, though nothing was written', async () => {
    for (const broker of [leader, follower]) (await broker.writes(batch(0, 'a'), batch(2, 'b'))).commits(4);
    looked();
    await follower.writes(batch(0, 'c'), batch(2, 'b'));
    expect(looked()).toEqual([]);
    follower.is({ leaderEpoch: 4 });
    expect(looked()).toEqual([expect.stringMatching(/^diverged: brokers 2 and 1 differ at offset [01]$/)]);
  });

  it('may begin later than others, where retention has taken what was before', async () => {
    (await leader.writesSegment(0, batch(0, 'a'))).commits(4);
    await leader.writesSegment(2, batch(2, 'b', 3, 'l'));
    (await follower.writesSegment(2, batch(2, 'b', 3, 'l'))).commits(4).has({ logStartOffset: 2 });
    expect(looked()).toEqual([]);
  });

  it('lack in the end the last record of a key: taken-back', async () => {
    const b = batch(2, 'b', 3, 'l');
    (await leader.writes(batch(0, 'a'), b, batch(4, 'c'))).commits(6);
    (await follower.writes(batch(0, 'a'), batch(4, 'c'))).commits(6);
    watch.lookAtRest([leader, follower]);
    expect(protests).toEqual([
      expect.stringMatching(
        /^taken-back: the files of broker 2, which is in sync, lack what was committed from offset [23] to 4$/,
      ),
    ]);
  });

  it('end in the end at different offsets: diverged', async () => {
    for (const broker of [leader, follower]) (await broker.writes(batch(0, 'a'))).commits(2);
    leader.has({ logEndOffset: 4, durableEndOffset: 4 });
    watch.lookAtRest([leader, follower]);
    expect(protests).toEqual(['diverged: broker 1 ends at 4, with a high watermark of 2; 2 is committed']);
  });
});

describe('the files of a replica in sync', () => {
  const states = { stateOf: () => STATE, hasHad: () => true, uncleanEpoch: () => -1 };

  it('lack what its memory says that they have: taken-back', async () => {
    const protests: string[] = [];
    const watch = new ReplicaWatch(states, (anomaly, _, message) => protests.push(`${anomaly}: ${message}`));
    const leader = (await new Broker(1, 'delete').writes(batch(0, 'a'), batch(2, 'b'))).commits(4);
    watch.look([leader, (await new Broker(2, 'delete').writes(batch(0, 'a'))).commits(4)]);
    expect(protests).toEqual([
      'taken-back: the files of broker 2, which is in sync, lack what was committed from offset 2 to 4',
    ]);
  });

  it('are not there for the moment in which their folder is renamed, and not for longer: taken-back', async () => {
    const protests: string[] = [];
    const watch = new ReplicaWatch(states, (anomaly, _, message) => protests.push(`${anomaly}: ${message}`));
    const leader = (await new Broker(1, 'delete').writes(batch(0, 'a'), batch(2, 'b'))).commits(4);
    const follower = new Broker(2, 'delete').commits(4);
    watch.look([leader, follower]);
    expect(protests).toEqual([]);
    watch.lookAtRest([leader, follower]);
    expect(protests).toEqual([
      'taken-back: the files of broker 2, which is in sync, lack what was committed from offset 0 to 4',
    ]);
  });

  it('lack older records of a key that is written again, where the topic is compacted, and that is right', async () => {
    const protests: string[] = [];
    const watch = new ReplicaWatch(states, (anomaly, _, message) => protests.push(`${anomaly}: ${message}`));
    const leader = (await new Broker(1, 'compact').writes(batch(0, 'a'), batch(2, 'b'))).commits(4);
    const follower = (await new Broker(2, 'compact').writes(batch(2, 'b'))).commits(4);
    watch.lookAtRest([leader, follower]);
    expect(protests).toEqual([]);
  });
});
