import { systemError } from '@millrace/ports';
import { DeleteRecords, ErrorCode, Fetch, Produce } from '@millrace/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { batchOf } from '../testing/test-broker.ts';
import { TestReplicas } from '../testing/test-replicas.ts';

let cluster: TestReplicas;

afterEach(() => cluster.stopAll());

/** Produces to the leader; resolves with the partition's answer. */
function produce(leader: number, topic: string, values: readonly string[], acks = -1, timeoutMs = 5000) {
  return cluster
    .ask(leader, Produce, 9, {
      acks,
      timeoutMs,
      topicData: [{ name: topic, partitionData: [{ index: 0, records: batchOf(values) }] }],
    })
    .then((answer) => answer.responses[0]!.partitionResponses[0]!);
}

const endsOf = (topic: string, ids = [1, 2, 3]): number[][] =>
  ids.map((id) => {
    const { log } = cluster.partition(id, topic);
    return [log.logEndOffset, log.highWatermark];
  });

describe('three brokers', () => {
  it('hold what is acknowledged, all of them, without anybody waiting for time to pass', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[1, 2, 3]]);
    expect(cluster.leaderOf('t')).toBe(1);
    const startMs = cluster.clock.monotonic();
    for (let round = 0; round < 5; round += 1) {
      const answer = produce(1, 't', ['a', 'b']);
      await cluster.settle();
      expect(await answer).toMatchObject({ errorCode: 0, baseOffset: round * 2 });
    }
    expect(cluster.clock.monotonic()).toBe(startMs);
    await cluster.pass(600);
    expect(endsOf('t')).toEqual([
      [10, 10],
      [10, 10],
      [10, 10],
    ]);
  });
});

/** What a replica's log holds, as bytes. */
async function bytesOf(id: number, topic: string): Promise<string> {
  const { log } = cluster.partition(id, topic);
  const read = await log.read(log.logStartOffset, 10_000_000, { isolation: 'logEnd', minOneBatch: true });
  return Buffer.concat(read.chunks).toString('hex');
}

async function expectEqualLogs(topic: string, ids = [1, 2, 3]): Promise<void> {
  const logs = await Promise.all(ids.map((id) => bytesOf(id, topic)));
  for (const log of logs) expect(log).toBe(logs[0]);
}

const isrOf = (topic: string): readonly number[] => {
  const leader = cluster.leaderOf(topic);
  return leader < 0 ? [] : cluster.partition(leader, topic).isr.toSorted();
};

/** Produces, letting time pass until it is answered. */
async function produced(leader: number, topic: string, values: readonly string[], acks = -1, timeoutMs = 5000) {
  const answer = produce(leader, topic, values, acks, timeoutMs);
  let isAnswered = false;
  void answer.then(() => {
    isAnswered = true;
  });
  await cluster.until('an answer to Produce', () => isAnswered, timeoutMs + 1000);
  return answer;
}

describe('a follower that is killed', () => {
  it('leaves the in-sync replicas with its registration, and joins them again when it has caught up', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[1, 2, 3]], { 'min.insync.replicas': '2' });
    expect(await produced(1, 't', ['a'])).toMatchObject({ errorCode: 0 });
    await cluster.kill(3);
    await cluster.until('a smaller in-sync set', () => isrOf('t').join() === '1,2');
    expect(await produced(1, 't', ['b', 'c'])).toMatchObject({ errorCode: 0, baseOffset: 1 });
    await cluster.start(3);
    await cluster.until('the full in-sync set', () => isrOf('t').join() === '1,2,3');
    expect(await produced(1, 't', ['d'])).toMatchObject({ errorCode: 0, baseOffset: 3 });
    await cluster.pass(600);
    expect(endsOf('t')).toEqual([
      [4, 4],
      [4, 4],
      [4, 4],
    ]);
    await expectEqualLogs('t');
  });

  it('has not what it had no room for, even while it cannot go back from it', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[1, 2, 3]], { 'min.insync.replicas': '2' });
    expect(await produced(1, 't', ['a'])).toMatchObject({ errorCode: 0 });
    const { disk } = cluster.nodes.get(3)!;
    disk.fault = ({ kind, path }) =>
      path.startsWith('/data/t-0') && (kind === 'write' || kind === 'open' || kind === 'truncate')
        ? systemError('ENOSPC', 'no space left on device')
        : undefined;
    const answer = produce(1, 't', ['b']);
    await cluster.pass(3000);
    expect(cluster.partition(3, 't').log).toMatchObject({ state: 'truncating', logEndOffset: 1, durableEndOffset: 1 });
    expect(cluster.partition(1, 't').log.highWatermark).toBe(1);
    disk.fault = undefined;
    await cluster.until('the record on all', () => cluster.partition(1, 't').log.highWatermark === 2);
    expect(await answer).toMatchObject({ errorCode: 0, baseOffset: 1 });
    await expectEqualLogs('t');
  });

  it('with another leaves too few for acks=all, and not for acks=1, which nobody reads before they are back', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[1, 2, 3]], { 'min.insync.replicas': '2' });
    await cluster.kill(2);
    await cluster.kill(3);
    await cluster.until('one in sync', () => isrOf('t').join() === '1');
    expect(await produced(1, 't', ['a'])).toMatchObject({ errorCode: ErrorCode.NOT_ENOUGH_REPLICAS });
    expect(await produced(1, 't', ['b'], 1)).toMatchObject({ errorCode: 0, baseOffset: 0 });
    expect(cluster.partition(1, 't').log.highWatermark).toBe(0);
    await cluster.start(2);
    await cluster.until('two in sync', () => isrOf('t').join() === '1,2');
    await cluster.until('the high watermark', () => cluster.partition(1, 't').log.highWatermark === 1);
  });
});

