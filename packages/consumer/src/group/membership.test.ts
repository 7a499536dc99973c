/** Membership, as a whole engine has it in a simulated group. */
import { silentLogger } from '@millrace/ports';
import { ErrorCode, JoinGroup, type JoinGroupRequest, type LeaveGroupRequest } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { rangeAssignor } from '../assignors/range.ts';
import { roundRobinAssignor } from '../assignors/round-robin.ts';
import { cooperativeStickyAssignor } from '../assignors/sticky.ts';
import type { ConsumerEngine } from '../engine.ts';
import { collectMetrics } from '../metrics.ts';
import type { ConsumerOptions, TopicPartition } from '../options.ts';
import { collect, type Harness, newHarness } from '../testing/harness.ts';

/** A member that notes what happens to it. */
function member(
  harness: Harness,
  options: Partial<ConsumerOptions<Buffer, Buffer>> = {},
  topics: string | RegExp | string[] = 't',
) {
  const events: string[] = [];
  const note = (what: string) => (partitions: readonly TopicPartition[]) =>
    void events.push(`${what} ${partitions.map(({ topic, partition }) => `${topic}-${partition}`).join()}`.trim());
  const engine = harness.engine({
    groupId: 'g',
    autoOffsetReset: 'earliest',
    onPartitionsAssigned: note('assigned'),
    onPartitionsRevoked: note('revoked'),
    onPartitionsLost: note('lost'),
    ...options,
  });
  engine.subscribe(topics);
  return { engine, events, ...collect(engine) };
}

const owns = (engine: ConsumerEngine): number => engine.partitions.size;
const joins = (harness: Harness): JoinGroupRequest[] =>
  harness.cluster.seen('JoinGroup').map(({ body }) => body as JoinGroupRequest);

async function close(harness: Harness, ...engines: ConsumerEngine[]): Promise<void> {
  const closing = Promise.all(engines.map((engine) => engine.close(1_000)));
  await harness.clock.advanceAsync(5_000);
  await closing;
}

