/** Fetching, as a whole engine does it on a simulated cluster. */

import { type Logger, seededRandom } from '@millrace/ports';
import { ErrorCode, Fetch, type FetchRequest } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import type { ConsumerEngine } from '../engine.ts';
import { collectMetrics } from '../metrics.ts';
import type { ConsumerOptions } from '../options.ts';
import { BatchIterator } from '../reading/iterators.ts';
import { startRun } from '../reading/run.ts';
import type { FakeLog } from '../testing/fake-log.ts';
import { collect, type Harness, newHarness } from '../testing/harness.ts';

function reading(engine: ConsumerEngine, partitions = 1, from: number | 'policy' = 0) {
  const offset = from === 'policy' ? undefined : from;
  engine.assign(Array.from({ length: partitions }, (_, partition) => ({ topic: 't', partition, offset })));
  return collect(engine);
}

const fetches = (harness: Harness): FetchRequest[] =>
  harness.cluster.seen('Fetch').map(({ body }) => body as FetchRequest);

describe('fetching', () => {
  it.each([4, 6, 7, 11, 12, 13, 17])('reads with version %i', async (version) => {
    const harness = newHarness();
    harness.cluster.versionMax.set(Fetch.key, version);
    const [log] = harness.cluster.createTopic('t', 2);
    log?.append(['a', 'b']);
    const engine = harness.engine();
    const { records } = reading(engine, 2);
    await harness.until('two are read', () => records.length === 2);
    log?.append(['c']);
    harness.cluster.changed();
    await harness.until('three are read', () => records.length === 3);
    expect(records).toEqual(['t-0@0=a', 't-0@1=b', 't-0@2=c']);
    expect(new Set(harness.cluster.seen('Fetch').map((request) => request.version))).toEqual(new Set([version]));
  });

  it('asks for names where it does not know the id of a topic', async () => {
    const harness = newHarness();
    const [log] = harness.cluster.createTopic('t', 1);
    const topic = harness.cluster.topics.get('t');
    if (topic !== undefined) topic.topicId = 'AAAAAAAAAAAAAAAAAAAAAA';
    log?.append(['a']);
    const { records } = reading(harness.engine());
    await harness.until('it is read', () => records.length === 1);
    expect(harness.cluster.seen('Fetch')[0]?.version).toBe(12);
  });

  it('keeps a session in which unchanged partitions are not named again', async () => {
    const harness = newHarness();
    const logs = harness.cluster.createTopic('t', 3);
    const { records } = reading(harness.engine(), 3);
    await harness.clock.advanceAsync(2_000);
    logs[1]?.append(['a']);
    harness.cluster.changed();
    await harness.until('it is read', () => records.length === 1);
    await harness.clock.advanceAsync(10);
    const last = fetches(harness).at(-1);
    expect(last?.sessionEpoch).toBeGreaterThan(1);
    expect(last?.topics.flatMap(({ partitions }) => partitions.map(({ partition }) => partition))).toEqual([1]);
  });

  it.each(['FETCH_SESSION_ID_NOT_FOUND', 'INVALID_FETCH_SESSION_EPOCH'] as const)(
    'begins anew after %s',
    async (error) => {
      const harness = newHarness();
      const [log] = harness.cluster.createTopic('t', 1);
      const { records } = reading(harness.engine());
      await harness.clock.advanceAsync(1_000);
      let refused = 0;
      harness.cluster.fault = (api) =>
        api === 'Fetch' && refused++ === 0 ? { answer: { errorCode: ErrorCode[error], responses: [] } } : 'none';
      log?.append(['a']);
      harness.cluster.changed();
      await harness.until('it is read', () => records.length === 1, 1_000);
    },
  );

  it('reads from a broker that keeps no sessions', async () => {
    const harness = newHarness();
    harness.cluster.keepsSessions = false;
    const [log] = harness.cluster.createTopic('t', 1);
    const { records } = reading(harness.engine());
    for (const value of ['a', 'b']) {
      log?.append([value]);
      harness.cluster.changed();
      await harness.until('it is read', () => records.at(-1)?.endsWith(value) === true);
    }
  });

  it('asks no more often than a long poll takes while there is nothing to read', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 3);
    const engine = harness.engine();
    reading(engine, 3);
    await harness.clock.advanceAsync(60_000);
    expect(fetches(harness).length).toBeLessThan(60_000 / 500 + 10);
  });

  it('has no timer and sends nothing when nothing is assigned', async () => {
    const harness = newHarness();
    const engine = harness.engine({ metadataMaxAgeMs: 1e9 });
    await harness.clock.advanceAsync(10_000);
    expect([harness.cluster.requests.length, harness.clock.pendingCount]).toEqual([0, 1]);
    expect(engine.partitions.size).toBe(0);
  });

  it('stops at its bounds while nobody reads, and goes on when somebody does', async () => {
    const harness = newHarness();
    const logs = harness.cluster.createTopic('t', 4);
    for (const log of logs) for (let n = 0; n < 200; n += 1) log.append(['x'.repeat(1_000)]);
    const engine = harness.engine({ prefetchBytesMax: 400_000, partitionBytesMax: 20_000 });
    engine.assign(logs.map((_, partition) => ({ topic: 't', partition, offset: 0 })));
    await harness.clock.advanceAsync(5_000);
    const held = [...engine.partitions].map(({ bufferedBytes }) => bufferedBytes);
    expect(held.reduce((sum, bytes) => sum + bytes)).toBeLessThanOrEqual(400_000);
    for (const bytes of held) expect(bytes).toBeGreaterThan(40_000);
    const before = fetches(harness).length;
    await harness.clock.advanceAsync(5_000);
    // Partitions that are full are not asked about, and there are no others.
    expect(fetches(harness).length).toBe(before);
    const { records } = collect(engine);
    await harness.until('all is read', () => records.length === 800);
  });

  it('has the other partitions fetched while one is full', async () => {
    const harness = newHarness();
    const logs = harness.cluster.createTopic('t', 2);
    for (const log of logs) for (let n = 0; n < 300; n += 1) log.append([`${n}`.padEnd(1_000)]);
    const engine = harness.engine({ prefetchPartitionBytesMax: 20_000, partitionBytesMax: 10_000 });
    engine.assign(logs.map((_, partition) => ({ topic: 't', partition, offset: 0 })));
    const { promise: stuck, resolve: free } = Promise.withResolvers<void>();
    const seen: number[] = [0, 0];
    const run = startRun<Buffer, Buffer>(engine, seededRandom(1), {
      eachRecord: async ({ partition }) => {
        if (partition === 0) await stuck;
        seen[partition] = (seen[partition] ?? 0) + 1;
      },
    });
    await harness.until('the other is read', () => seen[1] === 300, 5_000);
    free();
    await harness.until('both are read', () => seen[0] === 300, 5_000);
    const closed = engine.close();
    await harness.clock.advanceAsync(5_000);
    await closed;
    await run;
  });

  it('brings what a partition has at once when it has room again, though another fetch waits at the broker', async () => {
    const harness = newHarness();
    const logs = harness.cluster.createTopic('t', 2);
    for (let n = 0; n < 100; n += 1) logs[0]?.append(['x'.repeat(1_000)]);
    const engine = harness.engine({
      prefetchPartitionBytesMax: 10_000,
      partitionBytesMax: 10_000,
      fetchWaitMsMax: 60_000,
    });
    engine.assign(logs.map((_, partition) => ({ topic: 't', partition, offset: 0 })));
    // The buffer is full, and the fetch for the other partition has come to its full length.
    await harness.clock.advanceAsync(120_000);
    const startMs = harness.clock.monotonic();
    const { records } = collect(engine);
    await harness.until('all is read', () => records.length === 100, 5_000);
    expect(harness.clock.monotonic() - startMs).toBeLessThan(100);
    expect(harness.cluster.seen('Fetch').some(({ lane }) => lane === 'backlog')).toBe(true);
  });

  it('fetches ahead while a batch is handled', async () => {
    const harness = newHarness();
    const [log] = harness.cluster.createTopic('t', 1);
    for (let n = 0; n < 50; n += 1) log?.append(['x'.repeat(1_000)]);
    const engine = harness.engine({ partitionBytesMax: 5_000 });
    engine.assign([{ topic: 't', partition: 0, offset: 0 }]);
    const iterator = new BatchIterator<Buffer, Buffer>(engine, Number.POSITIVE_INFINITY);
    const first = iterator.next();
    await harness.clock.advanceAsync(1_000);
    expect((await first).value?.records.length).toBe(4);
    expect([...engine.partitions][0]?.bufferedBytes).toBeGreaterThan(40_000);
  });

  it('follows the leader', async () => {
    const harness = newHarness();
    const log = harness.cluster.createTopic('t', 1)[0];
    log?.append(['a']);
    const { records } = reading(harness.engine());
    await harness.until('it is read', () => records.length === 1);
    log?.elect(2);
    log?.append(['b']);
    harness.cluster.changed();
    await harness.until('it is read from the new leader', () => records.length === 2, 3_000);
    expect(harness.cluster.seen('Fetch').at(-1)?.nodeId).toBe(2);
  });

  it('waits for a leader, and asks for one at most as often as it may', async () => {
    const harness = newHarness();
    const log = harness.cluster.createTopic('t', 1)[0];
    if (log !== undefined) log.leaderId = -1;
    log?.append(['a']);
    const { records } = reading(harness.engine(), 1, 'policy');
    let asked = 0;
    harness.cluster.fault = (api) => {
      if (api === 'Metadata') asked += 1;
      return 'none';
    };
    await harness.clock.advanceAsync(10_000);
    expect(asked).toBeGreaterThan(8);
    expect(asked).toBeLessThan(25);
    log?.elect(2);
    await harness.clock.advanceAsync(2_000);
    expect(records).toEqual([]);
    log?.append(['b']);
    harness.cluster.changed();
    await harness.until('it is read', () => records.length > 0, 3_000);
  });

  it('resets by the policy when its offset is not in the log any more', async () => {
    const harness = newHarness();
    const log = harness.cluster.createTopic('t', 1)[0];
    for (const value of ['a', 'b', 'c', 'd']) log?.append([value]);
    log?.deleteBefore(2);
    const { records } = reading(harness.engine({ autoOffsetReset: 'earliest' }), 1, 0);
    await harness.until('the rest is read', () => records.length === 2);
    expect(records).toEqual(['t-0@2=c', 't-0@3=d']);
  });

  it('reads what it has fetched before it resets', async () => {
    const harness = newHarness();
    const log = harness.cluster.createTopic('t', 1)[0];
    for (let n = 0; n < 10; n += 1) log?.append([`${n}`.padEnd(1_000)]);
    const engine = harness.engine({
      autoOffsetReset: 'earliest',
      partitionBytesMax: 3_500,
      prefetchPartitionBytesMax: 6_000,
    });
    engine.assign([{ topic: 't', partition: 0, offset: 0 }]);
    await harness.clock.advanceAsync(1_000);
    log?.deleteBefore(8);
    const { records } = collect(engine);
    await harness.until('all is read', () => records.length === 8);
    expect(records.map((text) => text.slice(4, 5))).toEqual(['0', '1', '2', '3', '4', '5', '8', '9']);
  });

  it('tells readers that a topic may not be read, instead of waiting for it', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1)[0]?.append(['a']);
    harness.cluster.createTopic('u', 1)[0]?.append(['b']);
    harness.cluster.topicErrors.set('t', ErrorCode.TOPIC_AUTHORIZATION_FAILED);
    const engine = harness.engine();
    engine.assign(['t', 'u'].map((topic) => ({ topic, partition: 0, offset: 0 })));
    const seen: string[] = [];
    const told = expect(collect(engine, seen).done).rejects.toMatchObject({ code: 'KAFKA_TOPIC_AUTHORIZATION_FAILED' });
    await harness.clock.advanceAsync(2_000);
    await told;
    const member = harness.engine({ groupId: 'g' });
    member.subscribe(['u', 't']);
    const alsoTold = expect(member.joined).rejects.toMatchObject({ code: 'KAFKA_TOPIC_AUTHORIZATION_FAILED' });
    await harness.clock.advanceAsync(2_000);
    await alsoTold;
  });

  it('asks less and less for a topic that was deleted', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1);
    reading(harness.engine());
    await harness.clock.advanceAsync(1_000);
    harness.cluster.topics.delete('t');
    let asked = 0;
    harness.cluster.fault = (api) => {
      if (api === 'Metadata') asked += 1;
      return 'none';
    };
    await harness.clock.advanceAsync(60_000);
    expect(asked).toBeGreaterThan(30);
    expect(asked).toBeLessThan(80);
  });

  it('tells readers where the policy forbids to choose, and goes on after a seek', async () => {
    const harness = newHarness();
    const log = harness.cluster.createTopic('t', 1)[0];
    log?.append(['a', 'b']);
    const engine = harness.engine({ autoOffsetReset: 'none' });
    const { records, done } = reading(engine, 1, 99);
    const failed = expect(done).rejects.toMatchObject({ code: 'CONSUMER_NO_OFFSET', offset: 99, retriable: false });
    await harness.clock.advanceAsync(1_000);
    await failed;
    // Whoever asks next is told too, until somebody seeks.
    await expect(collect(engine).done).rejects.toMatchObject({ code: 'CONSUMER_NO_OFFSET' });
    engine.seek('t', 0, 1);
    collect(engine, records);
    await harness.until('it is read', () => records.length === 1);
  });

  it('fetches a damaged batch once more, and then tells', async () => {
    const harness = newHarness();
    const log = harness.cluster.createTopic('t', 1)[0];
    log?.append(['a']);
    log?.append(['b']);
    log?.append(['c']);
    const bytes = log?.batches[1]?.bytes;
    if (bytes !== undefined) bytes[bytes.length - 2] = 0;
    const engine = harness.engine();
    const { records, done } = reading(engine);
    const failed = expect(done).rejects.toMatchObject({ code: 'CONSUMER_CORRUPT_BATCH', offset: 1 });
    await harness.clock.advanceAsync(3_000);
    await failed;
    expect(records).toEqual(['t-0@0=a']);
    expect(fetches(harness).length).toBe(2);
    engine.seek('t', 0, 2);
    collect(engine, records);
    await harness.until('what follows is read', () => records.length === 2);
  });

  it('tells of damage that the broker has found, instead of asking for ever', async () => {
    const harness = newHarness();
    const log = harness.cluster.createTopic('t', 1)[0];
    if (log !== undefined) log.errorCode = ErrorCode.CORRUPT_MESSAGE;
    const engine = harness.engine();
    const { records, done } = reading(engine);
    const failed = expect(done).rejects.toMatchObject({ code: 'CONSUMER_CORRUPT_BATCH', offset: 0 });
    await harness.clock.advanceAsync(3_000);
    await failed;
    expect(fetches(harness).length).toBe(2);
    if (log !== undefined) log.errorCode = ErrorCode.NONE;
    log?.append(['a']);
    log?.append(['b']);
    engine.seek('t', 0, 1);
    collect(engine, records);
    await harness.until('what follows is read', () => records.length === 1);
  });

  it('tells readers at once what cannot be sent, instead of trying it for ever', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1)[0]?.append(['a']);
    // Nothing that is checked at the call comes to this; the state of a partition is set to what cannot be encoded.
    const { engine, done } = (() => {
      const made = harness.engine();
      return { engine: made, ...reading(made) };
    })();
    engine.state('t', 0, 'seek').moveTo(2 ** 60, -1);
    const told = expect(done).rejects.toMatchObject({ name: 'ProtocolError' });
    await harness.clock.advanceAsync(10_000);
    await told;
    expect(harness.cluster.seen('Fetch')).toEqual([]);
  });

  it('says nothing of damage that happened on the way and not again', async () => {
    const harness = newHarness();
    const log = harness.cluster.createTopic('t', 1)[0];
    log?.append(['a']);
    const bytes = log?.batches[0]?.bytes as Buffer;
    bytes[bytes.length - 2] = 0;
    const { records } = reading(harness.engine());
    await harness.until('it was fetched', () => fetches(harness).length === 1);
    await harness.clock.advanceAsync(50);
    bytes[bytes.length - 2] = 'a'.charCodeAt(0);
    await harness.until('it is read', () => records.length === 1);
  });

  it('reads from a replica nearby, and from the leader when that one refuses', async () => {
    const harness = newHarness();
    const log = harness.cluster.createTopic('t', 1)[0];
    if (log !== undefined) log.preferredReplica = 2;
    log?.append(['a']);
    const { records } = reading(harness.engine({ rackId: 'here' }));
    await harness.until('it is read', () => records.length === 1);
    expect(
      harness.cluster
        .seen('Fetch')
        .map(({ nodeId }) => nodeId)
        .slice(0, 2),
    ).toEqual([1, 2]);
    expect(fetches(harness)[0]?.rackId).toBe('here');
    if (log !== undefined) log.preferredReplica = -1;
    log?.append(['b']);
    harness.cluster.changed();
    await harness.until('it is read from the leader', () => records.length === 2);
    expect(harness.cluster.seen('Fetch').at(-1)?.nodeId).toBe(1);
  });

  it.each(['OFFSET_OUT_OF_RANGE', 'OFFSET_NOT_AVAILABLE', 'NOT_LEADER_OR_FOLLOWER'] as const)(
    'is not sent to and fro between a leader and a replica that answers %s, and loses nothing by it',
    async (error) => {
      const harness = newHarness();
      const log = harness.cluster.createTopic('t', 1)[0] as FakeLog;
      log.preferredReplica = 2;
      log.replicaErrorCode = ErrorCode[error];
      for (const value of ['a', 'b']) log.append([value]);
      const { records } = reading(harness.engine({ rackId: 'here', autoOffsetReset: 'latest' }), 1, 1);
      await harness.clock.advanceAsync(10_000);
      expect([records, fetches(harness).length < 60]).toEqual([[], true]);
      log.replicaErrorCode = 0;
      await harness.until('the replica has caught up', () => records.length === 1, 3_000);
      expect([records, harness.cluster.seen('Fetch').at(-1)?.nodeId]).toEqual([['t-0@1=b'], 2]);
    },
  );

  it('asks the leader again for the nearest replica when what it said is as old as metadata may be', async () => {
    const harness = newHarness();
    const log = harness.cluster.createTopic('t', 1)[0] as FakeLog;
    log.preferredReplica = 2;
    reading(harness.engine({ rackId: 'here', metadataMaxAgeMs: 5_000 }));
    await harness.clock.advanceAsync(12_000);
    const leaders = harness.cluster.seen('Fetch').filter(({ nodeId }) => nodeId === 1);
    expect(leaders.length).toBe(3);
  });

  it('goes to the leader when the replica does not answer', async () => {
    const harness = newHarness();
    const log = harness.cluster.createTopic('t', 1)[0] as FakeLog;
    log.preferredReplica = 2;
    const { records } = reading(harness.engine({ rackId: 'here', requestTimeoutMs: 1_000 }));
    await harness.clock.advanceAsync(2_000);
    log.preferredReplica = -1;
    harness.cluster.faultOf = (nodeId) => (nodeId === 2 ? 'lost-request' : 'none');
    log.append(['a']);
    harness.cluster.changed();
    await harness.until('it is read', () => records.length === 1, 5_000);
  });

  it('waits for what it may not read without asking again and again', async () => {
    const harness = newHarness();
    const log = harness.cluster.createTopic('t', 1)[0];
    if (log !== undefined) log.errorCode = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
    const { done } = reading(harness.engine());
    const failed = expect(done).rejects.toMatchObject({ code: 'KAFKA_TOPIC_AUTHORIZATION_FAILED' });
    await harness.clock.advanceAsync(10_000);
    await failed;
    expect(fetches(harness).length).toBe(1);
  });

  it('slows down while a broker does not answer, and is as quick as before once it does', async () => {
    const harness = newHarness();
    const log = harness.cluster.createTopic('t', 1)[0];
    const lines: string[] = [];
    const note = (_fields: object, message: string): void => void lines.push(message);
    const logger = { debug() {}, info: note, warn: note, error: note } as Logger;
    const engine = harness.engine({ logger });
    const { records } = reading(engine);
    await harness.clock.advanceAsync(1_000);
    harness.cluster.fault = (api) => (api === 'Fetch' ? 'lost-request' : 'none');
    const before = fetches(harness).length;
    await harness.clock.advanceAsync(30_000);
    expect(fetches(harness).length - before).toBeLessThan(45);
    harness.cluster.fault = () => 'none';
    log?.append(['a']);
    await harness.until('it is read', () => records.length === 1, 2_000);
    // Told once that it goes on, and once that it is over.
    expect(lines).toEqual([
      'Fetch from broker 1 was not answered, 5 times by now; trying on',
      'Broker 1 answers again',
    ]);
    // And counted once, however long it was.
    expect(collectMetrics(engine).brokerOutages).toBe(1);
    let failures = 0;
    harness.cluster.fault = (api) => (api === 'Fetch' && failures++ === 0 ? 'lost-request' : 'none');
    log?.append(['b']);
    harness.cluster.changed();
    await harness.until('the one before is answered', () => records.length === 2, 2_000);
    const startMs = harness.clock.monotonic();
    log?.append(['c']);
    harness.cluster.changed();
    await harness.until('the pause is short again', () => records.length === 3, 1_000);
    expect(harness.clock.monotonic() - startMs).toBeLessThan(200);
  });

  it('closes its session when it ends', async () => {
    const harness = newHarness();
    const log = harness.cluster.createTopic('t', 1)[0];
    log?.append(['a']);
    const engine = harness.engine({ prefetchPartitionBytesMax: 1 });
    engine.assign([{ topic: 't', partition: 0, offset: 0 }]);
    await harness.clock.advanceAsync(1_000);
    const closed = engine.close();
    await harness.clock.advanceAsync(1_000);
    await closed;
    expect(fetches(harness).at(-1)).toMatchObject({ sessionId: 1, sessionEpoch: -1, topics: [] });
  });
});

