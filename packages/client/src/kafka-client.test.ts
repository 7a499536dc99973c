import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { ManualClock, seededRandom } from '@millrace/ports';
import {
  CreateTopics,
  ErrorCode,
  FindCoordinator,
  Heartbeat,
  ListOffsets,
  type ListOffsetsResponse,
  Metadata,
} from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KafkaClient } from './kafka-client.ts';
import type { ClientOptions } from './options.ts';
import { ScriptedCluster } from './testing/scripted-cluster.ts';

let cluster: ScriptedCluster;
const clients: KafkaClient[] = [];

beforeEach(async () => {
  cluster = await ScriptedCluster.start(3);
});

afterEach(async () => {
  for (const client of clients.splice(0)) {
    await client.close();
  }
  await cluster.stop();
});

function newClient(options: Partial<ClientOptions> = {}): KafkaClient {
  const client = new KafkaClient({
    bootstrapServers: cluster.bootstrapServers,
    random: seededRandom(1),
    retryBackoffMs: 1,
    retryBackoffMsMax: 5,
    reconnectBackoffMs: 1,
    reconnectBackoffMsMax: 5,
    ...options,
  });
  clients.push(client);
  return client;
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const latest = (topic: string) => ({
  replicaId: -1,
  topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
});
const partitionError = (response: ListOffsetsResponse): number => response.topics[0]?.partitions[0]?.errorCode ?? 0;
const offsetAnswer = (topic: string, errorCode: number, offset: number) => ({
  topics: [{ name: topic, partitions: [{ partitionIndex: 0, errorCode, offset, timestamp: -1 }] }],
});

describe('KafkaClient metadata', () => {
  it('learns the brokers from whichever bootstrap server answers', async () => {
    await cluster.broker(1).stop();
    await cluster.broker(2).stop();
    const client = newClient();
    await client.connect();
    expect(client.clusterId).toBe('fake');
    expect([...client.brokers.keys()]).toEqual([3]);
  });

  it('asks for a topic once and then knows it', async () => {
    cluster.setTopic('orders', [1, 2, 3], 4);
    const client = newClient();
    const [[topic], [again]] = await Promise.all([client.topics(['orders']), client.topics(['orders'])]);
    expect(topic).toBe(again);
    expect(topic?.partitions.map(({ leaderId, leaderEpoch }) => [leaderId, leaderEpoch])).toEqual([
      [1, 4],
      [2, 4],
      [3, 4],
    ]);
    expect(await client.leaderFor('orders', 1)).toMatchObject({ leaderId: 2 });
    expect(client.topicName(topic?.topicId ?? '')).toBe('orders');
    expect(cluster.seen().length).toBe(1);
  });

  it('waits for a topic that is about to be created', async () => {
    const client = newClient();
    const waiting = client.topics(['late']);
    await until(() => cluster.seen().length >= 2);
    cluster.setTopic('late', [1]);
    expect((await waiting)[0]?.partitions.length).toBe(1);
  });

  it('says why when the time is over', async () => {
    const client = newClient({ apiTimeoutMs: 500 });
    await expect(client.topics(['missing'])).rejects.toMatchObject({
      code: 'CLIENT_TIMED_OUT',
      retriable: true,
      message: expect.stringContaining('no such topic'),
      cause: { code: 'KAFKA_UNKNOWN_TOPIC_OR_PARTITION', errorCode: 3 },
    });
  });

  it('throws at once what waiting does not mend', async () => {
    cluster.on(Metadata, (request) => ({
      ...cluster.metadata(request),
      topics: [{ errorCode: ErrorCode.TOPIC_AUTHORIZATION_FAILED, name: 'secret', partitions: [] }],
    }));
    const client = newClient();
    await expect(client.topics(['secret'])).rejects.toMatchObject({
      code: 'KAFKA_TOPIC_AUTHORIZATION_FAILED',
      retriable: false,
    });
    await expect(client.leaderFor('secret', 0)).rejects.toMatchObject({ code: 'KAFKA_TOPIC_AUTHORIZATION_FAILED' });
    await expect(
      client.sendToLeader({ topic: 'secret', partition: 0 }, ListOffsets, latest('secret')),
    ).rejects.toMatchObject({ code: 'KAFKA_TOPIC_AUTHORIZATION_FAILED' });
  });

  it('may or may not create topics, as the caller says', async () => {
    cluster.setTopic('a', [1]);
    const client = newClient();
    await client.topics(['a'], { allowAutoTopicCreation: false });
    expect(cluster.requests.at(-1)?.body).toMatchObject({ allowAutoTopicCreation: false });
    await client.refreshTopics(['a']);
    expect(cluster.requests.at(-1)?.body).toMatchObject({ allowAutoTopicCreation: true });
  });

  it('lists all topics', async () => {
    cluster.setTopic('a', [1]);
    cluster.setTopic('b', [2, 3]);
    const client = newClient();
    expect((await client.allTopics()).map(({ name, partitions }) => [name, partitions.length])).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
  });

  it('never goes back to an older leader epoch, unless the topic is a new one', async () => {
    cluster.setTopic('t', [2], 7);
    const client = newClient();
    await client.topics(['t']);
    cluster.setTopic('t', [1], 6);
    await client.refreshTopics(['t']);
    expect(client.partition('t', 0)).toMatchObject({ leaderId: 2, leaderEpoch: 7 });
    cluster.setTopic('t', [3], 0, 'AAAAAAAAAAAAAAAAAAAAAg');
    await client.refreshTopics(['t']);
    expect(client.partition('t', 0)).toMatchObject({ leaderId: 3, leaderEpoch: 0 });
  });

  it('takes in leaders that responses tell of, when they are newer', async () => {
    cluster.setTopic('t', [1], 5);
    const client = newClient();
    await client.topics(['t']);
    let updates = 0;
    client.onMetadataUpdate(() => {
      updates += 1;
    });
    expect(client.applyLeaderHints([{ topic: 't', partition: 0, leaderId: 2, leaderEpoch: 4 }])).toBe(false);
    expect(client.applyLeaderHints([{ topic: 't', partition: 0, leaderId: 2, leaderEpoch: 6 }])).toBe(true);
    expect(client.partition('t', 0)).toMatchObject({ leaderId: 2, leaderEpoch: 6 });
    const node = { nodeId: 9, host: 'new', port: 9092, rack: null };
    client.applyLeaderHints([{ topic: 't', partition: 0, leaderId: 9, leaderEpoch: 7 }], [node]);
    expect(client.partition('t', 0)?.leaderId).toBe(9);
    expect(updates).toBe(2);
  });

  it('sorts partitions by leader', async () => {
    cluster.setTopic('t', [1, 2, 1, -1]);
    const client = newClient();
    await client.topics(['t']);
    const partitions = [0, 1, 2, 3, 99].map((partition) => ({ topic: 't', partition }));
    const { byLeader, leaderless } = client.groupByLeader(partitions);
    expect([...byLeader].map(([leader, group]) => [leader, group.map(({ partition }) => partition)])).toEqual([
      [1, [0, 2]],
      [2, [1]],
    ]);
    expect(leaderless.map(({ partition }) => partition)).toEqual([3, 99]);
  });

  it('refreshes what is in use when it is old, forgets what is not, and goes on after a failure', async () => {
    const clock = new ManualClock();
    cluster.setTopic('used', [1]);
    cluster.setTopic('unused', [1]);
    const client = newClient({ clock, metadataMaxAgeMs: 1000, requestTimeoutMs: 100_000 });
    await client.topics(['used', 'unused']);
    const asked = () =>
      cluster.requests
        .filter(({ api }) => api === 'Metadata')
        .map(({ body }) => (body as { topics: { name: string }[] }).topics.map(({ name }) => name).join());
    clock.advance(1000);
    await until(() => asked().length === 2);
    await client.refreshTopics([]);
    client.topic('used');
    clock.advance(1000);
    await until(() => asked().length === 4);
    expect(asked()).toEqual(['used,unused', 'used,unused', '', 'used']);
  });

  it('works with versions of old', async () => {
    cluster.versionMax.set('Metadata', 1).set('FindCoordinator', 0);
    cluster.setTopic('t', [2]);
    cluster.coordinators.set('g', 3);
    const client = newClient();
    expect(await client.leaderFor('t', 0)).toMatchObject({ leaderId: 2, leaderEpoch: -1 });
    expect(await client.coordinatorFor('group', 'g')).toMatchObject({ nodeId: 3 });
  });
});

describe('KafkaClient routing', () => {
  it('sends to the leader, and to the new one when it has moved', async () => {
    cluster.setTopic('t', [1], 1);
    const client = newClient();
    cluster.on(ListOffsets, (_, __, broker) => {
      if (broker.nodeId === 1) {
        cluster.setTopic('t', [2], 2);
        return offsetAnswer('t', ErrorCode.NOT_LEADER_OR_FOLLOWER, -1);
      }
      return offsetAnswer('t', 0, 42);
    });
    const response = await client.sendToLeader({ topic: 't', partition: 0 }, ListOffsets, latest('t'), {
      errorOf: partitionError,
    });
    expect(response.topics[0]?.partitions[0]?.offset).toBe(42);
    expect(cluster.seen().filter((seen) => seen.startsWith('List'))).toEqual(['ListOffsets@1', 'ListOffsets@2']);
  });

  it('finds the new leader when the old one is gone', async () => {
    cluster.setTopic('t', [1], 1);
    const client = newClient();
    await client.topics(['t']);
    await cluster.broker(1).stop();
    cluster.setTopic('t', [3], 2);
    cluster.on(ListOffsets, () => offsetAnswer('t', 0, 7));
    const response = await client.sendToLeader({ topic: 't', partition: 0 }, ListOffsets, latest('t'));
    expect(response.topics[0]?.partitions[0]?.offset).toBe(7);
    expect(cluster.seen().at(-1)).toBe('ListOffsets@3');
  });

  it('throws what a broker refuses for good, with what was attempted', async () => {
    cluster.setTopic('t', [1], 1);
    cluster.on(ListOffsets, () => offsetAnswer('t', ErrorCode.TOPIC_AUTHORIZATION_FAILED, -1));
    const client = newClient();
    await expect(
      client.sendToLeader({ topic: 't', partition: 0 }, ListOffsets, latest('t'), { errorOf: partitionError }),
    ).rejects.toMatchObject({
      code: 'KAFKA_TOPIC_AUTHORIZATION_FAILED',
      errorCode: 29,
      retriable: false,
      message: expect.stringContaining('ListOffsets to the leader of partition 0 of "t"'),
    });
  });

  it('sends to the controller, and to the new one when it has moved', async () => {
    const client = newClient();
    cluster.on(CreateTopics, (_, __, broker) => {
      const errorCode = broker.nodeId === 1 ? ErrorCode.NOT_CONTROLLER : 0;
      cluster.controllerId = 2;
      return { topics: [{ name: 't', errorCode }] };
    });
    const body = {
      topics: [{ name: 't', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
      timeoutMs: 1000,
    };
    await client.sendToController(CreateTopics, body, { errorOf: (response) => response.topics[0]?.errorCode ?? 0 });
    expect(cluster.seen().filter((seen) => seen.startsWith('Create'))).toEqual(['CreateTopics@1', 'CreateTopics@2']);
  });

  it('sends to the coordinator, over a connection of its own, and looks again when it has moved', async () => {
    cluster.coordinators.set('g', 1);
    cluster.on(Heartbeat, (_, __, broker) => {
      if (broker.nodeId === 1) {
        cluster.coordinators.set('g', 2);
        return { errorCode: ErrorCode.NOT_COORDINATOR };
      }
      return { errorCode: 0 };
    });
    const client = newClient();
    const beat = { groupId: 'g', generationId: 1, memberId: 'm' };
    await client.sendToCoordinator('group', 'g', Heartbeat, beat);
    await client.sendToCoordinator('group', 'g', Heartbeat, beat);
    const asked = cluster.seen().filter((one) => !one.startsWith('Metadata'));
    const seen = asked.map((one) => one.replace(/^FindCoordinator@\d/, 'Find'));
    expect(seen).toEqual(['Find', 'Heartbeat@1', 'Find', 'Heartbeat@2', 'Heartbeat@2']);
  });

  it('waits while the coordinator loads, without looking for another', async () => {
    cluster.coordinators.set('g', 1);
    let loading = 3;
    cluster.on(Heartbeat, () => ({ errorCode: loading-- > 0 ? ErrorCode.COORDINATOR_LOAD_IN_PROGRESS : 0 }));
    const client = newClient();
    await client.sendToCoordinator('group', 'g', Heartbeat, { groupId: 'g', generationId: 1, memberId: 'm' });
    expect(cluster.requests.filter(({ api }) => api === 'FindCoordinator').length).toBe(1);
  });

  it('looks for another coordinator when the connection to it breaks', async () => {
    cluster.coordinators.set('g', 1);
    const client = newClient();
    cluster.on(Heartbeat, () => ({ errorCode: 0 }));
    const beat = { groupId: 'g', generationId: 1, memberId: 'm' };
    await client.sendToCoordinator('group', 'g', Heartbeat, beat);
    await cluster.broker(1).stop();
    cluster.coordinators.set('g', 3);
    await client.sendToCoordinator('group', 'g', Heartbeat, beat);
    expect(cluster.seen().at(-1)).toBe('Heartbeat@3');
  });

  it('gives the response as it is where the caller reads the error himself', async () => {
    cluster.coordinators.set('g', 1);
    cluster.on(Heartbeat, () => ({ errorCode: ErrorCode.REBALANCE_IN_PROGRESS }));
    const client = newClient();
    const beat = { groupId: 'g', generationId: 1, memberId: 'm' };
    const response = await client.sendToCoordinator('group', 'g', Heartbeat, beat, { errorOf: () => 0 });
    expect(response.errorCode).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
    await expect(client.sendToCoordinator('group', 'g', Heartbeat, beat)).rejects.toMatchObject({
      code: 'KAFKA_REBALANCE_IN_PROGRESS',
    });
  });

  it('asks another broker when one does not answer', async () => {
    const client = newClient({ requestTimeoutMs: 30 });
    await client.connect();
    const [first] = cluster.seen();
    const silent = Number(first?.slice(-1));
    cluster.broker(silent).on(FindCoordinator, () => new Promise(() => {}));
    cluster.coordinators.set('g', 1);
    expect(await client.coordinatorFor('group', 'g')).toMatchObject({ nodeId: 1 });
    const asked = cluster.seen().filter((seen) => seen.startsWith('Find'));
    expect(asked[0]).toBe(`FindCoordinator@${silent}`);
    expect(asked[1]).not.toBe(`FindCoordinator@${silent}`);
  });

  it('learns of the other brokers with the first answer, whatever was asked, and asks for them once', async () => {
    cluster.on(Heartbeat, () => ({ errorCode: 0 }));
    const client = newClient();
    const beat = { groupId: 'g', generationId: 1, memberId: 'm' };
    await client.sendToAnyBroker(Heartbeat, beat);
    await until(() => client.brokers.size === 3);
    await client.sendToAnyBroker(Heartbeat, beat);
    expect(cluster.seen().map((one) => one.replace(/@\d/, ''))).toEqual(['Heartbeat', 'Metadata', 'Heartbeat']);
  });

  it('asks for metadata in haste beside a request that waits, and otherwise behind it', async () => {
    cluster.setTopic('orders', [1, 2, 3]);
    const client = newClient();
    await client.connect();
    const [first] = cluster.seen();
    const silent = Number(first?.slice(-1));
    let answer!: () => void;
    cluster.broker(silent).on(FindCoordinator, async () => {
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return null;
    });
    const waiting = client.coordinatorFor('group', 'g').catch(() => undefined);
    await until(() => answer !== undefined);
    await client.refreshTopics(['orders'], { isUrgent: true });
    expect(cluster.seen().slice(1)).toEqual([`FindCoordinator@${silent}`, `Metadata@${silent}`]);
    const patient = client.refreshTopics(['orders']).catch(() => 'closed');
    await client.close();
    expect(await patient).toBe('closed');
    answer();
    await waiting;
  });

  it('sends to one broker by its id, and says when there is no such', async () => {
    const client = newClient();
    cluster.on(Heartbeat, () => ({ errorCode: 0 }));
    const beat = { groupId: 'g', generationId: 1, memberId: 'm' };
    await client.sendToBroker(2, Heartbeat, beat);
    expect(cluster.seen().at(-1)).toBe('Heartbeat@2');
    await expect(client.sendToBroker(99, Heartbeat, beat, { timeoutMs: 500 })).rejects.toThrow(
      'Broker 99 is not in the cluster',
    );
    await expect(client.connectionTo(99)).rejects.toMatchObject({ code: 'CLIENT_NO_BROKER_AVAILABLE' });
  });

  it('shares connections, one per lane', async () => {
    const client = newClient();
    await client.connect();
    const [main, again, fetch] = await Promise.all([
      client.connectionTo(1),
      client.connectionTo(1),
      client.connectionTo(1, 'fetch'),
    ]);
    expect(main).toBe(again);
    expect(fetch).not.toBe(main);
    await main.close();
    expect(await client.connectionTo(1)).not.toBe(main);
  });

  it('keeps the order of those who wait for a connection and those who come when it is there', async () => {
    const client = newClient();
    await client.connect();
    const order: number[] = [];
    const come = (number: number): Promise<unknown> => client.connectionTo(2, 'ordered').then(() => order.push(number));
    const comers = [come(0)];
    // The event is published just before the connection is handed out: those who come in the turns after it must not overtake.
    const listen = async (): Promise<void> => {
      for (let number = 1; number < 20; number += 1) {
        comers.push(come(number));
        await Promise.resolve();
      }
    };
    subscribe('millrace:connection:connect', listen);
    await comers[0];
    await until(() => comers.length === 20);
    await Promise.all(comers);
    unsubscribe('millrace:connection:connect', listen);
    expect(order).toEqual(Array.from({ length: 20 }, (_, number) => number));
  });

  it('closes idle connections', async () => {
    const clock = new ManualClock();
    const client = newClient({ clock, connectionIdleMsMax: 1000 });
    await client.connect();
    const connection = await client.connectionTo(1);
    clock.advance(500);
    expect(connection.open).toBe(true);
    clock.advance(2000);
    await connection.closed;
  });

  it('fails at once on wrong options', () => {
    expect(() => newClient({ bootstrapServers: '' })).toThrow('bootstrapServers is empty');
    expect(() => newClient({ bootstrapServers: 'kafka://x:9092' })).toThrow('is not "host:port"');
    expect(() => newClient({ requestTimeoutMs: -1 })).toThrow('requestTimeoutMs');
  });

  it('says which brokers could not be reached', async () => {
    const { bootstrapServers } = cluster;
    await cluster.stop();
    const client = newClient({ bootstrapServers, apiTimeoutMs: 500 });
    await expect(client.connect()).rejects.toMatchObject({
      code: 'CLIENT_TIMED_OUT',
      cause: { code: 'CLIENT_NO_BROKER_AVAILABLE', message: expect.stringContaining('nothing listens there') },
    });
  });

  it('stops at once when the caller aborts', async () => {
    const client = newClient();
    const controller = new AbortController();
    const waiting = client.topics(['missing'], { signal: controller.signal });
    await until(() => cluster.seen().length > 0);
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toMatchObject({ code: 'CLIENT_ABORTED', cause: { message: 'enough' } });
  });

  it('rejects what is under way when it is closed, and everything after', async () => {
    const client = newClient();
    cluster.on(Heartbeat, () => new Promise(() => {}));
    const pending = client.sendToAnyBroker(Heartbeat, { groupId: 'g', generationId: 1, memberId: 'm' });
    const waiting = client.topics(['missing']);
    await until(() => cluster.seen().includes('Heartbeat@1') || cluster.seen().some((one) => one.startsWith('Heart')));
    await Promise.all([
      expect(pending).rejects.toMatchObject({ code: 'CLIENT_CLOSED' }),
      expect(waiting).rejects.toMatchObject({ code: 'CLIENT_CLOSED' }),
      client.close(),
    ]);
    await expect(client.connect()).rejects.toMatchObject({ code: 'CLIENT_CLOSED' });
    await client.close();
  });

  it('comes back after every broker was restarted', async () => {
    cluster.setTopic('t', [1], 1);
    const client = newClient();
    await client.topics(['t']);
    for (const broker of cluster.brokers) {
      await broker.stop();
    }
    const waiting = client.refreshTopics(['t']);
    for (const broker of cluster.brokers) {
      await broker.start();
    }
    await waiting;
    expect(client.brokers.size).toBe(3);
  });
});