describe('joining', () => {
  it('takes the id that the coordinator gives, reads, and leaves with a reason', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 2)[1]?.append(['a']);
    const { engine, events, records } = member(harness);
    await harness.until('it is read', () => records.length === 1);
    await expect(engine.joined).resolves.toMatchObject({ groupId: 'g', memberId: 'member-001', generationId: 1 });
    expect(joins(harness).map(({ memberId }) => memberId)).toEqual(['', 'member-001']);
    await close(harness, engine);
    expect(events).toEqual(['assigned t-0,t-1', 'revoked t-0,t-1']);
    expect(harness.cluster.seen('LeaveGroup').map(({ body }) => (body as LeaveGroupRequest).members)).toMatchObject([
      [{ memberId: 'member-001', reason: 'the consumer is closed' }],
    ]);
    expect(harness.cluster.group.members.size).toBe(0);
  });

  it.each([0, 1, 2, 3, 5, 7, 9])('speaks JoinGroup version %i', async (version) => {
    const harness = newHarness();
    harness.cluster.versionMax.set(JoinGroup.key, version);
    harness.cluster.createTopic('t', 1)[0]?.append(['a']);
    const { records } = member(harness);
    await harness.until('it is read', () => records.length === 1);
    expect(harness.cluster.seen('JoinGroup').every((request) => request.version === version)).toBe(true);
  });

  it('tries for ever, ever slower, and is told of no error', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1)[0]?.append(['a']);
    harness.cluster.fault = (api) => (api === 'JoinGroup' ? 'lost-request' : 'none');
    const { engine, records } = member(harness);
    await harness.clock.advanceAsync(600_000);
    expect(engine.membership?.state).not.toBe('failed');
    expect(joins(harness).length).toBeGreaterThan(500);
    expect(joins(harness).length).toBeLessThan(1_000);
    harness.cluster.fault = () => 'none';
    await harness.until('it is read', () => records.length === 1, 5_000);
  });

  it('says what may be wrong with a coordinator that takes it in again and again, and keeps no assignment', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1);
    harness.cluster.fault = (api) =>
      api === 'SyncGroup' ? { answer: { errorCode: ErrorCode.NOT_COORDINATOR, assignment: Buffer.alloc(0) } } : 'none';
    const warnings: string[] = [];
    const logger = { ...silentLogger, warn: (_fields: object, message: string) => void warnings.push(message) };
    const { engine } = member(harness, { logger });
    await harness.clock.advanceAsync(60_000);
    expect(warnings.some((warning) => /NOT_COORDINATOR: .*cannot write.*a disk that is full/.test(warning))).toBe(true);
    harness.cluster.fault = () => 'none';
    await close(harness, engine);
  });

  it.each([
    'COORDINATOR_LOAD_IN_PROGRESS',
    'COORDINATOR_NOT_AVAILABLE',
    'NOT_COORDINATOR',
    'REBALANCE_IN_PROGRESS',
    'UNKNOWN_MEMBER_ID',
  ] as const)('goes on after %s', async (error) => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1)[0]?.append(['a']);
    let times = 0;
    harness.cluster.fault = (api) =>
      (api === 'JoinGroup' || api === 'SyncGroup') && times++ % 4 < 2 && times < 20
        ? {
            answer: { errorCode: ErrorCode[error], memberId: '', leader: '', members: [], assignment: Buffer.alloc(0) },
          }
        : 'none';
    // Who was answered in the coordinator's place is known to it all the same, until the session is over.
    const { records } = member(harness, { sessionTimeoutMs: 2_000, heartbeatIntervalMs: 500 });
    await harness.until('it is read', () => records.length === 1, 60_000);
  });

  it.each([
    'GROUP_AUTHORIZATION_FAILED',
    'INVALID_SESSION_TIMEOUT',
    'GROUP_MAX_SIZE_REACHED',
    'FENCED_INSTANCE_ID',
  ] as const)('gives up after %s, and tells readers and whoever waits for it to join', async (error) => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1);
    harness.cluster.fault = (api) =>
      api === 'JoinGroup' ? { answer: { errorCode: ErrorCode[error], memberId: '', leader: '', members: [] } } : 'none';
    const { engine, done } = member(harness);
    const code = `KAFKA_${error}`;
    const told = Promise.all([
      expect(done).rejects.toMatchObject({ code }),
      expect(engine.joined).rejects.toMatchObject({ code }),
    ]);
    await harness.clock.advanceAsync(1_000);
    await told;
    expect(joins(harness).length).toBe(1);
    await close(harness, engine);
  });

  it('is refused in a group whose members know none of its assignors', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1);
    member(harness, { assignors: [rangeAssignor] });
    await harness.clock.advanceAsync(1_000);
    const { done } = member(harness, { assignors: [roundRobinAssignor] });
    const told = expect(done).rejects.toMatchObject({ code: 'KAFKA_INCONSISTENT_GROUP_PROTOCOL' });
    await harness.clock.advanceAsync(1_000);
    await told;
  });

  it('ends quietly when the consumer is closed before', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1);
    harness.cluster.fault = (api) => (api === 'JoinGroup' ? 'lost-request' : 'none');
    const { engine, done } = member(harness);
    const told = expect(engine.joined).rejects.toMatchObject({ code: 'CONSUMER_CLOSED' });
    await harness.clock.advanceAsync(1_000);
    await close(harness, engine);
    await told;
    await done;
  });
});

describe('leaving', () => {
  it('commits, gives up, leaves, and can be followed by something else', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1)[0]?.append(['a']);
    harness.cluster.createTopic('u', 1)[0]?.append(['b']);
    const { engine, events, records } = member(harness);
    await harness.until('it is read', () => records.length === 1);
    await harness.clock.advanceAsync(10);
    const left = engine.unsubscribe();
    await harness.clock.advanceAsync(1_000);
    await left;
    expect([owns(engine), harness.cluster.group.members.size]).toEqual([0, 0]);
    expect(harness.cluster.group.committed.get('t/0')?.offset).toBe(1);
    engine.assign([{ topic: 'u', partition: 0 }]);
    await harness.until('the other is read', () => records.length === 2);
    const dropped = engine.unsubscribe();
    await harness.clock.advanceAsync(1_000);
    await dropped;
    engine.subscribe(['t', 'u']);
    await harness.until('it has joined again', () => owns(engine) === 2);
    expect(events).toEqual(['assigned t-0', 'revoked t-0', 'assigned t-0,u-0']);
    await close(harness, engine);
  });

  it('does not wait for ever for a listener that waits for it', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1);
    const itself: { engine?: ConsumerEngine } = {};
    const { engine } = member(harness, { onPartitionsAssigned: () => itself.engine?.close(5_000) });
    itself.engine = engine;
    await harness.clock.advanceAsync(1_000);
    const closed = engine.close();
    await harness.clock.advanceAsync(10_000);
    await closed;
    expect(harness.cluster.group.members.size).toBe(0);
  });
});

