import { readFileSync } from 'node:fs';
import {
  CreateAcls,
  CreateDelegationToken,
  DeleteAcls,
  DescribeAcls,
  DescribeCluster,
  DescribeDelegationToken,
  DescribeGroups,
  DescribeTopicPartitions,
  ErrorCode,
  FindCoordinator,
  InitProducerId,
  Metadata,
  OffsetCommit,
  RenewDelegationToken,
  ZERO_UUID,
} from '@millrace/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Acl, type AclOperation, EVERYBODY } from '../security/acl.ts';
import type { ResourceType } from '../shared/authorization.ts';
import { BrokerUnderTest, type TestConnection } from '../testing/test-broker.ts';
import { EVERY_RULE } from '../testing/test-rights.ts';

/** A name, an error code, and what may be done as bits. */
type Told = readonly [string, number, number];

/** What Apache Kafka 3.9.1 answered somebody under some rules. */
interface Recorded {
  readonly who: string;
  readonly acls: string;
  readonly metadataV12Topics?: readonly Told[];
  readonly metadataV8Cluster?: number;
  readonly describeGroupsV5?: readonly Told[];
  readonly describeClusterV1?: number;
  readonly initProducerIdNoTxnId?: number;
}

const recorded = readFileSync(new URL('fixtures/authorized-operations-3.9.1.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Recorded);
const underRules = recorded.filter(({ acls }) => !acls.startsWith('no authorizer'));

const OTHER_HOST = '10.9.9.9';
const OWN_NAMES: Readonly<Record<string, string>> = { Topic: 'a-topic', Group: 'a-group', Cluster: 'kafka-cluster' };
const RULE =
  /^(?<deny>deny )?((?<type>Topic|Group|Cluster) )?(?<operation>[A-Z_]+)( on (?<on>Topic))?( for (?<principal>User:\S+))?( from (?<host>\S+))?( ((literal|(?<prefixed>prefixed)|wildcard) )?(?<name>\S+))?$/;

/** `Topic ALL prefixed a-, deny WRITE literal a-topic` as rules; what names nobody is for alice, what names nothing for her own. */
function rulesFrom(text: string): Acl[] {
  if (text === 'none') return [];
  const plain = text
    .replace(/ \(.*\)$/, '')
    .replace(/ only$/, '')
    .replace('for another host', `from ${OTHER_HOST}`)
    .replace('for host', 'from');
  let type: ResourceType = 'Topic';
  return plain.split(', ').map((each): Acl => {
    const found = RULE.exec(each)?.groups;
    if (found === undefined) throw new Error(`${each} is no rule`);
    // The pattern lets no other types and operations through than the recorded ones.
    type = (found['type'] ?? found['on'] ?? type) as ResourceType;
    const operation = (found['operation'] ?? '')
      .toLowerCase()
      .replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase()) as AclOperation;
    return {
      pattern: { type, name: found['name'] ?? OWN_NAMES[type] ?? '', isPrefix: found['prefixed'] !== undefined },
      principal: found['principal'] ?? (found['on'] === undefined ? 'User:alice' : EVERYBODY),
      permissionType: found['deny'] === undefined ? 'Allow' : 'Deny',
      host: found['host'] ?? '*',
      operation,
    };
  });
}

async function start(settings: Readonly<Record<string, string>>): Promise<BrokerUnderTest> {
  const test = await BrokerUnderTest.start(settings);
  for (const topic of ['a-topic', 'z-topic']) await test.createTopic(topic);
  await test.connect().ask(FindCoordinator, 2, { key: 'a-group', keyType: 0 });
  const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }];
  for (const groupId of ['a-group', 'z-group']) {
    const topics = [{ name: 'a-topic', partitions }];
    await test.connect().ask(OffsetCommit, 7, { groupId, generationIdOrMemberEpoch: -1, memberId: '', topics });
  }
  return test;
}

function connectAs(test: BrokerUnderTest, who: string): TestConnection {
  const client = test.connect();
  client.context.principal = who.replace(' (super user)', '');
  return client;
}

/** All that was recorded of somebody, asked of this broker. */
async function answersTo(client: TestConnection, { metadataV12Topics: topics = [] }: Recorded): Promise<object> {
  const names = topics.map(([name]) => name);
  const metadata = await client.ask(Metadata, 12, {
    topics: names.map((name) => ({ name })),
    allowAutoTopicCreation: false,
    includeTopicAuthorizedOperations: true,
  });
  const cluster = await client.ask(Metadata, 8, { topics: [], includeClusterAuthorizedOperations: true });
  const groups = names.map((name) => name.replace('topic', 'group'));
  const described = await client.ask(DescribeGroups, 5, { groups, includeAuthorizedOperations: true });
  const whole = await client.ask(DescribeCluster, 1, { includeClusterAuthorizedOperations: true, endpointType: 1 });
  return {
    metadataV12Topics: metadata.topics
      .map((each) => [each.name, each.errorCode, each.topicAuthorizedOperations])
      .toSorted(),
    metadataV8Cluster: cluster.clusterAuthorizedOperations,
    describeGroupsV5: described.groups
      .map((each) => [each.groupId, each.errorCode, each.authorizedOperations])
      .toSorted(),
    describeClusterV1: whole.clusterAuthorizedOperations,
  };
}

const idempotent = { transactionalId: null, transactionTimeoutMs: 60_000 };

