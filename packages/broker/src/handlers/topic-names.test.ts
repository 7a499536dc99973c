import {
  decodeResponseFrame,
  ErrorCode,
  encodeRequest,
  FindCoordinator,
  OffsetCommit,
  ZERO_UUID,
} from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BrokerUnderTest } from '../testing/test-broker.ts';
import { matrixRequests } from '../testing/test-requests.ts';
import { handlers } from './registry.ts';

const NAMES = ['', '.', '..', '../../brokers', 'a/b', 'good/partitions', 'a\u0000b', 'é', 'x'.repeat(250)];

/** The last version in which topics have names, where ids have taken their place since. */
const NAMED_UNTIL: Readonly<Record<string, number>> = { Fetch: 12, Metadata: 12, DeleteTopics: 5, AlterPartition: 1 };

/** What takes names in one version and in another way in a later one. */
const ALSO_IN: Readonly<Record<string, number>> = { AddPartitionsToTxn: 3, OffsetFetch: 7, OffsetCommit: 0 };

/** They take no names of topics. Access rules may be about any name, and a group's protocols are its members' own affair. */
const WITHOUT_NAMES = [
  ...['ControlledShutdown', 'FindCoordinator', 'JoinGroup', 'Heartbeat', 'LeaveGroup', 'SyncGroup', 'DescribeGroups'],
  ...['ListGroups', 'SaslHandshake', 'ApiVersions', 'InitProducerId', 'AddOffsetsToTxn', 'EndTxn', 'DescribeAcls'],
  ...['CreateAcls', 'DeleteAcls', 'SaslAuthenticate', 'CreateDelegationToken', 'RenewDelegationToken'],
  ...['ExpireDelegationToken', 'DescribeDelegationToken', 'DeleteGroups', 'DescribeClientQuotas', 'AlterClientQuotas'],
  ...['DescribeUserScramCredentials', 'AlterUserScramCredentials', 'UpdateFeatures', 'DescribeCluster'],
  ...['DescribeTransactions', 'ListTransactions', 'AllocateProducerIds'],
];

/** They tell of what there is and leave out the rest: their answers have no place for an error of one topic. */
const LEAVING_OUT = ['DescribeLogDirs', 'ListPartitionReassignments'];

/** Refused as a whole, whatever it names. */
const REFUSED_ANYHOW = 'transactional batch, null transactional id';

const BROKER_ID = 1;
const UNKNOWN_ID = 'AAAAAAAAAAAAAAAAAAAAEA';
const command = { controllerId: 0, controllerEpoch: 1, brokerEpoch: -1 };
const states = { isr: [0], replicas: [0], leader: 0, leaderEpoch: 9, partitionIndex: 0, controllerEpoch: 1 };

/** What the recorded requests do not ask. */
const MORE: Readonly<Record<string, (name: string) => object>> = {
  LeaderAndIsr: (topicName) => ({
    ...command,
    liveLeaders: [],
    topicStates: [{ topicName, topicId: UNKNOWN_ID, partitionStates: [{ ...states, partitionEpoch: 9, isNew: true }] }],
  }),
  StopReplica: (topicName) => ({
    ...command,
    topicStates: [{ topicName, partitionStates: [{ partitionIndex: 0, leaderEpoch: -2, deletePartition: true }] }],
  }),
  UpdateMetadata: (topicName) => ({
    ...command,
    liveBrokers: [],
    topicStates: [{ topicName, topicId: UNKNOWN_ID, partitionStates: [{ ...states, zkVersion: 9 }] }],
  }),
  AlterPartition: (topicName) => ({
    brokerId: BROKER_ID,
    brokerEpoch,
    topics: [{ topicName, partitions: [{ partitionIndex: 0, leaderEpoch: 0, newIsr: [0], partitionEpoch: 0 }] }],
  }),
  ListPartitionReassignments: (name) => ({ timeoutMs: 1000, topics: [{ name, partitionIndexes: [0] }] }),
  DescribeTopicPartitions: (name) => ({ topics: [{ name }], responsePartitionLimit: 10, cursor: null }),
};

let broker: BrokerUnderTest;
let brokerEpoch: number;