describe('a follower that is cut off', () => {
  it.each([
    ['both ways', true],
    ['one way, so that it hears and is not heard', false],
  ])('leaves the in-sync replicas after the lag time, and what waits is acknowledged then: %s', async (_, isDeaf) => {
    cluster = await TestReplicas.start(3, { 'replica.lag.time.max.ms': '2000' });
    await cluster.createTopic('t', [[1, 2, 3]]);
    await produced(1, 't', ['a']);
    cluster.cut(3, 1);
    if (isDeaf) cluster.cut(1, 3);
    const startMs = cluster.clock.monotonic();
    expect(await produced(1, 't', ['b'], -1, 10_000)).toMatchObject({ errorCode: 0, baseOffset: 1 });
    const tookMs = cluster.clock.monotonic() - startMs;
    expect(tookMs).toBeGreaterThan(1900);
    expect(tookMs).toBeLessThan(3500);
    expect(isrOf('t')).toEqual([1, 2]);
    cluster.heal();
    await cluster.until('the full in-sync set', () => isrOf('t').join() === '1,2,3', 60_000);
  });
});

describe('a leader that is killed', () => {
  it('is replaced, loses nothing that was acknowledged, and follows when it comes back', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[2, 3, 1]], { 'min.insync.replicas': '2' });
    for (let round = 0; round < 3; round += 1) await produced(2, 't', [`a${round}`]);
    await cluster.kill(2);
    await cluster.until('another leader', () => cluster.leaderOf('t') === 3);
    expect(await produced(3, 't', ['b'])).toMatchObject({ errorCode: 0, baseOffset: 3 });
    await cluster.start(2);
    await cluster.until('the full in-sync set', () => isrOf('t').join() === '1,2,3');
    await cluster.pass(600);
    await expectEqualLogs('t');
    expect(endsOf('t')).toEqual([
      [4, 4],
      [4, 4],
      [4, 4],
    ]);
  });

  it('has the tail cut off that nobody has fetched, wherever the epochs part', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[2, 3, 1]]);
    await produced(2, 't', ['a', 'b']);
    for (const to of [1, 3]) {
      cluster.cut(to, 2);
      cluster.cut(2, to);
    }
    // Nobody fetches these: acknowledged by the leader alone.
    expect(await produced(2, 't', ['lost-1', 'lost-2', 'lost-3'], 1)).toMatchObject({ errorCode: 0, baseOffset: 2 });
    await cluster.kill(2);
    cluster.heal();
    await cluster.until('another leader', () => cluster.leaderOf('t') === 3);
    await produced(3, 't', ['c']);
    await cluster.start(2);
    await cluster.until('the full in-sync set', () => isrOf('t').join() === '1,2,3');
    await cluster.pass(600);
    await expectEqualLogs('t');
    expect(cluster.partition(2, 't').log.logEndOffset).toBe(3);
  });

  it('and was the controller too, is replaced in both', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[1, 2, 3]], { 'min.insync.replicas': '2' });
    await produced(1, 't', ['a']);
    await cluster.kill(1);
    await cluster.until('another leader', () => cluster.leaderOf('t') === 2);
    expect(await produced(2, 't', ['b'])).toMatchObject({ errorCode: 0, baseOffset: 1 });
    await cluster.start(1);
    await cluster.until('the full in-sync set', () => isrOf('t').join() === '1,2,3');
    await cluster.pass(600);
    await expectEqualLogs('t');
  });

  it('over and over, with a few records each time, leaves the same log everywhere', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[1, 2, 3]], { 'min.insync.replicas': '2' });
    let offset = 0;
    for (let round = 0; round < 6; round += 1) {
      const leader = cluster.leaderOf('t');
      expect(await produced(leader, 't', [`r${round}`])).toMatchObject({ errorCode: 0, baseOffset: offset });
      offset += 1;
      await cluster.kill(leader);
      await cluster.until('another leader', () => ![leader, -1].includes(cluster.leaderOf('t')));
      expect(await produced(cluster.leaderOf('t'), 't', [`s${round}`])).toMatchObject({ errorCode: 0 });
      offset += 1;
      await cluster.start(leader);
      await cluster.until('the full in-sync set', () => isrOf('t').join() === '1,2,3');
    }
    await cluster.pass(600);
    await expectEqualLogs('t');
    expect(endsOf('t')).toEqual([1, 2, 3].map(() => [offset, offset]));
  });
});

