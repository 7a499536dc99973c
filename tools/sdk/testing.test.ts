/** What `@millrace/testing` does to clients, where the suites of producer and consumer do not show it already. */
import { connect } from 'node:net';
import { mock } from 'node:test';
import { Admin } from '@millrace/admin';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { isElsewhere, uniqueName } from './suite-cluster.ts';

/** ApiVersions, version 0, of a client "x". */
const API_VERSIONS = Buffer.from('0000000b0012000000000001000178', 'hex');

let broker: TestBroker;
beforeAll(async () => {
  broker = await startBroker({ topics: ['t'] });
});
afterAll(() => broker.close());

describe.runIf(!isElsewhere)('a broker for tests', () => {
  it('holds requests of an API until the fault is removed, and lets others pass', async () => {
    await using producer = new Producer({ bootstrapServers: broker.bootstrapServers });
    await producer.send({ topic: 't', value: 'first' });
    const fault = broker.holdNext('Produce');
    let isSettled = false;
    const held = producer.send({ topic: 't', value: 'held' }).finally(() => {
      isSettled = true;
    });
    await fault.done;
    await using admin = new Admin({ bootstrapServers: broker.bootstrapServers });
    expect(await admin.listTopics()).toContain('t');
    expect([fault.hits, isSettled]).toEqual([1, false]);
    fault.remove();
    await held;
  });

  it('hurts only the client that is named', async () => {
    const clientId = uniqueName('hurt');
    const options = { bootstrapServers: broker.bootstrapServers, retryBackoffMs: 1 };
    await using spared = new Producer({ ...options, clientId: uniqueName('spared') });
    await using hurt = new Producer({ ...options, clientId });
    const fault = broker.failNext('Produce', 'NOT_ENOUGH_REPLICAS', { clientId });
    await spared.send({ topic: 't', value: 'a' });
    expect(fault.hits).toBe(0);
    await hurt.send({ topic: 't', value: 'b' });
    expect(fault.hits).toBe(1);
  });

  it('makes a transaction take too long, and has another producer take its id over', async () => {
    const { bootstrapServers } = broker;
    await using producer = new Producer({ bootstrapServers, transactionalId: 'late' });
    const open = await producer.begin();
    await open.send({ topic: 't', value: 'late' });
    expect(await broker.expireTransaction('late')).toBe(true);
    expect(await broker.expireTransaction('late')).toBe(false);
    // The producer goes on once it has aborted it, where another has not taken over.
    await expect(open.commit()).rejects.toMatchObject({ code: 'PRODUCER_TRANSACTION_FAILED' });
    await open.abort();
    await producer.transaction(async (tx) => void (await tx.send({ topic: 't', value: 'next' })));
    await using again = new Producer({ bootstrapServers, transactionalId: 'fenced' });
    const other = await again.begin();
    await other.send({ topic: 't', value: 'fenced' });
    const notFenced = {
      code: 'TESTING_NOT_FENCED',
      message: expect.stringMatching(/none has begun .* did you mean 'fenced'\?/),
    };
    await expect(broker.fenceProducer('fence')).rejects.toMatchObject(notFenced);
    await broker.fenceProducer('fenced');
    await expect(other.commit()).rejects.toMatchObject({ code: 'PRODUCER_TRANSACTIONS_OVER' });
  });

  it('holds the ends of transactions back, so that readers of what is committed wait', async () => {
    await broker.createTopic('held');
    const { bootstrapServers } = broker;
    await using admin = new Admin({ bootstrapServers });
    const stableEnd = async (): Promise<number | undefined> =>
      (
        await admin.listOffsets([{ topic: 'held', partition: 0, at: 'latest' }], { isolationLevel: 'read_committed' })
      )[0]?.offset;
    await using producer = new Producer({ bootstrapServers, transactionalId: 'held' });
    const release = broker.holdMarkers();
    await producer.transaction((tx) => void tx.send({ topic: 'held', value: 'a' }));
    expect(await stableEnd()).toBe(0);
    expect((await admin.describeTransactions(['held']))[0]?.state).toBe('PrepareCommit');
    release();
    await expect.poll(stableEnd).toBe(2);
  });

  it('sets its clock forward, so that sessions end', async () => {
    const groupId = uniqueName('group');
    await using consumer = new Consumer({
      bootstrapServers: broker.bootstrapServers,
      groupId,
      heartbeatIntervalMs: 50,
      sessionTimeoutMs: 600_000,
    });
    consumer.subscribe('t');
    const { memberId } = await consumer.joined;
    expect(broker.memberIds(groupId)).toEqual([memberId]);
    const heartbeats = broker.holdNext('Heartbeat', { times: 1_000 });
    broker.advanceTime(700_000);
    await expect.poll(() => broker.memberIds(groupId)).not.toContain(memberId);
    heartbeats.remove();
    await expect.poll(() => broker.memberIds(groupId)).toHaveLength(1);
  });

  it('tells clients to come through a proxy', async () => {
    await using proxied = await startBroker({ config: { 'advertised.listeners': 'PLAINTEXT://127.0.0.1:4711' } });
    await using admin = new Admin({ bootstrapServers: proxied.bootstrapServers });
    const { brokers } = await admin.describeCluster();
    expect(brokers).toMatchObject([{ host: '127.0.0.1', port: 4711 }]);
  });

  it('says what is wrong with how it is used', async () => {
    await expect(startBroker({ config: { 'num.partition': 3 } })).rejects.toMatchObject({
      code: 'TESTING_INVALID_CONFIG',
      message: expect.stringContaining('num.partitions'),
    });
    await expect(broker.createTopic('t')).rejects.toMatchObject({ code: 'TESTING_TOPIC_REFUSED' });
    await expect(broker.moveLeader('t', 7)).rejects.toMatchObject({ code: 'TESTING_UNKNOWN_PARTITION' });
    expect(() => broker.dropNext('Product')).toThrow(expect.objectContaining({ code: 'TESTING_UNKNOWN_API' }));
  });

  it('answers, or ends, every connection that is made while it starts on a port that is known from before', async () => {
    const first = await startBroker();
    const { port } = first;
    await first.close();
    const outcomes: Promise<string>[] = [];
    let isStarted = false;
    const knock = (): void => {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {
        if (!isStarted) setImmediate(knock);
      });
      socket.on('connect', () => {
        socket.write(API_VERSIONS);
        outcomes.push(
          new Promise((resolve) => {
            socket.once('data', () => resolve('answered'));
            socket.once('close', () => resolve('ended'));
          }),
        );
      });
    };
    for (let n = 0; n < 8; n += 1) knock();
    const topics = Array.from({ length: 10 }, (_, n) => `t${n}`);
    const second = await startBroker({ port, storage: 'temp', topics });
    isStarted = true;
    expect(await Promise.all(outcomes)).toEqual(outcomes.map(() => 'answered'));
    await second.close();
  });
});

