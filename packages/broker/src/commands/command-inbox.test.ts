import { systemError } from '@millrace/ports';
import {
  type AnyApi,
  ErrorCode,
  FindCoordinator,
  LeaderAndIsr,
  OffsetCommit,
  OffsetFetch,
  StopReplica,
  UpdateMetadata,
} from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isRefusal } from '../shared/refusal.ts';
import { encodeConfig, paths } from '../store/znodes.ts';
import { BrokerUnderTest, batchOf, produceTo } from '../testing/test-broker.ts';

let test: BrokerUnderTest;
let brokerEpoch: number;

beforeEach(async () => {
  test = await BrokerUnderTest.start({ 'broker.id': '1' });
  await test.createTopic('t', 1);
  brokerEpoch = (await test.store.exists('/brokers/ids/1'))!.czxid;
});

afterEach(() => test.stop());

const EMPTY: Readonly<Record<string, object>> = {
  LeaderAndIsr: { topicStates: [], liveLeaders: [] },
  UpdateMetadata: { topicStates: [], liveBrokers: [] },
  StopReplica: { topicStates: [] },
};

/** Commands in the highest version, with nothing to do. */
async function errorOf(api: AnyApi, header: { controllerEpoch: number; brokerEpoch: number }): Promise<number> {
  const body = { controllerId: 9, ...header, ...EMPTY[api.name] };
  const answer = await test.connect().ask(api as never, api.request.maxVersion, body as never);
  return (answer as { errorCode: number }).errorCode;
}

describe.each([LeaderAndIsr, StopReplica, UpdateMetadata])('$name over the wire', (api) => {
  it('is refused when it was meant for the broker before it registered anew', async () => {
    expect(await errorOf(api, { controllerEpoch: 1, brokerEpoch: brokerEpoch - 1 })).toBe(ErrorCode.STALE_BROKER_EPOCH);
  });

  it.each([
    ['the same', () => brokerEpoch],
    ['a higher one, which the broker may not have heard of', () => brokerEpoch + 1],
    ['none', () => -1],
  ])('is taken with a broker epoch that is %s', async (_, epoch) => {
    expect(await errorOf(api, { controllerEpoch: 1, brokerEpoch: epoch() })).toBe(ErrorCode.NONE);
  });

  it('is refused of a controller that was replaced, whichever command told of the newer one', async () => {
    for (const other of [LeaderAndIsr, StopReplica, UpdateMetadata]) {
      const newest = 10 + other.key;
      expect(await errorOf(other, { controllerEpoch: newest, brokerEpoch })).toBe(ErrorCode.NONE);
      expect(await errorOf(api, { controllerEpoch: newest - 1, brokerEpoch })).toBe(ErrorCode.STALE_CONTROLLER_EPOCH);
      expect(await errorOf(api, { controllerEpoch: newest, brokerEpoch })).toBe(ErrorCode.NONE);
    }
  });
});

describe('the controller of this broker', () => {
  it('is fenced by a newer one that commanded over the wire', async () => {
    expect(await errorOf(UpdateMetadata, { controllerEpoch: 50, brokerEpoch })).toBe(ErrorCode.NONE);
    expect(test.broker.services.cluster.controllerId).toBe(9);
    const { commands } = test.broker.services;
    const own = { controllerId: 1, controllerEpoch: 1, brokerEpoch, partitions: [], liveLeaders: [] };
    expect(await commands.leaderAndIsr(own)).toMatchObject({ errorCode: ErrorCode.STALE_CONTROLLER_EPOCH });
  });
});

describe('a broker that is told that it leads no more', () => {
  it('tells clients who does, before UpdateMetadata says it', async () => {
    const { cluster, commands } = test.broker.services;
    const known = cluster.partition('t', 0)!;
    const { offlineReplicas: _, ...state } = {
      ...known,
      leader: 2,
      leaderEpoch: known.leaderEpoch + 1,
      replicas: [1, 2],
    };
    const replica = { ...state, addingReplicas: [], removingReplicas: [], leaderRecoveryState: 0, isNew: false };
    const command = { controllerId: 1, controllerEpoch: 1, brokerEpoch, partitions: [replica], liveLeaders: [] };
    expect(await commands.leaderAndIsr(command)).toMatchObject({ errorCode: 0 });
    expect(cluster.partition('t', 0)).toEqual({ ...state, offlineReplicas: [] });
  });
});