describe('a rebalance', () => {
  it('takes only what moves, with a cooperative assignor', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 4);
    const a = member(harness);
    await harness.until('a has all', () => owns(a.engine) === 4);
    const b = member(harness);
    await harness.until('they share', () => owns(a.engine) === 2 && owns(b.engine) === 2);
    expect(a.events).toEqual([
      'assigned t-0,t-1,t-2,t-3',
      expect.stringMatching(/^revoked t-\d,t-\d$/),
      'assigned',
      'assigned',
    ]);
    expect(b.events[0]).toBe('assigned');
  });

  it('takes everything first, with an eager assignor', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 4);
    const a = member(harness, { assignors: [rangeAssignor] });
    await harness.until('a has all', () => owns(a.engine) === 4);
    const b = member(harness, { assignors: [rangeAssignor] });
    await harness.until('they share', () => owns(a.engine) === 2 && owns(b.engine) === 2);
    expect(a.events).toEqual(['assigned t-0,t-1,t-2,t-3', 'revoked t-0,t-1,t-2,t-3', 'assigned t-0,t-1']);
  });

  it('turns eager when a member joins that knows nothing else, and nothing has two owners meanwhile', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 4);
    const a = member(harness);
    await harness.until('a has all', () => owns(a.engine) === 4);
    const b = member(harness, { assignors: [rangeAssignor] });
    let most = 0;
    await harness.until('they share', () => {
      most = Math.max(most, owns(a.engine) + owns(b.engine));
      return owns(a.engine) === 2 && owns(b.engine) === 2;
    });
    expect(most).toBe(4);
    expect(a.engine.membership?.assignorName).toBe('range');
    await close(harness, b.engine);
    await harness.until('a has all again', () => owns(a.engine) === 4);
  });

  it('waits for the listeners, and for handlers, before anything is given away', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 2).forEach((log) => void log.append(['x', 'y']));
    const { promise: told, resolve: listenerDone } = Promise.withResolvers<void>();
    const a = member(harness, {
      onPartitionsRevoked: () => told,
      assignors: [cooperativeStickyAssignor],
    });
    await harness.until('a has read all', () => a.records.length === 4);
    const b = member(harness);
    await harness.clock.advanceAsync(20_000);
    expect([owns(a.engine), owns(b.engine)]).toEqual([2, 0]);
    // The member lives on meanwhile.
    expect(harness.cluster.group.members.size).toBe(2);
    listenerDone();
    await harness.until('they share', () => owns(a.engine) === 1 && owns(b.engine) === 1);
  });

  it('follows a changed subscription', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1);
    harness.cluster.createTopic('u', 1);
    const { engine, events } = member(harness);
    await harness.until('it has joined', () => owns(engine) === 1);
    engine.subscribe(['u']);
    await harness.until('it reads the other', () => engine.partitions.get('u', 0) !== undefined);
    expect(events).toEqual(['assigned t-0', 'revoked t-0', 'assigned u-0']);
  });

  it('brings new topics that a regular expression matches, and none of the internal ones', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('__t', 1);
    harness.cluster.createTopic('t1', 1);
    const { engine } = member(harness, { metadataMaxAgeMs: 10_000 }, /t\d?$/g);
    await harness.until('it has joined', () => owns(engine) === 1);
    harness.cluster.createTopic('t2', 1);
    await harness.until('it reads the new one', () => engine.partitions.get('t2', 0) !== undefined, 15_000);
    expect(engine.subscribedTopics).toEqual(['t1', 't2']);
  });

  it('comes for a topic that did not exist, as soon as it does', async () => {
    const harness = newHarness();
    const { engine } = member(harness);
    await harness.until('it has joined', () => engine.membership?.state === 'stable');
    expect(owns(engine)).toBe(0);
    await harness.clock.advanceAsync(60_000);
    harness.cluster.createTopic('t', 3);
    await harness.until('it reads it', () => owns(engine) === 3, 10_000);
  });

  it('creates a topic that it names, once: whoever deletes it after is not overruled', async () => {
    const harness = newHarness();
    harness.cluster.autoCreates = true;
    const { engine } = member(harness, { metadataMaxAgeMs: 5_000, autoOffsetReset: 'earliest' });
    await harness.until('it has joined', () => owns(engine) === 1);
    harness.cluster.topics.delete('t');
    await harness.clock.advanceAsync(60_000);
    expect([[...harness.cluster.topics.keys()], owns(engine)]).toEqual([[], 0]);
    harness.cluster.createTopic('t', 2);
    await harness.until('it reads the new one', () => owns(engine) === 2, 10_000);
  });

  it('creates nothing by a regular expression', async () => {
    const harness = newHarness();
    harness.cluster.autoCreates = true;
    harness.cluster.createTopic('t1', 1);
    const { engine } = member(harness, { metadataMaxAgeMs: 5_000 }, /^t/);
    await harness.until('it has joined', () => owns(engine) === 1);
    harness.cluster.topics.delete('t1');
    await harness.clock.advanceAsync(60_000);
    expect([[...harness.cluster.topics.keys()], owns(engine)]).toEqual([[], 0]);
  });

  it('ends the membership when a listener throws', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1);
    const { done } = member(harness, {
      onPartitionsAssigned: () => {
        throw new Error('no');
      },
    });
    const told = expect(done).rejects.toMatchObject({ code: 'CONSUMER_LISTENER_FAILED', cause: new Error('no') });
    await harness.clock.advanceAsync(1_000);
    await told;
  });

  it('lets the listener seek before anything is handed out', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1)[0]?.append(['a', 'b', 'c']);
    const seeker: { engine?: ConsumerEngine } = {};
    const { engine, records } = member(harness, {
      onPartitionsAssigned: async () => {
        await new Promise<void>((resolve) => void harness.clock.schedule(500, resolve));
        seeker.engine?.seek('t', 0, 2);
      },
    });
    seeker.engine = engine;
    await harness.until('something is read', () => records.length > 0);
    expect(records).toEqual(['t-0@2=c']);
  });
});