describe('a topic that was deleted and made again', () => {
  const madeAnew = async (options: Partial<ConsumerOptions<Buffer, Buffer>>, values: readonly string[]) => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1)[0]?.append(['old 0', 'old 1', 'old 2']);
    const engine = harness.engine({ metadataMaxAgeMs: 5_000, ...options });
    const { records, done } = reading(engine);
    await harness.until('the old one is read', () => records.length === 3);
    harness.cluster.topics.delete('t');
    harness.cluster.changed();
    await harness.clock.advanceAsync(3_000);
    harness.cluster.createTopic('t', 1)[0]?.append(values);
    return { harness, engine, records, done };
  };

  it('is read from where the policy says, not from where the old one was read', async () => {
    const { harness, records } = await madeAnew({ autoOffsetReset: 'earliest' }, ['new 0', 'new 1', 'new 2', 'new 3']);
    await harness.until('the new one is read', () => records.length === 7, 20_000);
    expect(records.slice(3)).toEqual(['t-0@0=new 0', 't-0@1=new 1', 't-0@2=new 2', 't-0@3=new 3']);
  });

  it('is an error where the policy is none', async () => {
    const { harness, done } = await madeAnew({ autoOffsetReset: 'none' }, ['new 0']);
    const told = expect(done).rejects.toMatchObject({ code: 'CONSUMER_NO_OFFSET' });
    await harness.clock.advanceAsync(20_000);
    await told;
  });

  it('has nothing committed to it that was read of the old one', async () => {
    const { harness, engine, records } = await madeAnew({ autoOffsetReset: 'latest', groupId: 'g' }, ['new 0']);
    await harness.clock.advanceAsync(20_000);
    const closed = engine.close();
    await harness.clock.advanceAsync(5_000);
    await closed;
    expect([records.length, [...harness.cluster.group.committed.values()].map(({ offset }) => offset)]).toEqual([
      3,
      [1],
    ]);
  });
});

