import {
  AddPartitionsToTxn,
  AlterConfigs,
  CreatePartitions,
  CreateTopics,
  DeleteGroups,
  DeleteRecords,
  DeleteTopics,
  DescribeConfigs,
  DescribeGroups,
  DescribeLogDirs,
  ErrorCode,
  Fetch,
  FindCoordinator,
  Heartbeat,
  IncrementalAlterConfigs,
  InitProducerId,
  JoinGroup,
  LeaveGroup,
  ListGroups,
  Metadata,
  OffsetCommit,
  OffsetDelete,
  OffsetFetch,
  OffsetForLeaderEpoch,
  StopReplica,
  SyncGroup,
  UpdateMetadata,
} from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AuthorizationRequest } from '../shared/authorization.ts';
import { BrokerUnderTest, type TestConnection } from '../testing/test-broker.ts';

let broker: BrokerUnderTest;
let client: TestConnection;
/** What was asked for, as `Operation Type:name`. */
let asked: string[];

beforeEach(async () => {
  broker = await BrokerUnderTest.start();
  await broker.createTopic('topic');
  client = broker.connect();
  asked = [];
  broker.authorizer = {
    isAllowed: ({ principal, clientHost, operation, resource }: AuthorizationRequest) => {
      expect([principal, clientHost]).toEqual(['User:ANONYMOUS', '127.0.0.1']);
      asked.push(`${operation} ${resource.type}:${resource.name}`);
      return false;
    },
    isAllowedForAny: () => false,
  };
});
afterEach(() => broker.stop());

const member = { groupId: 'g', generationId: 1, memberId: 'm' };
const forGroup = ErrorCode.GROUP_AUTHORIZATION_FAILED;
const forTopic = ErrorCode.TOPIC_AUTHORIZATION_FAILED;

describe('the audit of a request', () => {
  /** What is asked for, why, and how often the request refers to it. */
  async function auditOf(ask: () => Promise<unknown>, isAllowed = false): Promise<string[]> {
    const lines: string[] = [];
    broker.authorizer = {
      isAllowed: ({ operation, resource, purpose, references }) => {
        lines.push(`${purpose} ${operation} ${resource.name} ${references?.() ?? 1}`);
        return isAllowed;
      },
      isAllowedForAny: (_, operation, type) => {
        lines.push(`any ${operation} ${type}`);
        return isAllowed;
      },
    };
    await ask();
    return lines;
  }

  it('has one line for a topic, which says how many of its partitions are read, as Kafka', async () => {
    const partitionsOf = (count: number) =>
      Array.from({ length: count }, (_, n) => ({
        partition: n,
        fetchOffset: 0,
        partitionMaxBytes: 1000,
      }));
    const topics = [
      { topic: 'topic', partitions: partitionsOf(3) },
      { topic: 'other', partitions: partitionsOf(2) },
    ];
    const fetch = { maxWaitMs: 0, minBytes: 0, topics, forgottenTopicsData: [] };
    expect(await auditOf(() => client.ask(Fetch, 11, fetch))).toEqual(['access Read topic 3', 'access Read other 2']);
  });

  it('says how many partitions a transaction is given, and one where Kafka counts topics', async () => {
    const topics = [{ name: 'topic', partitions: [0, 1] }];
    const adding = {
      v3AndBelowTransactionalId: 'x',
      v3AndBelowProducerId: 1,
      v3AndBelowProducerEpoch: 0,
      v3AndBelowTopics: topics,
    };
    expect(await auditOf(() => client.ask(AddPartitionsToTxn, 3, adding), true)).toContain('access Write topic 2');
    const partitions = [0, 1, 2].map((partitionIndex) => ({ partitionIndex, offset: 0 }));
    const deleting = { topics: [{ name: 'topic', partitions }], timeoutMs: 100 };
    expect(await auditOf(() => client.ask(DeleteRecords, 1, deleting))).toEqual(['access Delete topic 1']);
  });

  it('tells what was asked for from what is only looked through or told', async () => {
    const named = { topics: [{ name: 'topic' }], includeTopicAuthorizedOperations: true };
    const lines = await auditOf(() => client.ask(Metadata, 8, named), true);
    expect(lines.slice(0, 2)).toEqual(['access Describe topic 1', 'description Read topic 1']);
    expect(await auditOf(() => client.ask(Metadata, 8, { topics: null }))).toEqual(['filter Describe topic 1']);
  });

  it('takes the right to write idempotently for no attempt where that to write to any topic will do', async () => {
    const idempotent = { transactionalId: null, transactionTimeoutMs: 1000 };
    const lines = await auditOf(() => client.ask(InitProducerId, 1, idempotent));
    expect(lines).toEqual(['filter IdempotentWrite kafka-cluster 1', 'any Write Topic']);
  });
});

