import { ErrorCode } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { paths } from '../store/znodes.ts';
import { TestCluster } from '../testing/test-cluster.ts';
import { alterPartition, controlledShutdown } from './requests.ts';

const patiently = { timeoutMs: 1000, validateOnly: false };

interface World {
  readonly cluster: TestCluster;
  readonly topicId: string;
  epochOf(broker: number): number;
}

/** Three brokers, of which 1 is the controller, and a topic of one partition on all of them that 2 leads. */
async function threeBrokers(replicas: readonly number[] = [2, 3, 1]): Promise<World> {
  const cluster = new TestCluster();
  for (const id of [1, 2, 3]) await cluster.start(id);
  const topic = {
    name: 'orders',
    numPartitions: -1,
    replicationFactor: -1,
    assignments: [{ partitionIndex: 0, brokerIds: replicas }],
    configs: [],
  };
  const [created] = await cluster.controller.topics.createTopics([topic], patiently);
  await cluster.settle();
  const epochs = new Map<number, number>();
  for (const id of [1, 2, 3]) epochs.set(id, (await cluster.store.exists(paths.brokerId(id)))?.czxid ?? -1);
  return { cluster, topicId: created?.topicId as string, epochOf: (broker) => epochs.get(broker) as number };
}

const stateOf = ({ cluster }: World): Promise<unknown> => cluster.readJson(paths.partitionState('orders', 0));

interface Asked {
  readonly brokerId?: number;
  readonly brokerEpoch?: number;
  readonly topicId?: string;
  readonly leaderEpoch?: number;
  readonly partitionEpoch?: number;
  readonly recovery?: number;
  readonly version?: number;
}

/** Broker 2 asks for in-sync replicas; the error of the whole, and that of the partition. */
async function ask(world: World, isr: readonly number[], asked: Asked = {}): Promise<[number, number | undefined]> {
  const { brokerId = 2, version = 3, leaderEpoch = 0, partitionEpoch = 0, recovery = 0 } = asked;
  const partition = {
    partitionIndex: 0,
    leaderEpoch,
    newIsr: version < 3 ? [...isr] : [],
    newIsrWithEpochs: version < 3 ? [] : isr.map((id) => ({ brokerId: id, brokerEpoch: -1 })),
    leaderRecoveryState: recovery,
    partitionEpoch,
  };
  const topic = {
    topicName: version < 2 ? 'orders' : '',
    topicId: asked.topicId ?? world.topicId,
    partitions: [partition],
  };
  const request = { brokerId, brokerEpoch: asked.brokerEpoch ?? world.epochOf(2), topics: [topic] };
  const answer = await alterPartition(world.cluster.controller.controller, request, version);
  return [answer.errorCode, answer.topics[0]?.partitions[0]?.errorCode];
}

