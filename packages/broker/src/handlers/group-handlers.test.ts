/** The group APIs through the codec: every version of a request in, the same version of its response out. */
import { MemoryMetadataStore } from '@millrace/metadata';
import {
  type Api,
  DeleteGroups,
  DescribeGroups,
  decodeBody,
  ErrorCode,
  encodeBody,
  FindCoordinator,
  Heartbeat,
  JoinGroup,
  LeaveGroup,
  ListGroups,
  OffsetCommit,
  OffsetDelete,
  OffsetFetch,
  SyncGroup,
} from '@millrace/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { TopicLookup } from '../admin/topic-lookup.ts';
import { ClusterImage } from '../cluster/cluster-image.ts';
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from '../cluster/internal-topics.ts';
import { NO_QUOTA } from '../quotas/request-quota.ts';
import { silentLogger } from '../shared/logger.ts';
import { TestCoordinator } from '../testing/test-groups.ts';
import type { RequestContext } from './handler.ts';
import { handlerByKey } from './registry.ts';
import type { BrokerServices } from './services.ts';

let test: TestCoordinator;
let cluster: ClusterImage;
let created: string[];

beforeEach(async () => {
  test = await TestCoordinator.start();
  cluster = new ClusterImage();
  created = [];
  addTopic('topic');
  addTopic(OFFSETS_TOPIC);
});

function addTopic(topic: string, leader = 1): void {
  const endpoint = { listener: 'PLAINTEXT', securityProtocol: 'PLAINTEXT', host: 'broker', port: 9092 };
  cluster.apply({
    controllerId: 1,
    controllerEpoch: 1,
    liveBrokers: [{ id: 1, rack: null, endpoints: [endpoint] }],
    partitions: [
      {
        topic,
        topicId: `${topic}AAAAAAAAAAAAAAAAAAAAAA`.slice(0, 22),
        partition: 0,
        controllerEpoch: 1,
        leader,
        leaderEpoch: 0,
        isr: [1],
        partitionEpoch: 0,
        replicas: [1],
        offlineReplicas: [],
      },
    ],
    brokerEpoch: -1,
  });
}

/** Sends a request through the codec and the handler of its API, and reads the response as a client does. */
async function ask<Req, Res, ReqInput, ResInput>(
  api: Api<Req, Res, ReqInput, ResInput>,
  version: number,
  body: ReqInput,
): Promise<Res> {
  const { handle } = handlerByKey.get(api.key)!;
  const request = decodeBody(api.request, version, encodeBody(api.request, version, body));
  const broker = {
    cluster,
    clock: test.clock,
    groups: test.groups,
    coordinatorTopics: { find: async (topic: string) => cluster.topic(topic)?.partitions.length },
    topicLookup: new TopicLookup({
      store: new MemoryMetadataStore(),
      cluster,
      clock: test.clock,
      logger: silentLogger,
    }),
    topicAdmin: {
      autoCreate: async (topics: readonly string[]) => {
        created.push(...topics);
        for (const topic of topics) addTopic(topic);
        return new Map(topics.map((topic) => [topic, ErrorCode.NONE]));
      },
    },
  } as unknown as BrokerServices;
  const context: RequestContext = {
    version,
    correlationId: 1,
    clientId: 'client',
    connection: { clientHost: '127.0.0.1', listenerName: 'PLAINTEXT' } as RequestContext['connection'],
    broker,
    quota: NO_QUOTA,
    releaseRequest: () => {},
    authorize: () => undefined,
    isAllowed: () => true,
    isAllowedForAny: () => true,
    mayWait: () => true,
    reserveResponse: (bytes) => bytes,
    pause: () => undefined,
    whenSent: () => {},
  };
  const response = (await handle(request as never, context)) as ResInput;
  return decodeBody(api.response, version, encodeBody(api.response, version, response));
}