describe('what other brokers know while no controller reaches this one', () => {
  it('ends the leadership that a later epoch has replaced, and is told to clients', async () => {
    const { cluster, commands, replicas } = test.broker.services;
    const state = cluster.partition('t', 0)!;
    await commands.learn([{ ...state, leader: 2 }]);
    expect(await produceTo(test, 't', batchOf(['a']))).toBe(0);
    const later = { ...state, leader: 2, leaderEpoch: state.leaderEpoch + 1, partitionEpoch: -1 };
    await commands.learn([later]);
    await expect(produceTo(test, 't', batchOf(['b']))).rejects.toThrow(`error ${ErrorCode.NOT_LEADER_OR_FOLLOWER}`);
    expect(cluster.partition('t', 0)).toEqual(later);
    expect([...replicas.partitions].map(({ isLeader }) => isLeader)).toEqual([false]);
  });
});

describe('a topic that was made anew without this broker being told of the deletion', () => {
  const ID = 'newAAAAAAAAAAAAAAAAAAA';
  const commit = async (): Promise<number | undefined> => {
    const partitions = [{ partitionIndex: 0, committedOffset: 7, committedMetadata: '' }];
    const body = { groupId: 'g', memberId: '', topics: [{ name: 't', partitions }] };
    return (await test.connect().ask(OffsetCommit, 8, body)).topics[0]?.partitions[0]?.errorCode;
  };
  const committed = async (): Promise<number | undefined> => {
    const body = { groupId: 'g', topics: [{ name: 't', partitionIndexes: [0] }] };
    return (await test.connect().ask(OffsetFetch, 7, body)).topics[0]?.partitions[0]?.committedOffset;
  };

  beforeEach(async () => {
    await test.connect().ask(FindCoordinator, 3, { key: 'g', keyType: 0 });
    expect(await commit()).toBe(0);
    const { configRepository } = test.broker.services;
    await configRepository.change({ type: 'topic', name: 't' }, () => ({ 'cleanup.policy': 'compact' }));
    await test.store.openSession().set(paths.topicConfig('t'), encodeConfig({ 'retention.ms': '5' }), 'any');
    expect(configRepository.logConfig('t').cleanupPolicy).toEqual(['compact']);
  });

  it('has its own configs and no offsets, when UpdateMetadata tells of it', async () => {
    const { cluster, commands, configRepository } = test.broker.services;
    const { controllerId, controllerEpoch, brokers } = cluster;
    const partitions = [{ ...cluster.partition('t', 0)!, topicId: ID }];
    const liveBrokers = [...brokers.values()];
    await commands.updateMetadata({ controllerId, controllerEpoch, brokerEpoch, liveBrokers, partitions });
    expect(configRepository.topicOverrides('t')).toEqual({ 'retention.ms': '5' });
    expect(await committed()).toBe(-1);
  });

  it('has them before a LeaderAndIsr opens its logs, and keeps what is committed from then on', async () => {
    const { cluster, commands, configRepository, replicas } = test.broker.services;
    const { controllerId, controllerEpoch, brokers } = cluster;
    const { offlineReplicas, ...state } = { ...cluster.partition('t', 0)!, topicId: ID, partition: 1 };
    const replica = { ...state, addingReplicas: [], removingReplicas: [], leaderRecoveryState: 0, isNew: true };
    const header = { controllerId, controllerEpoch, brokerEpoch };
    const outcome = await commands.leaderAndIsr({ ...header, partitions: [replica], liveLeaders: [] });
    expect(outcome.partitions).toMatchObject([{ partition: 1, errorCode: 0 }]);
    expect(configRepository.logConfig('t')).toMatchObject({ cleanupPolicy: ['delete'], retentionMs: 5 });
    const opened = replicas.find('t', 1);
    expect(isRefusal(opened) ? undefined : opened.log.config.retentionMs).toBe(5);
    expect(await committed()).toBe(-1);
    expect(await commit()).toBe(0);
    const partitions = [0, 1].map((partition) => ({ ...state, partition, offlineReplicas }));
    await commands.updateMetadata({ ...header, liveBrokers: [...brokers.values()], partitions });
    expect(await committed()).toBe(7);
  });
});