beforeEach(async () => {
  broker = await BrokerUnderTest.start();
  await broker.createTopic('good', 1);
  await broker.connect().ask(FindCoordinator, 1, { key: 'a-group', keyType: 0 });
  const partitions = [{ partitionIndex: 0, committedOffset: 0, committedMetadata: '' }];
  const topics = [{ name: 'good', partitions }];
  const group = { groupId: 'a-group', generationIdOrMemberEpoch: -1, memberId: '' };
  const committed = await broker.connect().ask(OffsetCommit, 8, { ...group, topics });
  expect(codesIn(committed)).toEqual([ErrorCode.NONE]);
  const [id] = await broker.store.children('/brokers/ids');
  brokerEpoch = (await broker.store.get(`/brokers/ids/${id}`)).stat.czxid;
});
afterEach(() => broker.stop());

/** A recorded body with another name in the place of every topic's. */
function renamed(body: unknown, name: string): unknown {
  if (typeof body === 'string') return /^a-(topic|missing|del|auto-\d+|new-\d+)$/.test(body) ? name : body;
  if (Array.isArray(body)) return body.map((each) => renamed(each, name));
  if (typeof body !== 'object' || body === null || Buffer.isBuffer(body)) return body;
  return Object.fromEntries(Object.entries(body).map(([field, value]) => [field, renamed(value, name)]));
}

function codesIn(answer: unknown): number[] {
  if (typeof answer !== 'object' || answer === null || Buffer.isBuffer(answer)) return [];
  return Object.entries(answer).flatMap(([field, value]) =>
    /errorCode$/i.test(field) ? [Number(value)] : codesIn(value),
  );
}

/** What an API can be asked about a topic, by version. */
function* bodiesFor(handler: (typeof handlers)[number], name: string): Generator<{ version: number; body: object }> {
  const { api, maxVersion } = handler;
  const latest = Math.min(maxVersion, NAMED_UNTIL[api.name] ?? maxVersion);
  const more = MORE[api.name];
  if (more !== undefined) yield { version: latest, body: more(name) };
  for (const version of new Set([latest, ALSO_IN[api.name] ?? latest])) {
    for (const [what, make] of Object.entries(matrixRequests.get(api.key) ?? {})) {
      const body = make({
        topicId: ZERO_UUID,
        deletedTopicId: ZERO_UUID,
        version,
        count: 1,
        tokenOf: () => Buffer.alloc(0),
      });
      const asked = renamed(body, name) as object;
      const isNamed = JSON.stringify(asked) !== JSON.stringify(body);
      if (isNamed && what !== REFUSED_ANYHOW) yield { version, body: asked };
    }
  }
}

async function ask(handler: (typeof handlers)[number], version: number, body: object): Promise<Buffer> {
  // The types of an API and of a body made from its recorded one cannot be brought together.
  const header = { correlationId: 1, clientId: 'test' };
  const frame = Buffer.concat(encodeRequest(handler.api as never, version, header, body as never)).subarray(4);
  const answer = await broker.connect().sendFrame(frame);
  if (answer === null) throw new Error(`${handler.api.name} v${version} was not answered`);
  return answer;
}

async function treeOf(path: string): Promise<string[]> {
  const below = await broker.store.children(path);
  const trees = await Promise.all(below.map((name) => treeOf(`${path === '/' ? '' : path}/${name}`)));
  return [path, ...trees.flat()];
}

const named = handlers.filter(({ api }) => !WITHOUT_NAMES.includes(api.name));

describe.each(named.map((handler) => ({ name: handler.api.name, handler })))('$name', ({ name: api, handler }) => {
  it.each(NAMES)('of a name that no topic may have is refused before anything is looked up by it: %j', async (name) => {
    const nodes = await treeOf('/');
    const files = broker.disk.filesBelow('').map(({ path }) => path);
    let asked = 0;
    for (const { version, body } of bodiesFor(handler, name)) {
      const answer = await ask(handler, version, body);
      const { body: response } = decodeResponseFrame(handler.api as never, version, answer);
      const codes = codesIn(response).filter((code) => code !== ErrorCode.NONE);
      const expected = LEAVING_OUT.includes(api) || api === 'UpdateMetadata' ? [] : [ErrorCode.INVALID_TOPIC_EXCEPTION];
      expect([...new Set(codes)], `${api} v${version}`).toEqual(expected);
      // The name itself may be told, and nothing of where it would lie.
      expect(answer.toString('latin1').replaceAll(Buffer.from(name).toString('latin1'), '')).not.toContain('/brokers');
      asked += 1;
    }
    expect(asked).toBeGreaterThan(0);
    expect(await treeOf('/')).toEqual(nodes);
    expect(broker.disk.filesBelow('').map(({ path }) => path)).toEqual(files);
  });
});