describe('a broker that comes back with an empty disk', () => {
  it('fetches everything again, and counts for nothing before it has', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[1, 2, 3]], { 'min.insync.replicas': '2' });
    for (let round = 0; round < 5; round += 1) await produced(1, 't', ['a', 'b']);
    await cluster.kill(3);
    cluster.replaceDisk(3);
    cluster.cut(3, 1);
    await cluster.start(3);
    await cluster.pass(500);
    expect(isrOf('t')).toEqual([1, 2]);
    cluster.heal();
    await cluster.until('the full in-sync set', () => isrOf('t').join() === '1,2,3', 60_000);
    await cluster.pass(600);
    await expectEqualLogs('t');
    expect(endsOf('t', [3])).toEqual([[10, 10]]);
  });

  it('does not lead, though it was the preferred leader', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[1, 2, 3]], { 'min.insync.replicas': '2' });
    for (let round = 0; round < 5; round += 1) await produced(1, 't', ['a', 'b']);
    await cluster.kill(1);
    cluster.replaceDisk(1);
    await cluster.until('another leader', () => cluster.leaderOf('t') === 2);
    await cluster.start(1);
    await cluster.until('the full in-sync set', () => isrOf('t').join() === '1,2,3');
    await cluster.pass(600);
    await expectEqualLogs('t');
    expect(endsOf('t', [1])).toEqual([[10, 10]]);
  });
});

describe('all brokers killed at once', () => {
  it('have everything back, whichever starts first', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[1, 2, 3]], { 'min.insync.replicas': '2' });
    for (let round = 0; round < 3; round += 1) await produced(1, 't', [`a${round}`]);
    for (const id of [1, 2, 3]) await cluster.kill(id);
    for (const id of [3, 1, 2]) await cluster.start(id);
    await cluster.until('the full in-sync set', () => isrOf('t').join() === '1,2,3');
    expect(await produced(cluster.leaderOf('t'), 't', ['b'])).toMatchObject({ errorCode: 0, baseOffset: 3 });
    await cluster.pass(600);
    await expectEqualLogs('t');
  });
});

describe('an election out of sync', () => {
  it('takes what the new leader has, and cuts the log of the old one', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[2, 3]], { 'unclean.leader.election.enable': 'true' });
    await produced(2, 't', ['a']);
    await cluster.kill(3);
    await cluster.until('one in sync', () => isrOf('t').join() === '2');
    await produced(2, 't', ['b', 'c', 'd'], 1);
    await cluster.kill(2);
    await cluster.start(3);
    await cluster.until('a leader out of sync', () => cluster.leaderOf('t') === 3);
    expect(await produced(3, 't', ['x'], 1)).toMatchObject({ errorCode: 0, baseOffset: 1 });
    await cluster.start(2);
    await cluster.until('both in sync', () => isrOf('t').join() === '2,3');
    await cluster.pass(600);
    await expectEqualLogs('t', [2, 3]);
    expect(cluster.partition(2, 't').log.logEndOffset).toBe(2);
  });
});