describe('a leader that asks for other in-sync replicas', () => {
  it('gets them, and all brokers hear of it', async () => {
    const world = await threeBrokers();
    expect(await ask(world, [2, 1])).toEqual([0, 0]);
    expect(await stateOf(world)).toMatchObject({ leader: 2, leader_epoch: 0, isr: [2, 1] });
    await world.cluster.settle();
    for (const broker of world.cluster.brokers.values()) {
      expect(broker.image.partition('orders', 0)).toMatchObject({ isr: [2, 1], partitionEpoch: 1, leaderEpoch: 0 });
    }
  });

  // As a running Kafka 3.9.1 answered.
  it.each<[string, readonly number[], Asked, [number, number | undefined]]>([
    ['the state that is there, with an older partition epoch', [2, 1], { partitionEpoch: 0 }, [0, 0]],
    ['a new one with an older partition epoch', [2], { partitionEpoch: 0 }, [0, ErrorCode.INVALID_UPDATE_VERSION]],
    ['a higher partition epoch', [2], { partitionEpoch: 2 }, [0, ErrorCode.NOT_CONTROLLER]],
    ['a higher leader epoch', [2], { leaderEpoch: 1, partitionEpoch: 1 }, [0, ErrorCode.NOT_CONTROLLER]],
    ['a lower leader epoch', [2], { leaderEpoch: -1, partitionEpoch: 1 }, [0, ErrorCode.FENCED_LEADER_EPOCH]],
    ['an unknown id', [2], { topicId: 'AAAAAAAAAAAAAAAAAAAAAQ' }, [0, ErrorCode.UNKNOWN_TOPIC_ID]],
    ['a broker that is not live', [2, 9], { partitionEpoch: 1 }, [0, ErrorCode.INELIGIBLE_REPLICA]],
    [
      'a broker that is not live, by name',
      [2, 9],
      { partitionEpoch: 1, version: 1 },
      [0, ErrorCode.OPERATION_NOT_ATTEMPTED],
    ],
    ['to recover again', [2], { partitionEpoch: 1, recovery: 1 }, [0, ErrorCode.INVALID_REQUEST]],
    ['nobody in sync', [], { partitionEpoch: 1 }, [0, ErrorCode.INVALID_REQUEST]],
    ['in an older registration', [2], { brokerEpoch: 1 }, [ErrorCode.STALE_BROKER_EPOCH, undefined]],
    ['without a registration', [2], { brokerId: 9 }, [ErrorCode.STALE_BROKER_EPOCH, undefined]],
  ])('is answered when it asks for %s', async (_, isr, asked, expected) => {
    const world = await threeBrokers();
    await ask(world, [2, 1]);
    const before = await stateOf(world);
    expect(await ask(world, isr, asked)).toEqual(expected);
    expect(await stateOf(world)).toEqual(before);
  });

  it('is sent on by a broker that is not the controller', async () => {
    const world = await threeBrokers();
    const other = world.cluster.brokers.get(3)?.controller;
    const request = { brokerId: 2, brokerEpoch: world.epochOf(2), topics: [] };
    expect(other && (await alterPartition(other, request, 3)).errorCode).toBe(ErrorCode.NOT_CONTROLLER);
  });

  it('meets a state that somebody else has written, and is told of it in the next epoch', async () => {
    const world = await threeBrokers();
    const state = '{"controller_epoch":1,"leader":2,"version":1,"leader_epoch":0,"isr":[2,3]}';
    await world.cluster.store.set(paths.partitionState('orders', 0), Buffer.from(state), 'any');
    expect(await ask(world, [2])).toEqual([0, ErrorCode.INVALID_UPDATE_VERSION]);
    expect(await stateOf(world)).toMatchObject({ leader: 2, leader_epoch: 1, isr: [2, 3] });
    expect(await ask(world, [2], { leaderEpoch: 1, partitionEpoch: 2 })).toEqual([0, 0]);
    expect(await stateOf(world)).toMatchObject({ leader: 2, leader_epoch: 1, isr: [2] });
  });
});

describe('a state that somebody else has written without a word', () => {
  it('is read and decided on again when its leader dies', async () => {
    const world = await threeBrokers();
    const state = '{"controller_epoch":1,"leader":2,"version":1,"leader_epoch":5,"isr":[2,1]}';
    await world.cluster.store.set(paths.partitionState('orders', 0), Buffer.from(state), 'any');
    await world.cluster.kill(2);
    await world.cluster.settle();
    // Of what the controller knew, 3 was in sync too.
    expect(await stateOf(world)).toMatchObject({ leader: 1, isr: [1] });
  });
});