describe('who may nothing', () => {
  it('takes no part in groups', async () => {
    const join = { groupId: 'g', memberId: '', protocolType: 'consumer', protocols: [], sessionTimeoutMs: 10_000 };
    expect((await client.ask(JoinGroup, 5, { ...join, rebalanceTimeoutMs: 1 })).errorCode).toBe(forGroup);
    expect((await client.ask(SyncGroup, 3, { ...member, assignments: [] })).errorCode).toBe(forGroup);
    expect((await client.ask(Heartbeat, 3, member)).errorCode).toBe(forGroup);
    expect((await client.ask(LeaveGroup, 3, { groupId: 'g', members: [] })).errorCode).toBe(forGroup);
    expect(new Set(asked)).toEqual(new Set(['Read Group:g']));
  });

  it('neither commits nor reads nor deletes offsets', async () => {
    const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }];
    const commit = {
      groupId: 'g',
      generationIdOrMemberEpoch: -1,
      memberId: '',
      topics: [{ name: 'topic', partitions }],
    };
    expect((await client.ask(OffsetCommit, 7, commit)).topics[0]?.partitions[0]?.errorCode).toBe(forGroup);
    expect((await client.ask(OffsetFetch, 5, { groupId: 'g', topics: null })).errorCode).toBe(forGroup);
    const groups = [{ groupId: 'g', topics: null }];
    expect((await client.ask(OffsetFetch, 8, { groups })).groups[0]?.errorCode).toBe(forGroup);
    expect((await client.ask(OffsetDelete, 0, { groupId: 'g', topics: [] })).errorCode).toBe(forGroup);
    expect(asked).toEqual(['Read Group:g', 'Describe Group:g', 'Describe Group:g', 'Delete Group:g']);
  });

  it('is shown no groups and deletes none', async () => {
    expect((await client.ask(ListGroups, 4, {})).groups).toEqual([]);
    expect((await client.ask(DescribeGroups, 4, { groups: ['g'] })).groups[0]?.errorCode).toBe(forGroup);
    expect((await client.ask(DeleteGroups, 1, { groupsNames: ['g'] })).results[0]?.errorCode).toBe(forGroup);
  });

  it('creates, extends, empties and deletes no topics', async () => {
    const topics = [{ name: 'new', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }];
    expect((await client.ask(CreateTopics, 5, { topics, timeoutMs: 100 })).topics[0]?.errorCode).toBe(forTopic);
    const extended = [{ name: 'topic', count: 5, assignments: null }];
    const options = { timeoutMs: 100, validateOnly: false };
    expect((await client.ask(CreatePartitions, 1, { topics: extended, ...options })).results[0]?.errorCode).toBe(
      forTopic,
    );
    const emptied = [{ name: 'topic', partitions: [{ partitionIndex: 0, offset: 0 }] }];
    const records = await client.ask(DeleteRecords, 1, { topics: emptied, timeoutMs: 100 });
    expect(records.topics[0]?.partitions[0]?.errorCode).toBe(forTopic);
    const deleted = await client.ask(DeleteTopics, 5, { topicNames: ['topic'], timeoutMs: 100 });
    expect(deleted.responses[0]?.errorCode).toBe(forTopic);
    expect(asked).toEqual(
      expect.arrayContaining([
        'Create Cluster:kafka-cluster',
        'Create Topic:new',
        'Alter Topic:topic',
        'Delete Topic:topic',
      ]),
    );
  });

  it('is not told the name of a topic that he names by its id', async () => {
    const topicId = broker.broker.services.cluster.topic('topic')?.id as string;
    const deleted = await client.ask(DeleteTopics, 6, { topics: [{ name: null, topicId }], timeoutMs: 100 });
    expect(deleted.responses[0]).toMatchObject({ name: null, topicId, errorCode: forTopic });
  });

  it('neither sees nor changes configs, folders, coordinators or the ends of epochs', async () => {
    const forCluster = ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
    const resources = [
      { resourceType: 2, resourceName: 'topic', configurationKeys: null, configs: [] },
      { resourceType: 4, resourceName: '1', configurationKeys: null, configs: [] },
    ];
    const described = await client.ask(DescribeConfigs, 1, { resources });
    expect(described.results.map(({ errorCode }) => errorCode)).toEqual([forTopic, forCluster]);
    const altered = await client.ask(AlterConfigs, 1, { resources, validateOnly: false });
    expect(altered.responses.map(({ errorCode }) => errorCode)).toEqual([forTopic, forCluster]);
    const changed = await client.ask(IncrementalAlterConfigs, 1, { resources, validateOnly: false });
    expect(changed.responses.map(({ errorCode }) => errorCode)).toEqual([forTopic, forCluster]);
    expect((await client.ask(DescribeLogDirs, 3, { topics: null })).errorCode).toBe(forCluster);
    expect((await client.ask(FindCoordinator, 2, { key: 'g', keyType: 0 })).errorCode).toBe(forGroup);
    const partitions = [{ partition: 0, leaderEpoch: 0 }];
    const ends = await client.ask(OffsetForLeaderEpoch, 3, { replicaId: -2, topics: [{ topic: 'topic', partitions }] });
    expect(ends.topics[0]?.partitions[0]?.errorCode).toBe(forTopic);
  });

  it('gives the broker no commands', async () => {
    const controller = { controllerId: 1, controllerEpoch: 99, brokerEpoch: -1 };
    const stop = { ...controller, topicStates: [] };
    const update = { ...controller, topicStates: [], liveBrokers: [] };
    expect((await client.ask(StopReplica, 3, stop)).errorCode).toBe(ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
    expect((await client.ask(UpdateMetadata, 7, update)).errorCode).toBe(ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
    expect(new Set(asked)).toEqual(new Set(['ClusterAction Cluster:kafka-cluster']));
  });
});