describe('a follower whose log begins behind all that a leader elected out of sync has', () => {
  it('takes everything of that leader before it is in sync, and not only what comes', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[2, 3]], { 'unclean.leader.election.enable': 'true' });
    await produced(2, 't', ['a', 'b']);
    await cluster.kill(3);
    await cluster.until('one in sync', () => isrOf('t').join() === '2');
    await produced(2, 't', ['c', 'd', 'e'], 1);
    // Nothing is left of it, and no epoch tells of what was.
    const { log } = cluster.partition(2, 't');
    log.roll();
    expect(log.deleteRecordsBefore(-1)).toMatchObject({ errorCode: 0 });
    await log.enforceRetention();
    expect([log.logStartOffset, log.logEndOffset]).toEqual([5, 5]);
    await cluster.kill(2);
    await cluster.start(3);
    await cluster.until('a leader out of sync', () => cluster.leaderOf('t') === 3);
    await cluster.start(2);
    await cluster.until('both in sync', () => isrOf('t').join() === '2,3');
    expect(await produced(3, 't', ['x'])).toMatchObject({ errorCode: 0, baseOffset: 2 });
    await cluster.pass(600);
    await expectEqualLogs('t', [2, 3]);
    expect(cluster.partition(2, 't').log).toMatchObject({ logStartOffset: 0, logEndOffset: 3 });
  });
});

describe('a follower whose leader has deleted what it has yet to fetch', () => {
  it('begins anew where the leader’s log begins, and joins the in-sync replicas', async () => {
    cluster = await TestReplicas.start(2);
    await cluster.createTopic('t', [[1, 2]]);
    await produced(1, 't', ['a']);
    await cluster.kill(2);
    await cluster.until('one in sync', () => isrOf('t').join() === '1');
    for (let round = 0; round < 4; round += 1) await produced(1, 't', [`b${round}`]);
    const { log } = cluster.partition(1, 't');
    log.roll();
    expect(log.deleteRecordsBefore(4)).toMatchObject({ errorCode: 0 });
    await log.enforceRetention();
    await cluster.start(2);
    await cluster.until('both in sync', () => isrOf('t').join() === '1,2');
    expect(cluster.partition(2, 't').log.logStartOffset).toBe(4);
    await produced(1, 't', ['c']);
    await expectEqualLogs('t', [1, 2]);
  });
});

describe('a broker that stops in order', () => {
  it.each([2, 1])(
    'hands over what it leads before it goes, broker %i of which the first is the controller',
    async (id) => {
      cluster = await TestReplicas.start(3);
      await cluster.createTopic('t', [[id, 3, id === 1 ? 2 : 1]], { 'min.insync.replicas': '2' });
      await produced(id, 't', ['a']);
      const leaving = cluster.broker(id);
      const epochs: number[] = [];
      const stopped = cluster.stop(id);
      await cluster.until('another leader', () => {
        epochs.push(cluster.leaderOf('t'));
        return cluster.leaderOf('t') === 3;
      });
      await stopped;
      // Nobody was without a leader for longer than it takes to say so.
      expect(epochs.filter((leader) => leader === -1)).toEqual([]);
      expect(leaving.services.replicas.partitions).toBeDefined();
      expect(await produced(3, 't', ['b'])).toMatchObject({ errorCode: 0, baseOffset: 1 });
      await cluster.start(id);
      await cluster.until('the full in-sync set', () => isrOf('t').join() === '1,2,3');
      await cluster.pass(600);
      await expectEqualLogs('t');
    },
  );
});

describe('records that are deleted on demand', () => {
  const deleteBefore = (offset: number, timeoutMs: number) =>
    cluster
      .ask(1, DeleteRecords, 2, { timeoutMs, topics: [{ name: 't', partitions: [{ partitionIndex: 0, offset }] }] })
      .then(({ topics }) => topics[0]!.partitions[0]!);

  it('are gone from all live replicas when the deletion is answered, at once', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[1, 2, 3]]);
    for (let round = 0; round < 4; round += 1) await produced(1, 't', ['a']);
    await cluster.pass(600);
    const startMs = cluster.clock.monotonic();
    const answer = deleteBefore(3, 1000);
    await cluster.settle();
    expect(await answer).toMatchObject({ errorCode: 0, lowWatermark: 3 });
    expect(cluster.clock.monotonic()).toBe(startMs);
    expect([1, 2, 3].map((id) => cluster.partition(id, 't').log.logStartOffset)).toEqual([3, 3, 3]);
  });

  it('are said to be still there while a live follower has not been heard of', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[1, 2, 3]]);
    for (let round = 0; round < 4; round += 1) await produced(1, 't', ['a']);
    await cluster.pass(600);
    cluster.cut(3, 1);
    const late = deleteBefore(2, 500);
    await cluster.pass(600);
    expect(await late).toMatchObject({ errorCode: ErrorCode.REQUEST_TIMED_OUT, lowWatermark: 0 });
    // One that is gone is not waited for.
    await cluster.kill(3);
    const answer = deleteBefore(3, 5000);
    await cluster.pass(100);
    expect(await answer).toMatchObject({ errorCode: 0, lowWatermark: 3 });
  });
});