describe.runIf(!isElsewhere)('fake timers', () => {
  const sendAndRead = async (bootstrapServers: string): Promise<string | undefined> => {
    await using producer = new Producer({ bootstrapServers, lingerMs: 5 });
    await producer.send({ topic: 't', key: 'fake', value: 'x' });
    await using consumer = new Consumer({ bootstrapServers, groupId: uniqueName('g'), autoOffsetReset: 'earliest' });
    consumer.subscribe('t');
    for await (const record of consumer) return record.value?.toString();
    return undefined;
  };

  it('of vitest stop neither clients nor a broker, whether it was started before or is started after', async () => {
    vi.useFakeTimers({
      toFake: ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'performance', 'Date'],
    });
    try {
      expect(await sendAndRead(broker.bootstrapServers)).toBeDefined();
      await using later = await startBroker({ topics: ['t'] });
      expect(await sendAndRead(later.bootstrapServers)).toBe('x');
    } finally {
      vi.useRealTimers();
    }
  });

  it('of node:test stop neither', async () => {
    mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate', 'Date'], now: Date.now() });
    try {
      await using later = await startBroker({ topics: ['t'] });
      expect(await sendAndRead(later.bootstrapServers)).toBe('x');
    } finally {
      mock.timers.reset();
    }
  });
});