describe('a new leader', () => {
  it('is asked where it ends what was read, and read on from when that is enough', async () => {
    const harness = newHarness();
    const log = harness.cluster.createTopic('t', 1)[0];
    log?.append(['a', 'b']);
    const { records } = reading(harness.engine());
    await harness.until('it is read', () => records.length === 2);
    log?.elect(2);
    log?.append(['c']);
    harness.cluster.changed();
    await harness.until('it is read', () => records.length === 3);
    expect(harness.cluster.seen('OffsetForLeaderEpoch').map(({ nodeId }) => nodeId)).toEqual([2]);
  });

  it('whose log is shorter is read from where the logs part', async () => {
    const harness = newHarness();
    const log = harness.cluster.createTopic('t', 1)[0];
    for (const value of ['a', 'b', 'c']) log?.append([value]);
    const { records } = reading(harness.engine());
    await harness.until('it is read', () => records.length === 3);
    log?.truncate(1);
    log?.elect(2);
    for (const value of ['x', 'y', 'z']) log?.append([value]);
    harness.cluster.changed();
    await harness.until('what is new is read', () => records.length === 6);
    expect(records.slice(3)).toEqual(['t-0@1=x', 't-0@2=y', 't-0@3=z']);
  });

  it('whose log is shorter costs nothing of what was fetched ahead and both have', async () => {
    const harness = newHarness();
    const log = harness.cluster.createTopic('t', 1)[0];
    for (let n = 0; n < 6; n += 1) log?.append([`${n}`]);
    const engine = harness.engine();
    engine.assign([{ topic: 't', partition: 0, offset: 0 }]);
    await harness.clock.advanceAsync(1_000);
    log?.truncate(4);
    log?.elect(2);
    log?.append(['x', 'y']);
    harness.cluster.changed();
    await harness.clock.advanceAsync(3_000);
    const { records } = collect(engine);
    await harness.until('all is read', () => records.length === 6);
    expect(records.map((text) => text.at(-1))).toEqual(['0', '1', '2', '3', 'x', 'y']);
  });

  it('whose log is shorter is an error where the policy is none', async () => {
    const harness = newHarness();
    const log = harness.cluster.createTopic('t', 1)[0];
    for (const value of ['a', 'b', 'c']) log?.append([value]);
    const { records, done } = reading(harness.engine({ autoOffsetReset: 'none' }));
    const failed = expect(done).rejects.toMatchObject({ code: 'CONSUMER_LOG_TRUNCATED', offset: 3 });
    await harness.until('it is read', () => records.length === 3);
    log?.truncate(1);
    log?.elect(2);
    harness.cluster.changed();
    await harness.clock.advanceAsync(5_000);
    await failed;
  });

  it('is believed where brokers cannot be asked', async () => {
    const harness = newHarness();
    harness.cluster.versionMax.set(23, 2);
    const log = harness.cluster.createTopic('t', 1)[0];
    log?.append(['a']);
    const { records } = reading(harness.engine());
    await harness.until('it is read', () => records.length === 1);
    log?.elect(2);
    log?.append(['b']);
    harness.cluster.changed();
    await harness.until('it is read', () => records.length === 2);
  });
});