describe('a command that was said before others and comes after them', () => {
  const folders = async (): Promise<string[]> =>
    (await test.disk.list('/data')).filter((name) => name.startsWith('t-') && !name.endsWith('-delete'));

  it('brings no replica back that went with its topic, and takes none that came with the next of this name', async () => {
    const { cluster, commands, topicAdmin } = test.broker.services;
    const { controllerId, controllerEpoch } = cluster;
    const header = { controllerId, controllerEpoch, brokerEpoch };
    const state = cluster.partition('t', 0)!;
    const states = [{ ...state, addingReplicas: [], removingReplicas: [], leaderRecoveryState: 0, isNew: true }];
    expect(await topicAdmin.deleteTopics(['t'], { timeoutMs: 1000 })).toMatchObject([{ errorCode: 0 }]);
    const late = { ...header, partitions: states, liveLeaders: [] };
    expect(await commands.leaderAndIsr(late)).toMatchObject({
      errorCode: 0,
      partitions: [{ topic: 't', partition: 0, errorCode: ErrorCode.UNKNOWN_TOPIC_ID }],
    });
    expect(await folders()).toEqual([]);

    await test.createTopic('t', 1);
    for (const deletePartition of [false, true]) {
      const stop = { topic: 't', partition: 0, leaderEpoch: -2, deletePartition };
      expect(await commands.stopReplica({ ...header, partitions: [stop] })).toMatchObject({
        partitions: [{ errorCode: ErrorCode.FENCED_LEADER_EPOCH }],
      });
    }
    expect(await folders()).toEqual(['t-0']);
    expect(cluster.partition('t', 0)?.leader).toBe(1);
  });

  it('stops a replica in the epoch that it has, as a move does that is called off, and in none before (KAFKA-13972)', async () => {
    const { cluster, commands } = test.broker.services;
    const { controllerId, controllerEpoch } = cluster;
    const header = { controllerId, controllerEpoch, brokerEpoch };
    const state = { ...cluster.partition('t', 0)!, leaderEpoch: 1, partitionEpoch: 1 };
    const partitions = [{ ...state, addingReplicas: [], removingReplicas: [], leaderRecoveryState: 0, isNew: false }];
    expect(await commands.leaderAndIsr({ ...header, partitions, liveLeaders: [] })).toMatchObject({ errorCode: 0 });
    const stop = { topic: 't', partition: 0, deletePartition: true };
    const told = async (leaderEpoch: number): Promise<number | undefined> => {
      const outcome = await commands.stopReplica({ ...header, partitions: [{ ...stop, leaderEpoch }] });
      return outcome.partitions[0]?.errorCode;
    };
    expect([await told(0), await folders()]).toEqual([ErrorCode.FENCED_LEADER_EPOCH, ['t-0']]);
    expect([await told(1), await folders()]).toEqual([ErrorCode.NONE, []]);
  });

  it('deletes what it should have deleted as soon as the disk lets it', async () => {
    const { cluster, commands } = test.broker.services;
    const { controllerId, controllerEpoch } = cluster;
    const stop = { topic: 't', partition: 0, leaderEpoch: 0, deletePartition: true };
    test.disk.fault = ({ kind }) => (kind === 'rename' ? systemError('ENOSPC', 'no space left') : undefined);
    const outcome = await commands.stopReplica({ controllerId, controllerEpoch, brokerEpoch, partitions: [stop] });
    expect(outcome).toMatchObject({ partitions: [{ errorCode: ErrorCode.KAFKA_STORAGE_ERROR }] });
    await test.clock.advanceAsync(3000);
    expect(await folders()).toEqual(['t-0']);
    test.disk.fault = undefined;
    await test.clock.advanceAsync(3000);
    expect(await folders()).toEqual([]);
  });
});