describe('staying alive', () => {
  it('sends heartbeats in their own time, however long a handler takes', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1)[0]?.append(['a']);
    const engine = harness.engine({ groupId: 'g', autoOffsetReset: 'earliest' });
    engine.subscribe('t');
    void (async () => {
      for await (const _ of { [Symbol.asyncIterator]: () => collectOne(engine) }) {
        await new Promise<void>((resolve) => void harness.clock.schedule(250_000, resolve));
      }
    })();
    await harness.clock.advanceAsync(240_000);
    const beats = harness.cluster.seen('Heartbeat').map(({ atMs }) => atMs);
    expect(beats.length).toBeGreaterThan(75);
    const gaps = beats.slice(1).map((atMs, index) => atMs - (beats[index] as number));
    expect(Math.max(...gaps)).toBeLessThan(3_100);
    expect(harness.cluster.group.members.size).toBe(1);
  });

  it('does not let heartbeats wait behind a join that waits for others', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1);
    member(harness);
    await harness.clock.advanceAsync(10_000);
    const lanes = (api: string) => new Set(harness.cluster.seen(api).map(({ lane }) => lane));
    expect([lanes('JoinGroup'), lanes('SyncGroup')]).toEqual([new Set(['membership']), new Set(['membership'])]);
    expect(lanes('Heartbeat')).toEqual(new Set(['coordinator']));
  });

  it.each(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION'] as const)(
    'joins again after %s, and tells what is lost',
    async (error) => {
      const harness = newHarness();
      harness.cluster.createTopic('t', 2);
      const { engine, events } = member(harness, { sessionTimeoutMs: 4_000 });
      await harness.until('it has joined', () => owns(engine) === 2);
      let times = 0;
      harness.cluster.fault = (api) =>
        api === 'Heartbeat' && times++ === 0 ? { answer: { errorCode: ErrorCode[error] } } : 'none';
      await harness.clock.advanceAsync(10_000);
      expect(events).toEqual(['assigned t-0,t-1', 'lost t-0,t-1', 'assigned t-0,t-1']);
      expect(collectMetrics(engine)).toMatchObject({ lostPartitions: 2, rebalances: 2 });
      expect(joins(harness).at(-1)?.memberId).toBe(error === 'UNKNOWN_MEMBER_ID' ? 'member-002' : 'member-001');
    },
  );

  it('ends for good after FENCED_INSTANCE_ID', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1);
    const a = member(harness, { groupInstanceId: 'one' });
    await harness.until('a has joined', () => owns(a.engine) === 1);
    const told = expect(a.done).rejects.toMatchObject({ code: 'KAFKA_FENCED_INSTANCE_ID', retriable: false });
    const b = member(harness, { groupInstanceId: 'one' });
    await harness.until('b has its place', () => owns(b.engine) === 1);
    await harness.clock.advanceAsync(10_000);
    await told;
    expect(a.events).toEqual(['assigned t-0', 'lost t-0']);
  });

  it('goes with the coordinator when it moves', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 2);
    const { engine, events } = member(harness);
    await harness.until('it has joined', () => owns(engine) === 2);
    harness.cluster.coordinatorId = 2;
    await harness.clock.advanceAsync(60_000);
    expect(events).toEqual(['assigned t-0,t-1']);
    expect(harness.cluster.seen('Heartbeat').at(-1)?.nodeId).toBe(2);
  });

  it('leaves when nobody reads for too long, and comes back when somebody does', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1)[0]?.append(['a']);
    const engine = harness.engine({ groupId: 'g', autoOffsetReset: 'earliest', maxPollIntervalMs: 60_000 });
    engine.subscribe('t');
    await harness.clock.advanceAsync(59_000);
    expect(harness.cluster.group.members.size).toBe(1);
    await harness.clock.advanceAsync(10_000);
    expect(harness.cluster.group.members.size).toBe(0);
    await harness.clock.advanceAsync(100_000);
    expect(harness.cluster.group.members.size).toBe(0);
    const { records } = collect(engine);
    await harness.until('it is read', () => records.length === 1);
    await harness.clock.advanceAsync(300_000);
    // Waiting for records is reading, too.
    expect(harness.cluster.group.members.size).toBe(1);
  });
});

