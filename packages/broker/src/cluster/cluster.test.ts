import { ErrorCode, ZERO_UUID } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import type { LiveBroker, PartitionState, UpdateMetadataCommand } from './broker-channel.ts';
import { ClusterImage } from './cluster-image.ts';
import { listBrokers, listPartition } from './partition-listing.ts';
import { topicNameFault } from './topic-name.ts';

const LISTENER = 'PLAINTEXT';

function broker(id: number, listener = LISTENER): LiveBroker {
  return { id, rack: null, endpoints: [{ listener, securityProtocol: 'PLAINTEXT', host: `host${id}`, port: 9092 }] };
}

function state(topic: string, partition: number, overrides: Partial<PartitionState> = {}): PartitionState {
  return {
    topic,
    topicId: `id-of-${topic}`,
    partition,
    controllerEpoch: 1,
    leader: 1,
    leaderEpoch: 0,
    isr: [1],
    partitionEpoch: 0,
    replicas: [1],
    offlineReplicas: [],
    ...overrides,
  };
}

function update(overrides: Partial<UpdateMetadataCommand>): UpdateMetadataCommand {
  return {
    controllerId: 1,
    controllerEpoch: 1,
    liveBrokers: [broker(1)],
    brokerEpoch: -1,
    partitions: [],
    ...overrides,
  };
}

describe('the cluster image', () => {
  it('finds topics by name and by id', () => {
    const image = new ClusterImage();
    image.apply(update({ partitions: [state('a', 0), state('a', 1), state('b', 0)] }));
    expect(image.topic('a')?.partitions.length).toBe(2);
    expect(image.topicById('id-of-b')?.name).toBe('b');
    expect([image.partitionCount, image.controllerId, image.controllerEpoch]).toEqual([3, 1, 1]);
  });

  it('changes the partitions it is told of and keeps the others', () => {
    const image = new ClusterImage();
    image.apply(update({ partitions: [state('a', 0), state('a', 1)] }));
    const before = image.topic('a');
    image.apply(update({ partitions: [state('a', 1, { leaderEpoch: 4 }), state('a', 2)] }));
    expect(image.topic('a')?.partitions.map(({ leaderEpoch }) => leaderEpoch)).toEqual([0, 4, 0]);
    expect(before?.partitions.map(({ leaderEpoch }) => leaderEpoch)).toEqual([0, 0]);
    expect(image.partitionCount).toBe(3);
  });

  it('is not taken back by what was said before and comes late, over a connection that was slower', () => {
    const image = new ClusterImage();
    const gone = { leader: -2, leaderEpoch: 0, partitionEpoch: 0 };
    const old = state('a', 0, { leaderEpoch: 3, partitionEpoch: 7 });
    const anew = state('a', 0, { topicId: 'id-of-the-next' });
    const say = (...partitions: PartitionState[]): void => void image.apply(update({ partitions }));
    say(old);
    say(state('a', 0, { leaderEpoch: 3, partitionEpoch: 6, isr: [] }));
    say(state('a', 0, { leaderEpoch: 2, partitionEpoch: 8, isr: [] }));
    expect(image.partition('a', 0)).toBe(old);
    expect([image.isGone('a', old.topicId), image.isDeleted(old.topicId, 1)]).toEqual([false, false]);
    say({ ...old, ...gone });
    say(old);
    expect(image.topic('a')).toBeUndefined();
    expect([image.isGone('a', old.topicId), image.isDeleted(old.topicId, 1)]).toEqual([true, true]);
    say(anew);
    say({ ...old, ...gone });
    say(old);
    expect(image.partition('a', 0)).toBe(anew);
    expect(image.isGone('a', anew.topicId)).toBe(false);
    // A later controller knows better: the one before may have begun what must not be done.
    image.apply(update({ controllerEpoch: 2, partitions: [old] }));
    expect(image.partition('a', 0)).toBe(old);
  });

  it('goes by names with a controller that tells no ids, as before Kafka 2.8', () => {
    const image = new ClusterImage();
    const old = state('a', 0, { topicId: ZERO_UUID, leaderEpoch: 3 });
    image.apply(update({ partitions: [old] }));
    expect(image.isGone('a', 'known-from-elsewhere')).toBe(false);
    image.apply(update({ partitions: [{ ...old, leader: -2 }] }));
    expect(image.isGone('a', 'known-from-elsewhere')).toBe(true);
    image.apply(update({ partitions: [{ ...old, leaderEpoch: 0 }] }));
    expect(image.partition('a', 0)?.leaderEpoch).toBe(0);
  });

  it('forgets deleted topics, and lets nothing of a former topic of that name shine through', () => {
    const image = new ClusterImage();
    image.apply(update({ partitions: [state('a', 0), state('a', 1), state('b', 0)] }));
    const gone = state('b', 0, { leader: -2, leaderEpoch: 0 });
    const change = image.apply(update({ partitions: [gone, state('a', 0, { topicId: 'another' })] }));
    expect([change.deletedTopics, [...change.topics]]).toEqual([['b'], ['b', 'a']]);
    expect(image.topic('b')).toBeUndefined();
    expect(image.topicById('id-of-a')).toBeUndefined();
    expect(image.topicById('another')?.partitions.length).toBe(1);
    expect(image.partitionCount).toBe(1);
  });
});

describe('what clients are told of partitions', () => {
  const image = new ClusterImage();
  image.apply(update({ liveBrokers: [broker(1), broker(2, 'INTERNAL')] }));
  const list = (
    overrides: Partial<PartitionState>,
    options: { knowsListenerNotFound?: boolean; hidesUnreachable?: boolean } = {},
  ) => listPartition(image, state('a', 0, overrides), { listener: LISTENER, knowsListenerNotFound: true, ...options });

  it('names the leader where the client can reach it', () => {
    expect(list({})).toMatchObject({ errorCode: 0, leaderId: 1, offlineReplicas: [] });
  });

  it('tells that there is no leader, or none on the client’s listener', () => {
    expect(list({ leader: -1 })).toMatchObject({ errorCode: ErrorCode.LEADER_NOT_AVAILABLE, leaderId: -1 });
    expect(list({ leader: 2 })).toMatchObject({ errorCode: ErrorCode.LISTENER_NOT_FOUND, leaderId: -1 });
    expect(list({ leader: 2 }, { knowsListenerNotFound: false }).errorCode).toBe(ErrorCode.LEADER_NOT_AVAILABLE);
  });

  it('counts replicas of dead brokers as offline, and hides what v0 cannot bear', () => {
    const replicas = [1, 2, 3];
    expect(list({ replicas })).toMatchObject({ errorCode: 0, replicaNodes: replicas, offlineReplicas: [3] });
    expect(list({ replicas }, { hidesUnreachable: true })).toMatchObject({
      errorCode: ErrorCode.REPLICA_NOT_AVAILABLE,
      replicaNodes: [1],
    });
  });

  it('lists the brokers of the client’s listener', () => {
    expect(listBrokers(image, LISTENER)).toEqual([{ id: 1, host: 'host1', port: 9092, rack: null }]);
  });
});

describe('a topic name', () => {
  it('has the characters and the length that Kafka allows', () => {
    expect(['a', 'A.b_c-9', 'x'.repeat(249)].map(topicNameFault)).toEqual([undefined, undefined, undefined]);
    for (const name of ['', '.', '..', 'a b', 'ä', 'x'.repeat(250), 'a/b']) expect(topicNameFault(name)).toBeDefined();
  });
});