describe('a broker that wants to stop', () => {
  const stop = ({ cluster }: World, brokerId: number, brokerEpoch: number): ReturnType<typeof controlledShutdown> =>
    controlledShutdown(cluster.controller.controller, { brokerId, brokerEpoch });

  it('is relieved of what it leads and leaves the in-sync replicas of what it follows', async () => {
    const world = await threeBrokers();
    expect(await stop(world, 2, world.epochOf(2))).toEqual({ errorCode: 0, remainingPartitions: [] });
    expect(await stateOf(world)).toMatchObject({ leader: 3, leader_epoch: 1, isr: [3, 1] });
    expect(await stop(world, 1, world.epochOf(1))).toEqual({ errorCode: 0, remainingPartitions: [] });
    expect(await stateOf(world)).toMatchObject({ leader: 3, leader_epoch: 2, isr: [3] });
  });

  it('is answered when all have been told who leads, and no later than half a second where one hangs', async () => {
    const world = await threeBrokers();
    const { cluster } = world;
    const channel = cluster.brokers.get(3)!.channel;
    let carryOut = (): void => {};
    channel.answerLeaderAndIsr = () =>
      new Promise((resolve) => {
        carryOut = () => resolve({ errorCode: 0, partitions: [] });
      });
    const answers: string[] = [];
    const stopping = async (brokerId: number): Promise<void> => {
      await stop(world, brokerId, world.epochOf(brokerId));
      answers.push(`${brokerId} at ${cluster.clock.monotonic() - startMs}`);
    };
    const startMs = cluster.clock.monotonic();
    const second = stopping(2);
    await cluster.clock.advanceAsync(50);
    expect(answers).toEqual([]);
    carryOut();
    await second;
    const first = stopping(1);
    await cluster.clock.advanceAsync(499);
    expect(answers).toEqual(['2 at 50']);
    await cluster.clock.advanceAsync(1);
    await first;
    expect(answers).toEqual(['2 at 50', '1 at 550']);
  });

  it('is told what nobody else can lead', async () => {
    const world = await threeBrokers([2, 3]);
    await ask(world, [2]);
    const remaining = [{ topicName: 'orders', partitionIndex: 0 }];
    expect(await stop(world, 2, world.epochOf(2))).toEqual({ errorCode: 0, remainingPartitions: remaining });
  });

  it('is not taken into the in-sync replicas again', async () => {
    const world = await threeBrokers();
    await stop(world, 3, world.epochOf(3));
    expect(await ask(world, [2, 1, 3], { leaderEpoch: 1, partitionEpoch: 1 })).toEqual([
      0,
      ErrorCode.INELIGIBLE_REPLICA,
    ]);
  });

  it.each([
    ['in an older registration', 2, 1, ErrorCode.STALE_BROKER_EPOCH],
    ['unknown, with an epoch', 9, 77, ErrorCode.UNKNOWN_SERVER_ERROR],
    ['unknown, without one', 9, -1, ErrorCode.BROKER_NOT_AVAILABLE],
  ])('is refused: %s', async (_, brokerId, brokerEpoch, errorCode) => {
    const world = await threeBrokers();
    expect(await stop(world, brokerId, brokerEpoch)).toEqual({ errorCode, remainingPartitions: [] });
  });

  it('is refused by a broker that is not the controller', async () => {
    const world = await threeBrokers();
    const other = world.cluster.brokers.get(3)!.controller;
    const answer = await controlledShutdown(other, { brokerId: 2, brokerEpoch: world.epochOf(2) });
    expect(answer.errorCode).toBe(ErrorCode.STALE_CONTROLLER_EPOCH);
  });
});