describe('what somebody may do, and is told so', () => {
  let test: BrokerUnderTest;
  beforeAll(async () => {
    test = await start({
      'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
      'super.users': 'User:ANONYMOUS;User:admin',
    });
  });
  afterAll(() => test.stop());

  async function allow(acls: string): Promise<void> {
    const rules = test.broker.services.accessRules;
    await rules?.remove([EVERY_RULE]);
    for (const { pattern, ...rule } of rulesFrom(acls)) await rules?.add(pattern, [rule]);
  }

  it.each(underRules)('is what Apache Kafka 3.9.1 says: $who, $acls', async (row) => {
    await allow(row.acls);
    const client = connectAs(test, row.who);
    const { errorCode } = await client.ask(InitProducerId, 1, idempotent);
    expect(errorCode).toBe(row.initProducerIdNoTxnId);
    if (row.metadataV12Topics === undefined) return;
    const { who, acls, initProducerIdNoTxnId, ...answers } = row;
    expect(await answersTo(client, row)).toEqual({
      ...answers,
      describeGroupsV5: row.describeGroupsV5?.toSorted(),
    });
  });

  it.each(underRules.filter(({ metadataV12Topics }) => metadataV12Topics !== undefined))(
    'holds for DescribeTopicPartitions as for Metadata: $who, $acls',
    async ({ who, acls, metadataV12Topics = [] }) => {
      await allow(acls);
      const client = connectAs(test, who);
      const page = { responsePartitionLimit: 100, cursor: null };
      const named = await client.ask(DescribeTopicPartitions, 0, {
        topics: metadataV12Topics.map(([name]) => ({ name })),
        ...page,
      });
      const told = named.topics.map(({ name, errorCode, topicAuthorizedOperations: bits }) => [name, errorCode, bits]);
      expect(told).toEqual(metadataV12Topics);
      for (const { errorCode, topicId, partitions } of named.topics) {
        const isHidden = errorCode === ErrorCode.TOPIC_AUTHORIZATION_FAILED;
        expect([topicId === ZERO_UUID, partitions.length]).toEqual([isHidden, isHidden ? 0 : 1]);
      }
      // Who asks for all is shown what he may see, and nothing of the rest.
      const all = await client.ask(DescribeTopicPartitions, 0, { topics: [], ...page });
      const visible = metadataV12Topics.filter(([, errorCode]) => errorCode === 0).map(([name]) => name);
      expect(all.topics.map(({ name }) => name).filter((name) => !name?.startsWith('__'))).toEqual(visible);
      expect(all.nextCursor).toBeNull();
    },
  );

  it('is not told of topics that are missing to who may not know of them, by DescribeTopicPartitions neither', async () => {
    await allow('Topic DESCRIBE literal a-missing');
    const client = connectAs(test, 'User:alice');
    const topics = ['a-missing', 'z-missing', 'z-topic'].map((name) => ({ name }));
    const answer = await client.ask(DescribeTopicPartitions, 0, { topics, responsePartitionLimit: 100, cursor: null });
    expect(answer.topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      ['a-missing', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
      ['z-missing', ErrorCode.TOPIC_AUTHORIZATION_FAILED],
      ['z-topic', ErrorCode.TOPIC_AUTHORIZATION_FAILED],
    ]);
  });
});

describe('without an authorizer', () => {
  let test: BrokerUnderTest;
  beforeAll(async () => {
    test = await start({});
  });
  afterAll(() => test.stop());

  it('everybody is told that he may do everything, as Apache Kafka 3.9.1 says', async () => {
    const row = recorded.find(({ acls }) => acls === 'no authorizer configured')!;
    const { who, acls, ...answers } = row;
    expect(await answersTo(connectAs(test, who), row)).toEqual(answers);
  });

  it('rules and tokens are refused, as Apache Kafka 3.9.1 refuses them', async () => {
    const { who, acls, ...answers } = recorded.at(-1)!;
    const client = connectAs(test, who);
    const anything = { resourceTypeFilter: 1, patternTypeFilter: 1, operation: 1, permissionType: 1 };
    const rule = {
      resourceType: 2,
      resourceName: 'a',
      principal: 'User:a',
      host: '*',
      operation: 3,
      permissionType: 3,
    };
    const described = await client.ask(DescribeAcls, 1, anything);
    const created = (await client.ask(CreateAcls, 1, { creations: [{ ...rule, resourcePatternType: 3 }] })).results[0];
    const deleted = (await client.ask(DeleteAcls, 1, { filters: [anything] })).filterResults[0];
    Object.assign(client.context, { securityProtocol: 'SASL_PLAINTEXT' });
    const token = { renewers: [], maxLifetimeMs: -1 };
    expect({
      describeAcls: [described.errorCode, described.errorMessage],
      createAcls: [created?.errorCode, created?.errorMessage],
      deleteAcls: [deleted?.errorCode, deleted?.errorMessage],
      createDelegationToken: (await client.ask(CreateDelegationToken, 2, token)).errorCode,
      describeDelegationToken: (await client.ask(DescribeDelegationToken, 2, { owners: null })).errorCode,
      renewDelegationToken: (await client.ask(RenewDelegationToken, 2, { hmac: Buffer.alloc(64), renewPeriodMs: 1 }))
        .errorCode,
    }).toEqual(answers);
  });
});

it('all of what was recorded is asked', () => {
  expect([recorded.length, underRules.length]).toEqual([40, 38]);
});