describe('a static member', () => {
  it('stays in the group when it closes, and has its partitions back without a rebalance', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 2);
    const a = member(harness, { groupInstanceId: 'one' });
    const b = member(harness, { groupInstanceId: 'two' });
    await harness.until('they share', () => owns(a.engine) === 1 && owns(b.engine) === 1);
    const { generationId } = harness.cluster.group;
    const eventsOfB = b.events.length;
    await close(harness, a.engine);
    expect(harness.cluster.seen('LeaveGroup')).toEqual([]);
    const again = member(harness, { groupInstanceId: 'one' });
    await harness.until('it is back', () => owns(again.engine) === 1);
    expect([harness.cluster.group.generationId, b.events.length]).toEqual([generationId, eventsOfB]);
    // Should it be the leader, it still watches over the topics of the group.
    harness.cluster.addPartitions('t', 2);
    await harness.until('the new partitions are read', () => owns(again.engine) + owns(b.engine) === 4, 400_000);
  });

  it('needs a broker that knows static members', async () => {
    const harness = newHarness();
    harness.cluster.versionMax.set(JoinGroup.key, 4);
    harness.cluster.createTopic('t', 1);
    const { done } = member(harness, { groupInstanceId: 'one' });
    const told = expect(done).rejects.toThrow('unsupported');
    await harness.clock.advanceAsync(1_000);
    await told;
  });
});

function collectOne(engine: ConsumerEngine): AsyncIterator<string> {
  const queue: string[] = [];
  collect(engine, queue);
  let wanted = true;
  return {
    next: async () => {
      while (wanted && queue.length === 0) await new Promise((resolve) => setImmediate(resolve));
      wanted = false;
      return { value: queue[0] ?? '', done: queue.length === 0 };
    },
  };
}