describe('an election on demand', () => {
  /** What the leader asks for when broker 2 has caught up. */
  async function rejoin(world: World): Promise<void> {
    const { version } = (await world.cluster.store.exists(paths.partitionState('orders', 0)))!;
    const epoch = (await world.cluster.store.exists(paths.brokerId(3)))?.czxid as number;
    const asked = { brokerId: 3, brokerEpoch: epoch, leaderEpoch: 1, partitionEpoch: version };
    expect(await ask(world, [3, 1, 2], asked)).toEqual([0, 0]);
  }

  /** Broker 2, the preferred leader, has been away, and broker 3 leads. */
  async function backInSync(world: World): Promise<void> {
    await world.cluster.kill(2);
    await world.cluster.start(2);
    await rejoin(world);
  }

  const elect = ({ cluster }: World, type: 'preferred' | 'unclean', partition = 0): Promise<unknown> =>
    cluster.controller.controller.inTerm((term) => term.leaders.elect(type, [{ topic: 'orders', partition }]));

  it('gives the leadership back to the preferred replica, and is not needed after that', async () => {
    const world = await threeBrokers();
    await world.cluster.kill(2);
    await world.cluster.start(2);
    expect(await stateOf(world)).toMatchObject({ leader: 3, isr: [3, 1] });
    expect(await elect(world, 'preferred')).toMatchObject([{ errorCode: ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE }]);
    await rejoin(world);
    expect(await elect(world, 'preferred')).toMatchObject([{ errorCode: 0, leader: 2 }]);
    expect(await stateOf(world)).toMatchObject({ leader: 2, leader_epoch: 2, isr: [3, 1, 2] });
    expect(await elect(world, 'preferred')).toMatchObject([{ errorCode: ErrorCode.ELECTION_NOT_NEEDED }]);
  });

  it('is held for older tools too, which ask for it by a node, and the node is taken away', async () => {
    const world = await threeBrokers();
    await backInSync(world);
    const asked = { version: 1, partitions: [{ topic: 'orders', partition: 0 }] };
    await world.cluster.store.create(paths.preferredElection, Buffer.from(JSON.stringify(asked)));
    await world.cluster.settle();
    expect(await stateOf(world)).toMatchObject({ leader: 2, leader_epoch: 2, isr: [3, 1, 2] });
    expect(await world.cluster.read(paths.preferredElection)).toBeUndefined();
  });

  it('is held once, and told of once, for a partition that is named many times', async () => {
    const world = await threeBrokers([2, 3]);
    await ask(world, [2]);
    await world.cluster.kill(2);
    const { leader_epoch: before } = (await stateOf(world)) as { leader_epoch: number };
    const asked = [0, 0, 7, 0, 7].map((partition) => ({ topic: 'orders', partition }));
    let pauses = 0;
    const pause = (): Promise<void> => {
      pauses += 1;
      return Promise.resolve();
    };
    const elected = await world.cluster.controller.controller.inTerm((term) =>
      term.leaders.elect('unclean', asked, pause),
    );
    expect(elected).toMatchObject([
      { partition: 0, errorCode: 0, leader: 3 },
      { partition: 7, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION },
    ]);
    expect(await stateOf(world)).toMatchObject({ leader: 3, leader_epoch: before + 1 });
    // Five names that came, and two that are left.
    expect(pauses).toBe(7);
  });

  it('takes a replica out of sync only when that is asked for', async () => {
    const world = await threeBrokers([2, 3]);
    await ask(world, [2]);
    await world.cluster.kill(2);
    expect(await stateOf(world)).toMatchObject({ leader: -1, isr: [2] });
    expect(await elect(world, 'preferred')).toMatchObject([{ errorCode: ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE }]);
    expect(await elect(world, 'unclean')).toMatchObject([{ errorCode: 0, leader: 3 }]);
    expect(await stateOf(world)).toMatchObject({ leader: 3, isr: [3], leader_recovery_state: 1 });
  });

  it('leaves out a preferred replica that is there and not in sync', async () => {
    const world = await threeBrokers([3, 2]);
    await world.cluster.kill(3);
    await world.cluster.start(3);
    await world.cluster.settle();
    const before = await stateOf(world);
    expect(before).toMatchObject({ leader: 2, isr: [2] });
    expect(await elect(world, 'preferred')).toMatchObject([{ errorCode: ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE }]);
    expect(await stateOf(world)).toEqual(before);
  });

  it('refuses what does not exist', async () => {
    const world = await threeBrokers();
    expect(await elect(world, 'preferred', 7)).toMatchObject([{ errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }]);
  });
});