function versions(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

const PROTOCOLS = [{ name: 'range', metadata: Buffer.from('meta') }];

async function join(version: number, groupInstanceId: string | null = null) {
  const request = {
    groupId: 'group',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 20_000,
    protocolType: 'consumer',
    protocols: PROTOCOLS,
  };
  const fields = version >= 5 ? { ...request, groupInstanceId } : request;
  const first = ask(JoinGroup, version, { ...fields, memberId: '' });
  await test.settle();
  const { errorCode, memberId } = await first;
  if (errorCode !== ErrorCode.MEMBER_ID_REQUIRED) return first;
  const second = ask(JoinGroup, version, { ...fields, memberId });
  await test.settle();
  return second;
}

describe('JoinGroup', () => {
  it.each(versions(0, 9))('version %i leads into the group', async (version) => {
    const joined = await join(version);
    expect(joined).toMatchObject({
      errorCode: ErrorCode.NONE,
      generationId: 1,
      protocolName: 'range',
      leader: joined.memberId,
      protocolType: version >= 7 ? 'consumer' : null,
    });
    expect(joined.members).toMatchObject([{ memberId: joined.memberId, metadata: Buffer.from('meta') }]);
    expect(test.groups.describe('group').members).toMatchObject([{ clientId: 'client', clientHost: '/127.0.0.1' }]);
  });

  it.each(versions(4, 9))('version %i asks for a member id first', async (version) => {
    const answer = await ask(JoinGroup, version, {
      groupId: 'group',
      sessionTimeoutMs: 10_000,
      memberId: '',
      protocolType: 'consumer',
      protocols: PROTOCOLS,
    });
    expect(answer).toMatchObject({ errorCode: ErrorCode.MEMBER_ID_REQUIRED, protocolName: version >= 7 ? null : '' });
    expect(answer.memberId).not.toBe('');
  });

  it('version 0 waits for others as long as its session lasts', async () => {
    await join(0);
    const other = ask(JoinGroup, 0, {
      groupId: 'group',
      sessionTimeoutMs: 10_000,
      memberId: '',
      protocolType: 'consumer',
      protocols: PROTOCOLS,
    });
    await test.advance(10_000);
    expect(await other).toMatchObject({ errorCode: ErrorCode.NONE, generationId: 2 });
  });

  it.each([5, 9])('version %i knows static members', async (version) => {
    const joined = await join(version, 'instance');
    expect(joined.members).toMatchObject([{ groupInstanceId: 'instance' }]);
  });
});

describe('SyncGroup', () => {
  it.each(versions(0, 5))('version %i brings the assignment', async (version) => {
    const { memberId, generationId } = await join(5);
    const names = version >= 5 ? { protocolType: 'consumer', protocolName: 'range' } : {};
    const assignments = [{ memberId, assignment: Buffer.from('share') }];
    const synced = await ask(SyncGroup, version, { groupId: 'group', generationId, memberId, assignments, ...names });
    expect(synced).toMatchObject({ errorCode: ErrorCode.NONE, assignment: Buffer.from('share') });
    expect(synced.protocolName).toBe(version >= 5 ? 'range' : null);
  });

  it('version 5 must name the protocol', async () => {
    const { memberId, generationId } = await join(5);
    const synced = await ask(SyncGroup, 5, { groupId: 'group', generationId, memberId, assignments: [] });
    expect(synced.errorCode).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  });
});

describe('Heartbeat and LeaveGroup', () => {
  it.each(versions(0, 4))('version %i of Heartbeat keeps a member', async (version) => {
    const { memberId, generationId } = await join(5);
    expect(await ask(Heartbeat, version, { groupId: 'group', generationId, memberId })).toMatchObject({ errorCode: 0 });
    const strange = { groupId: 'group', generationId, memberId: 'x' };
    expect(await ask(Heartbeat, version, strange)).toMatchObject({ errorCode: ErrorCode.UNKNOWN_MEMBER_ID });
  });

  it.each(versions(0, 2))('version %i of LeaveGroup takes one member out', async (version) => {
    const { memberId } = await join(5);
    expect(await ask(LeaveGroup, version, { groupId: 'group', memberId })).toMatchObject({ errorCode: 0 });
    const again = await ask(LeaveGroup, version, { groupId: 'group', memberId });
    expect(again.errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it.each(versions(3, 5))('version %i of LeaveGroup answers for each member', async (version) => {
    const { memberId } = await join(5, 'instance');
    const members = [
      { memberId, groupInstanceId: 'instance' },
      { memberId: '', groupInstanceId: 'instance' },
    ];
    expect(await ask(LeaveGroup, version, { groupId: 'group', members })).toMatchObject({
      errorCode: ErrorCode.NONE,
      members: [
        { memberId, groupInstanceId: 'instance', errorCode: ErrorCode.NONE },
        { memberId: '', groupInstanceId: 'instance', errorCode: ErrorCode.UNKNOWN_MEMBER_ID },
      ],
    });
    expect(await ask(LeaveGroup, version, { groupId: '', members })).toMatchObject({
      errorCode: ErrorCode.INVALID_GROUP_ID,
      members: [],
    });
  });
});

describe('OffsetCommit and OffsetFetch', () => {
  const partitions = [
    { partitionIndex: 0, committedOffset: 42, committedMetadata: null },
    { partitionIndex: 7, committedOffset: 43, committedMetadata: 'm' },
  ];

  it.each(versions(1, 9))('version %i of OffsetCommit keeps offsets of partitions that exist', async (version) => {
    const topics = [
      { name: 'unknown', partitions },
      { name: 'topic', partitions },
    ];
    const unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    expect((await ask(OffsetCommit, version, { groupId: 'group', memberId: '', topics })).topics).toMatchObject([
      { name: 'unknown', partitions: [{ errorCode: unknown }, { errorCode: unknown }] },
      {
        name: 'topic',
        partitions: [
          { partitionIndex: 0, errorCode: 0 },
          { partitionIndex: 7, errorCode: unknown },
        ],
      },
    ]);
    expect(test.offset()).toBe(42);
  });

  it.each(versions(2, 4))('version %i of OffsetCommit may say how long an offset is kept', async (version) => {
    const topics = [{ name: 'topic', partitions: partitions.slice(0, 1) }];
    await ask(OffsetCommit, version, { groupId: 'group', memberId: '', retentionTimeMs: 1_000, topics });
    expect(test.offset()).toBe(42);
    await test.advance(601_000);
    expect(test.offset()).toBe(-1);
  });

  it('version 1 of OffsetCommit brings its own timestamp', async () => {
    const weekMs = 7 * 24 * 60 * 60 * 1_000;
    const commitTimestamp = test.clock.now() - weekMs;
    const topics = [{ name: 'topic', partitions: [{ ...partitions[0]!, commitTimestamp }] }];
    await ask(OffsetCommit, 1, { groupId: 'group', memberId: '', topics });
    await test.advance(601_000);
    expect(test.offset()).toBe(-1);
  });

  it.each(versions(1, 7))('version %i of OffsetFetch tells them again', async (version) => {
    await test.commit(42);
    const topics = [{ name: 'topic', partitionIndexes: [0, 1] }];
    const fetched = await ask(OffsetFetch, version, { groupId: 'group', topics });
    expect(fetched).toMatchObject({
      errorCode: 0,
      topics: [
        {
          name: 'topic',
          partitions: [
            { partitionIndex: 0, committedOffset: 42, committedLeaderEpoch: -1, metadata: '', errorCode: 0 },
            { partitionIndex: 1, committedOffset: -1, errorCode: 0 },
          ],
        },
      ],
    });
  });

  it.each(versions(2, 7))('version %i of OffsetFetch tells all when no topics are named', async (version) => {
    await test.commit(42);
    const fetched = await ask(OffsetFetch, version, { groupId: 'group', topics: null });
    expect(fetched.topics).toMatchObject([{ name: 'topic', partitions: [{ partitionIndex: 0, committedOffset: 42 }] }]);
  });

  it.each([8, 9])('version %i of OffsetFetch speaks of several groups', async (version) => {
    await test.commit(42);
    const groups = [
      { groupId: 'group', topics: null },
      { groupId: 'other', topics: [{ name: 'topic', partitionIndexes: [0] }] },
    ];
    const fetched = await ask(OffsetFetch, version, { groups });
    expect(fetched.groups).toMatchObject([
      { groupId: 'group', errorCode: 0, topics: [{ partitions: [{ committedOffset: 42 }] }] },
      { groupId: 'other', errorCode: 0, topics: [{ partitions: [{ committedOffset: -1 }] }] },
    ]);
  });

  it.each([
    [1, { errorCode: 0, topics: [{ partitions: [{ errorCode: ErrorCode.NOT_COORDINATOR }] }] }],
    [2, { errorCode: ErrorCode.NOT_COORDINATOR, topics: [] }],
  ])('version %i of OffsetFetch tells of an error in its own place', async (version, expected) => {
    test.listener.onResigned(0, 2);
    const topics = [{ name: 'topic', partitionIndexes: [0] }];
    expect(await ask(OffsetFetch, version, { groupId: 'group', topics })).toMatchObject(expected);
  });

  it('version 0 of OffsetDelete removes them', async () => {
    await test.commit(42);
    const topics = [{ name: 'topic', partitions: [{ partitionIndex: 0 }, { partitionIndex: 9 }] }];
    expect(await ask(OffsetDelete, 0, { groupId: 'group', topics })).toMatchObject({
      errorCode: 0,
      topics: [
        { partitions: [{ errorCode: 0 }, { partitionIndex: 9, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }] },
      ],
    });
    expect(test.offset()).toBe(-1);
    expect(await ask(OffsetDelete, 0, { groupId: 'nowhere', topics })).toMatchObject({
      errorCode: ErrorCode.GROUP_ID_NOT_FOUND,
      topics: [],
    });
  });
});

describe('DescribeGroups, ListGroups and DeleteGroups', () => {
  it.each(versions(0, 5))('version %i of DescribeGroups shows a group, and a dead one for a name', async (version) => {
    const { memberId } = await test.stableMember();
    const asked = version >= 3 ? { includeAuthorizedOperations: true } : {};
    const { groups } = await ask(DescribeGroups, version, { groups: ['group', 'nowhere'], ...asked });
    expect(groups).toMatchObject([
      {
        errorCode: 0,
        groupState: 'Stable',
        protocolType: 'consumer',
        protocolData: 'range',
        members: [{ memberId, memberMetadata: Buffer.from('any'), memberAssignment: Buffer.from('all') }],
      },
      { errorCode: 0, groupState: 'Dead', members: [] },
    ]);
    expect(groups[0]?.authorizedOperations).toBe(version >= 3 ? 328 : -(2 ** 31));
  });

  it.each(versions(0, 5))('version %i of ListGroups lists them', async (version) => {
    await test.stableMember();
    await test.groups.commitOffsets({
      groupId: 'simple',
      generationId: -1,
      memberId: '',
      groupInstanceId: null,
      offsets: [],
    });
    const { groups } = await ask(ListGroups, version, {});
    expect(groups.map(({ groupId, protocolType }) => [groupId, protocolType])).toEqual([
      ['group', 'consumer'],
      ['simple', ''],
    ]);
    if (version < 4) return;
    const stable = await ask(ListGroups, version, { statesFilter: ['stable', 'Dead'] });
    expect(stable.groups).toMatchObject([{ groupId: 'group', groupState: 'Stable' }]);
    if (version < 5) return;
    const ofType = async (type: string) => (await ask(ListGroups, version, { typesFilter: [type] })).groups.length;
    expect([await ofType('Classic'), await ofType('consumer')]).toEqual([2, 0]);
  });

  it.each(versions(0, 2))('version %i of DeleteGroups deletes them', async (version) => {
    await test.commit(1);
    const { results } = await ask(DeleteGroups, version, { groupsNames: ['group', 'nowhere', 'group'] });
    expect(results).toMatchObject([
      { groupId: 'group', errorCode: 0 },
      { groupId: 'nowhere', errorCode: ErrorCode.GROUP_ID_NOT_FOUND },
    ]);
  });
});

describe('FindCoordinator', () => {
  const here = { nodeId: 1, host: 'broker', port: 9092, errorCode: 0 };

  it.each(versions(0, 3))('version %i finds the leader of the group', async (version) => {
    expect(await ask(FindCoordinator, version, { key: 'group' })).toMatchObject(here);
  });

  it.each(versions(4, 6))('version %i finds several', async (version) => {
    const { coordinators } = await ask(FindCoordinator, version, { coordinatorKeys: ['a', 'b'] });
    expect(coordinators).toMatchObject([
      { key: 'a', ...here },
      { key: 'b', ...here },
    ]);
  });

  it('has the topic created when the first one asks', async () => {
    cluster = new ClusterImage();
    addTopic('topic');
    expect(await ask(FindCoordinator, 3, { key: 'group' })).toMatchObject(here);
    expect(created).toEqual([OFFSETS_TOPIC]);
  });

  it('says so when nobody leads the partition', async () => {
    addTopic(OFFSETS_TOPIC, -1);
    expect(await ask(FindCoordinator, 3, { key: 'group' })).toMatchObject({
      errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE,
      nodeId: -1,
    });
  });

  it('has nobody for keys of type 2', async () => {
    expect((await ask(FindCoordinator, 6, { keyType: 2, coordinatorKeys: ['a'] })).coordinators).toMatchObject([
      { errorCode: ErrorCode.INVALID_REQUEST },
    ]);
  });

  it('names the leader of the partition of __transaction_state for a transactional id', async () => {
    addTopic(TRANSACTIONS_TOPIC);
    expect((await ask(FindCoordinator, 6, { keyType: 1, coordinatorKeys: ['a'] })).coordinators).toMatchObject([
      { errorCode: 0, key: 'a', nodeId: 1 },
    ]);
  });
});