describe('the only replica in sync, which could not be opened for want of room', () => {
  it('leads again as soon as it can be opened, without a restart', async () => {
    cluster = await TestReplicas.start(2);
    await cluster.createTopic('t', [[1, 2]], { 'min.insync.replicas': '1' });
    await produced(1, 't', ['a']);
    await cluster.kill(2);
    await cluster.until('one in sync', () => isrOf('t').join() === '1');
    await cluster.kill(1);
    const { disk } = cluster.nodes.get(1)!;
    // Written again when the broker is told of the partition, since it was lost.
    await disk.remove('/data/t-0/partition.metadata');
    let isFull = true;
    disk.fault = ({ kind, path }) =>
      isFull && (kind === 'write' || kind === 'replaceFile') && path.includes('t-0/partition.metadata')
        ? systemError('ENOSPC', 'no space left on device')
        : undefined;
    await cluster.start(1);
    await cluster.start(2);
    await cluster.pass(2500);
    expect(cluster.leaderOf('t')).toBe(-1);
    isFull = false;
    await cluster.until('a leader', () => cluster.leaderOf('t') === 1);
    expect(await produced(1, 't', ['b'])).toMatchObject({ errorCode: 0, baseOffset: 1 });
  });
});

describe('a replica that has taken over a state when something throws', () => {
  it('is tried again until all is done that follows from it, and is in sync then', async () => {
    cluster = await TestReplicas.start(2);
    let throws = 2;
    cluster.lineFault = (clientId) => {
      if (clientId !== 'broker-2-fetcher-0' || throws === 0) return undefined;
      throws -= 1;
      return new TypeError('a mistake');
    };
    await cluster.createTopic('t', [[1, 2]], { 'min.insync.replicas': '1' });
    await cluster.until('one in sync', () => isrOf('t').join() === '1');
    await produced(1, 't', ['a']);
    expect(throws).toBe(1);
    await cluster.until('both in sync', () => isrOf('t').join() === '1,2');
    expect([throws, cluster.partition(2, 't').following?.leaderId]).toEqual([0, 1]);
    await cluster.pass(600);
    await expectEqualLogs('t', [1, 2]);
  });
});

describe('a follower that appends all that it is given at once, as Kafka does', () => {
  it('is given no more than fits into a segment, however much it asks for; consumers are', async () => {
    cluster = await TestReplicas.start(2);
    await cluster.createTopic('t', [[1, 2]], { 'min.insync.replicas': '1', 'segment.bytes': '3000' });
    await cluster.kill(2);
    await cluster.until('one in sync', () => isrOf('t').join() === '1');
    for (let batch = 0; batch < 8; batch += 1) await produced(1, 't', ['x'.repeat(1000)]);
    const bytesFor = async (replicaId: number): Promise<number> => {
      const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }];
      const topics = [{ topic: 't', partitions }];
      const body = { replicaId, maxWaitMs: 0, minBytes: 1, maxBytes: 1_000_000, topics, forgottenTopicsData: [] };
      const { responses } = await cluster.ask(1, Fetch, 12, body);
      return responses[0]!.partitions[0]!.records!.length;
    };
    const [replica, consumer] = [await bytesFor(2), await bytesFor(-1)];
    expect([replica > 1000, replica <= 3000, consumer > 8000]).toEqual([true, true, true]);
  });
});