describe('a reassignment', () => {
  const move = ({ cluster }: World, replicas: readonly number[] | null): Promise<unknown> =>
    cluster.controller.controller.inTerm((term) =>
      term.reassignments.alter([{ topic: 'orders', partition: 0, replicas }]),
    );
  const running = ({ cluster }: World): Promise<unknown> =>
    cluster.controller.controller.inTerm(async (term) => term.reassignments.list(undefined));
  const assigned = async (world: World): Promise<unknown> => {
    const node = (await world.cluster.readJson(paths.topic('orders'))) as Record<string, unknown>;
    return [node['partitions'], node['adding_replicas'], node['removing_replicas']];
  };
  const ok = [{ errorCode: 0, errorMessage: null }];

  it('is done when those that come are in sync: the leader moves, and those that leave are deleted', async () => {
    const world = await threeBrokers([1, 2]);
    expect(await move(world, [2, 3])).toEqual(ok);
    expect(await assigned(world)).toEqual([{ 0: [2, 3, 1] }, { 0: [3] }, { 0: [1] }]);
    expect(await stateOf(world)).toMatchObject({ leader: 1, leader_epoch: 1, isr: [1, 2] });
    expect(await running(world)).toEqual([
      { topic: 'orders', partition: 0, replicas: [2, 3, 1], adding: [3], removing: [1] },
    ]);
    const asked = { brokerId: 1, brokerEpoch: world.epochOf(1), leaderEpoch: 1, partitionEpoch: 1 };
    expect(await ask(world, [1, 2, 3], asked)).toEqual([0, 0]);
    await world.cluster.settle();
    expect(await assigned(world)).toEqual([{ 0: [2, 3] }, {}, {}]);
    expect(await stateOf(world)).toMatchObject({ leader: 2, leader_epoch: 3, isr: [2, 3] });
    expect(await running(world)).toEqual([]);
    const stops = world.cluster.brokers.get(1)?.channel.stopReplicaCommands.flatMap(({ partitions }) => partitions);
    expect(stops?.map(({ deletePartition }) => deletePartition)).toEqual([false, true]);
  });

  /** A move from 1 to 3 is done but for the answer of 1, whose files are to go. */
  async function allButLeft(): Promise<{ world: World; answer: () => void }> {
    const world = await threeBrokers([2, 1]);
    const { channel } = world.cluster.brokers.get(1)!;
    const { promise, resolve } = Promise.withResolvers<void>();
    channel.answerStopReplica = () => promise;
    await move(world, [2, 3]);
    expect(await ask(world, [2, 1, 3], { leaderEpoch: 1, partitionEpoch: 1 })).toEqual([0, 0]);
    await world.cluster.settle();
    return { world, answer: resolve };
  }

  it('names those who leave until they have answered that their files are gone', async () => {
    const { world, answer } = await allButLeft();
    expect(await assigned(world)).toEqual([{ 0: [2, 3, 1] }, { 0: [3] }, { 0: [1] }]);
    expect(await running(world)).toEqual([
      { topic: 'orders', partition: 0, replicas: [2, 3, 1], adding: [], removing: [1] },
    ]);
    answer();
    await world.cluster.settle();
    expect(await assigned(world)).toEqual([{ 0: [2, 3] }, {}, {}]);
    expect(await running(world)).toEqual([]);
  });

  it('that is done but for an answer can be followed by another, and not be cancelled any more', async () => {
    const { world, answer } = await allButLeft();
    expect(await move(world, null)).toMatchObject([{ errorCode: ErrorCode.NO_REASSIGNMENT_IN_PROGRESS }]);
    expect(await assigned(world)).toEqual([{ 0: [2, 3] }, {}, {}]);
    expect(await move(world, [1, 2])).toEqual(ok);
    answer();
    await world.cluster.settle();
    expect(await assigned(world)).toEqual([{ 0: [1, 2, 3] }, { 0: [1] }, { 0: [3] }]);
  });

  it('has one who was away delete its files when it is back', async () => {
    const world = await threeBrokers([2, 3]);
    await world.cluster.kill(3);
    expect(await move(world, [2, 1])).toEqual(ok);
    const { leader_epoch: leaderEpoch } = (await stateOf(world)) as { leader_epoch: number };
    const { version: partitionEpoch } = (await world.cluster.store.exists(paths.partitionState('orders', 0)))!;
    expect(await ask(world, [2, 1], { leaderEpoch, partitionEpoch })).toEqual([0, 0]);
    await world.cluster.settle();
    expect(await assigned(world)).toEqual([{ 0: [2, 1] }, {}, {}]);
    const { channel } = await world.cluster.start(3);
    const stops = channel.stopReplicaCommands.flatMap(({ partitions }) => partitions);
    expect(stops).toMatchObject([{ topic: 'orders', partition: 0, deletePartition: true }]);
  });

  it('goes on under the next controller', async () => {
    const world = await threeBrokers([2, 3]);
    await move(world, [3, 2, 1]);
    await world.cluster.stop(1);
    expect(await running(world)).toEqual([
      { topic: 'orders', partition: 0, replicas: [3, 2, 1], adding: [1], removing: [] },
    ]);
  });

  it('goes back when it is cancelled, in the order of the running list', async () => {
    const world = await threeBrokers([1, 2]);
    await move(world, [2, 3]);
    expect(await move(world, null)).toEqual(ok);
    expect(await assigned(world)).toEqual([{ 0: [2, 1] }, {}, {}]);
    expect(await running(world)).toEqual([]);
    expect(await move(world, null)).toMatchObject([{ errorCode: ErrorCode.NO_REASSIGNMENT_IN_PROGRESS }]);
  });

  /** 1 and 2 have the partition, 3 is being added and has come to lead it, and 2 is out of sync. */
  async function ledByOneThatCame(): Promise<World> {
    const world = await threeBrokers([1, 2]);
    await move(world, [3, 1, 2]);
    const asked = { brokerId: 1, brokerEpoch: world.epochOf(1), leaderEpoch: 1, partitionEpoch: 1 };
    expect(await ask(world, [1, 3], asked)).toEqual([0, 0]);
    const elected = await world.cluster.controller.controller.inTerm((term) =>
      term.leaders.elect('preferred', [{ topic: 'orders', partition: 0 }]),
    );
    expect(elected).toMatchObject([{ errorCode: 0, leader: 3 }]);
    return world;
  }

  it('that is cancelled while one leads who is to go leaves a leader', async () => {
    const world = await ledByOneThatCame();
    expect(await move(world, null)).toEqual(ok);
    expect(await assigned(world)).toEqual([{ 0: [1, 2] }, {}, {}]);
    expect(await stateOf(world)).toMatchObject({ leader: 1, isr: [1] });
  });

  it('that is cancelled keeps the one that alone has all records until the others have them', async () => {
    const world = await ledByOneThatCame();
    const asked = { brokerId: 3, brokerEpoch: world.epochOf(3), leaderEpoch: 2, partitionEpoch: 3 };
    expect(await ask(world, [3], asked)).toEqual([0, 0]);
    expect(await move(world, null)).toEqual(ok);
    expect(await assigned(world)).toEqual([{ 0: [1, 2, 3] }, {}, { 0: [3] }]);
    expect(await stateOf(world)).toMatchObject({ leader: 3, isr: [3] });
    expect(await ask(world, [3, 1, 2], { ...asked, leaderEpoch: 3, partitionEpoch: 5 })).toEqual([0, 0]);
    await world.cluster.settle();
    expect(await assigned(world)).toEqual([{ 0: [1, 2] }, {}, {}]);
    expect(await stateOf(world)).toMatchObject({ leader: 1, isr: [1, 2] });
  });

  it('that is cancelled while the one that alone has all records is away waits for it', async () => {
    const world = await ledByOneThatCame();
    const asked = { brokerId: 3, brokerEpoch: world.epochOf(3), leaderEpoch: 2, partitionEpoch: 3 };
    expect(await ask(world, [3], asked)).toEqual([0, 0]);
    await world.cluster.kill(3);
    expect(await move(world, null)).toEqual(ok);
    expect(await stateOf(world)).toMatchObject({ leader: -1, isr: [3] });
    await world.cluster.start(3);
    await world.cluster.settle();
    expect(await assigned(world)).toEqual([{ 0: [1, 2, 3] }, {}, { 0: [3] }]);
    expect(await stateOf(world)).toMatchObject({ leader: 3, isr: [3] });
  });

  it.each([
    ['nobody', []],
    ['a broker twice', [2, 2]],
    ['a negative id', [-1]],
    ['a broker that is not live', [2, 9]],
  ])('to %s is refused', async (_, replicas) => {
    const world = await threeBrokers();
    expect(await move(world, replicas)).toMatchObject([{ errorCode: ErrorCode.INVALID_REPLICA_ASSIGNMENT }]);
    expect(await running(world)).toEqual([]);
  });

  it('is taken from the node that older tools write', async () => {
    const world = await threeBrokers([1, 2]);
    const request = { version: 1, partitions: [{ topic: 'orders', partition: 0, replicas: [2, 1] }] };
    await world.cluster.store.create(paths.reassignPartitions, Buffer.from(JSON.stringify(request)));
    await world.cluster.settle();
    expect(await assigned(world)).toEqual([{ 0: [2, 1] }, {}, {}]);
    expect(await world.cluster.read(paths.reassignPartitions)).toBeUndefined();
  });
});