describe('a log folder that fails', () => {
  it('costs the broker what it leads there, and nothing else', async () => {
    cluster = await TestReplicas.start(3, { 'log.dirs': '/data-a,/data-b' });
    // Each goes to the folder with fewer partitions, so one of these lies in each.
    await cluster.createTopic('t', [[2, 3, 1]], { 'min.insync.replicas': '2' });
    await cluster.createTopic('u', [[2, 3, 1]], { 'min.insync.replicas': '2' });
    await produced(2, 't', ['a']);
    await produced(2, 'u', ['a']);
    const [failing, other] = cluster.partition(2, 't').log.folder.startsWith('/data-a') ? ['t', 'u'] : ['u', 't'];
    cluster.failWrites(2, '/data-a');
    await produced(2, failing, ['b'], 1, 200).catch(() => undefined);
    await cluster.until('another leader', () => cluster.partition(3, failing).isLeader);
    expect(await produced(3, failing, ['c'])).toMatchObject({ errorCode: 0, baseOffset: 1 });
    await cluster.until('a smaller in-sync set', () => cluster.partition(3, failing).isr.toSorted().join() === '1,3');
    expect(cluster.leaderOf(other)).toBe(2);
    expect(await produced(2, other, ['d'])).toMatchObject({ errorCode: 0, baseOffset: 1 });
    expect(await cluster.store.children('/log_dir_event_notification')).toEqual([]);
    await cluster.kill(2);
    await cluster.start(2);
    await cluster.until('the full in-sync set', () => isrOf(failing).join() === '1,2,3');
    await cluster.pass(600);
    await expectEqualLogs(failing);
  });
});

describe('reading from followers', () => {
  const RACKS = { 'replica.selector.class': 'org.apache.kafka.common.replica.RackAwareReplicaSelector' };

  const fetched = (id: number, fetchOffset: number, rackId: string, version = 12) =>
    cluster
      .ask(id, Fetch, version, {
        maxWaitMs: 0,
        minBytes: 1,
        maxBytes: 1_000_000,
        ...(version >= 11 ? { rackId } : {}),
        topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1_000_000 }] }],
        forgottenTopicsData: [],
      })
      .then(({ responses }) => responses[0]!.partitions[0]!);

  async function inRacks(): Promise<void> {
    cluster = await TestReplicas.start(0, RACKS);
    for (const id of [1, 2, 3]) await cluster.start(id, { 'broker.rack': `rack-${id}` });
    await cluster.createTopic('t', [[1, 2, 3]]);
    await produced(1, 't', ['a', 'b']);
    await cluster.pass(600);
  }

  it('is where consumers are sent that say which rack they are in, by the leader alone', async () => {
    await inRacks();
    expect(await fetched(1, 0, 'rack-2')).toMatchObject({ errorCode: 0, preferredReadReplica: 2, highWatermark: 2 });
    expect((await fetched(1, 0, 'rack-2')).records?.length).toBe(0);
    const here = await fetched(1, 0, 'rack-1');
    expect([here.preferredReadReplica, here.records?.length]).toEqual([-1, batchOf(['a', 'b']).length]);
    expect(await fetched(1, 0, 'elsewhere')).toMatchObject({ preferredReadReplica: -1 });
    const there = await fetched(2, 0, 'rack-2');
    expect([there.errorCode, there.preferredReadReplica, there.records?.length]).toEqual([0, -1, here.records?.length]);
    // Before consumers knew racks, only leaders served them.
    expect((await fetched(2, 0, '', 10)).errorCode).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER);
  });

  it('ends at the follower’s own high watermark, and is not advised where the follower is not in sync', async () => {
    await inRacks();
    expect((await fetched(2, 1, 'rack-2')).highWatermark).toBe(2);
    cluster.cut(2, 1);
    const late = produce(1, 't', ['c'], 1);
    await cluster.settle();
    await late;
    // The leader sends nobody to a replica that has not got so far.
    expect(await fetched(1, 3, 'rack-2')).toMatchObject({ preferredReadReplica: -1 });
    const behind = await fetched(2, 2, 'rack-2');
    expect([behind.errorCode, behind.records?.length]).toEqual([0, 0]);
    await cluster.kill(2);
    await cluster.until('a smaller in-sync set', () => isrOf('t').join() === '1,3');
    expect(await fetched(1, 0, 'rack-2')).toMatchObject({ preferredReadReplica: -1 });
  });
});

describe('a broker that stops while followers keep its requests waiting', () => {
  it('answers them at once, and leads no more what others hold too', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[1, 2, 3]]);
    await cluster.createTopic('alone', [[1]]);
    cluster.cut(2, 1);
    cluster.cut(3, 1);
    const waiting = produce(1, 't', ['a'], -1, 60_000);
    await cluster.settle();
    const startMs = cluster.clock.monotonic();
    cluster.broker(1).finishWaits();
    await cluster.settle();
    expect((await waiting).errorCode).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    expect(cluster.clock.monotonic()).toBe(startMs);
    expect((await produce(1, 't', ['b'])).errorCode).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    // Nobody else could take that: it is served until the listeners are closed.
    expect((await produce(1, 'alone', ['c'])).errorCode).toBe(ErrorCode.NONE);
    cluster.heal();
  });
});
