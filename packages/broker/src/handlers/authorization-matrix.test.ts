import { readFileSync } from 'node:fs';
import {
  AlterClientQuotas,
  AlterUserScramCredentials,
  DescribeTopicPartitions,
  decodeResponseFrame,
  ErrorCode,
  encodeRequest,
  FindCoordinator,
  InitProducerId,
  OffsetCommit,
  ZERO_UUID,
} from '@millrace/protocol';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { BrokerUnderTest, batchOf, produceTo } from '../testing/test-broker.ts';
import {
  compared,
  DIFFERENCES,
  isUnserved,
  LENGTH_DIFFERENCES,
  LOOSELY,
  type RecordedRequest,
  type RightsAnswer,
  recordedFrom,
  rightsAnswer,
  TEXT_DIFFERENCES,
  textDifferences,
  UNCOMPARED,
  UNSERVED,
  usedDifferences,
  withDifferences,
} from '../testing/test-recorded-rights.ts';
import { matrixRequests } from '../testing/test-requests.ts';
import { EVERY_RULE, rulesOf } from '../testing/test-rights.ts';
import { TestProducer } from '../testing/test-transactions.ts';
import { handlerByKey, handlers } from './registry.ts';

const { rights, requests } = recordedFrom(
  readFileSync(new URL('fixtures/authz-matrix-3.9.1.jsonl', import.meta.url), 'utf8'),
);

let test: BrokerUnderTest;
let topicId: string;
let count = 0;
/** Has a transaction in which is `a-topic` when it is asked for. */
let producer: TestProducer;

async function makeTopic(name: string): Promise<void> {
  if (test.broker.services.cluster.topic(name) === undefined) await test.createTopic(name);
}

beforeAll(async () => {
  test = await BrokerUnderTest.start({
    'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
    'super.users': 'User:ANONYMOUS',
    'broker.id': '0',
    'delegation.token.secret.key': 'test-secret',
  });
  for (const topic of ['a-topic', 'z-topic', 'a-del']) await makeTopic(topic);
  await test.connect().ask(FindCoordinator, 2, { key: 'a-group', keyType: 0 });
  for (const id of ['a-other-txn', 'z-txn']) await inTime(TestProducer.start(test, id));
  producer = await inTime(TestProducer.start(test, 'a-txn'));
  topicId = test.broker.services.cluster.topic('a-topic')?.id as string;
  await commitOffsets();
  await produceIdempotently();
  await makeQuotasAndUsers();
}, 60_000);
afterAll(() => test.stop());

async function commitOffsets(): Promise<void> {
  const topics = ['a-topic', 'z-topic'].map((name) => ({
    name,
    partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }],
  }));
  const group = { generationIdOrMemberEpoch: -1, memberId: '', topics };
  for (const groupId of ['a-group', 'z-group']) await test.connect().ask(OffsetCommit, 7, { groupId, ...group });
}

/** Somebody had written to the topic when the answers were recorded. */
async function produceIdempotently(): Promise<void> {
  const producer = { transactionalId: null, transactionTimeoutMs: 60_000 };
  const { producerId, producerEpoch } = await test.connect().ask(InitProducerId, 1, producer);
  await produceTo(test, 'a-topic', batchOf(['a'], { producerId, producerEpoch, baseSequence: 0 }));
}

/** The quotas and the users of SCRAM that were there. */
async function makeQuotasAndUsers(): Promise<void> {
  const entities = [{ user: 'a', 'client-id': 'c' }, { user: 'b' }, { user: 'c', 'client-id': 'c' }, { user: 'd' }];
  const entries = [...entities, { 'client-id': 'c' }].map((entity) => ({
    entity: Object.entries(entity).map(([entityType, entityName]) => ({ entityType, entityName })),
    ops: [{ key: 'producer_byte_rate', value: 1e9, remove: false }],
  }));
  await test.connect().ask(AlterClientQuotas, 1, { entries, validateOnly: false });
  const users = { alice: [1, 2], dave: [1], 'o,p=q': [1, 2], 'ü, =/': [1] };
  const password = { iterations: 4096, salt: Buffer.from('salt'), saltedPassword: Buffer.alloc(32) };
  for (const [name, mechanisms] of Object.entries(users)) {
    for (const mechanism of mechanisms) {
      const upsertions = [{ name, mechanism, ...password }];
      await test.connect().ask(AlterUserScramCredentials, 0, { deletions: [], upsertions });
    }
  }
}

/** The rule that one recorded request makes, and another takes away. */
const NOBODYS = {
  pattern: { type: 'Topic', name: 'a-acl', isPrefix: false },
  rule: { principal: 'User:nobody', host: '*', operation: 'Read', permissionType: 'Allow' },
} as const;

/** Puts back what other requests have changed, before one whose answer tells of it. */
async function restore({ key }: RecordedRequest): Promise<void> {
  if (key === 20) await makeTopic('a-del');
  if (key === 31) await test.broker.services.accessRules?.add(NOBODYS.pattern, [NOBODYS.rule]);
  // The tokens are asked for their secrets, too.
  if (key >= 38 && key <= 41) await restoreTokens();
  if (key !== 65 && key !== 66) return;
  // The one before is aborted first, which takes its time.
  while ((await inTime(producer.init())) === ErrorCode.CONCURRENT_TRANSACTIONS) await test.clock.advanceAsync(300);
  await producer.add('a-topic');
}

/** What is asked next shall not wait until the transaction is aborted. */
async function tidy({ key }: RecordedRequest): Promise<void> {
  if (key === 65 || key === 66) await inTime(producer.end(false));
}

/** One of alice and one of bob. */
async function restoreTokens(): Promise<void> {
  const { delegationTokens } = test.broker.services;
  for (const token of [...delegationTokens.all()]) {
    await delegationTokens.expire(delegationTokens.hmacOf(token), token.owner, -1);
  }
  for (const owner of ['User:alice', 'User:bob']) {
    await delegationTokens.create({ owner, requester: owner, renewers: [] }, -1);
  }
}

async function allow(right: string): Promise<void> {
  const rules = test.broker.services.accessRules;
  await rules?.remove([EVERY_RULE]);
  for (const { pattern, ...rule } of rulesOf(right)) await rules?.add(pattern, [rule]);
}

/** Lets time go by where an answer waits for it. */
async function inTime<T>(answer: Promise<T>): Promise<T> {
  let isThere = false;
  const noted = (): void => {
    isThere = true;
  };
  answer.then(noted, noted);
  for (let turns = 0; turns < 20 && !isThere; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  for (let turns = 0; turns < 50 && !isThere; turns += 1) await test.clock.advanceAsync(300);
  return answer;
}

function tokenOf(owner: string): Buffer {
  const { delegationTokens } = test.broker.services;
  for (const token of delegationTokens.all()) if (token.owner === owner) return delegationTokens.hmacOf(token);
  throw new Error(`${owner} has no token`);
}

async function ask(request: RecordedRequest): Promise<RightsAnswer> {
  const { key, version, what } = request;
  const handler = handlerByKey.get(key);
  const make = matrixRequests.get(key)?.[what];
  if (handler === undefined || make === undefined) throw new Error(`Nobody can ask ${key} v${version}: ${what}`);
  count += 1;
  const client = test.connect();
  client.context.principal = 'User:alice';
  // Over plain text nobody is given tokens.
  Object.assign(client.context, { securityProtocol: 'SASL_PLAINTEXT' });
  const deletedTopicId = test.broker.services.cluster.topic('a-del')?.id ?? ZERO_UUID;
  const body = make({ topicId, deletedTopicId, version, count, tokenOf });
  const header = { correlationId: count, clientId: 'alice' };
  const frame = Buffer.concat(encodeRequest(handler.api as never, version, header, body as never)).subarray(4);
  const answer = await inTime(client.sendFrame(frame));
  if (answer === null) return { noAnswer: true };
  return rightsAnswer(request, decodeResponseFrame(handler.api as never, version, answer).body as object);
}

/** What they do hangs on no right: logins, what a broker can do, and tokens, which are renewed and ended by whose they are. */
const UNASKED = ['SaslHandshake', 'ApiVersions', 'SaslAuthenticate', 'RenewDelegationToken', 'ExpireDelegationToken'];

/** Whether a right is asked for in what is done, all of them being refused. */
async function asksIn(work: () => Promise<unknown>): Promise<boolean> {
  const { authorizer } = test.broker.services;
  const spies = [vi.spyOn(authorizer, 'isAllowed'), vi.spyOn(authorizer, 'isAllowedForAny')];
  for (const spy of spies) spy.mockReturnValue(false);
  await work();
  const asked = spies.some(({ mock }) => mock.calls.length > 0);
  for (const spy of spies) spy.mockRestore();
  return asked;
}

/** Kafka 3.9.1 does not answer who asks for all users without the right to: its handler has a mistake. Here it is a refusal like others. */
const REFUSED_INSTEAD: RightsAnswer = { errors: { errorCode: 31 } };

/** What the two answers differ in; undefined where they are the same. */
function difference(
  request: RecordedRequest,
  right: string,
  recorded: RightsAnswer,
  given: RightsAnswer,
): string | undefined {
  const expected = recorded.noAnswer === true ? REFUSED_INSTEAD : withDifferences(request, recorded);
  const kafka = compared(request, expected, right).join(' ');
  const here = compared(request, given, right).join(' ');
  // The recording has not asked what may be done with a topic that is missing.
  const isMissing = request.key === 3 && request.what.startsWith('missing topic');
  if (kafka === (isMissing ? here.replace(/ ?\S*Operations=\d+/, '') : here)) return undefined;
  return `${request.key} ${request.api} v${request.version} | ${request.what} | Kafka ${kafka} | here ${here}`;
}

describe.each(rights.map((right, index) => ({ right, index })))('with $right', ({ right, index }) => {
  it('every request is answered as Apache Kafka 3.9.1 answers it', async () => {
    await allow(right);
    const differing: string[] = [];
    for (const request of requests) {
      if (isUnserved(request)) continue;
      await restore(request);
      const recorded = request.answers.find((each) => each.rights.includes(index))?.answer;
      if (recorded === undefined) throw new Error(`${request.api} v${request.version} was not recorded with ${right}`);
      const given = await ask(request);
      const found = difference(request, right, recorded, given);
      for (const text of textDifferences(request, recorded, given)) differing.push(text);
      await tidy(request);
      if (found !== undefined) differing.push(found);
    }
    expect(differing.join('\n')).toBe('');
  }, 60_000);
});

describe('the recorded requests', () => {
  it('ask every API that is served, but for those that came after', () => {
    // Its rights are held in authorized-operations.test.ts.
    const after = new Set([75]);
    const missing = handlers.filter(({ api }) => !matrixRequests.has(api.key) && !after.has(api.key));
    expect(missing.map(({ api }) => api.name)).toEqual([]);
  });

  it('have every API ask for rights, but for those that belong to nobody, or to who asks', async () => {
    const asking = new Set<string>();
    for (const request of requests) {
      if (isUnserved(request)) continue;
      await restore(request);
      if (await asksIn(() => ask(request))) asking.add(request.api);
      await tidy(request);
    }
    const topics = { topics: [{ name: 'a-topic' }], responsePartitionLimit: 10, cursor: null };
    const asks = await asksIn(() => test.connect().ask(DescribeTopicPartitions, 0, topics));
    if (asks) asking.add(DescribeTopicPartitions.name);
    const silent = handlers.filter(({ api }) => !asking.has(api.name)).map(({ api }) => api.name);
    expect(silent).toEqual(UNASKED);
  }, 60_000);

  it('are served in every version that Kafka advertises, but for those of the list above', () => {
    const isServed = ({ key, version }: RecordedRequest): boolean => {
      const handler = handlerByKey.get(key);
      return handler !== undefined && version >= handler.minVersion && version <= handler.maxVersion;
    };
    const named = ({ api, version }: RecordedRequest): string => `${api} v${version}`;
    const unserved = requests.filter((request) => !isServed(request)).map(named);
    expect(unserved).toEqual(requests.filter(isUnserved).map(named));
    // For each of 36 sets of rights.
    expect(unserved).toHaveLength(7);
  });

  it('differ from Kafka’s only where the lists above say so, and all of the lists is still so', () => {
    const all: readonly object[] = [
      ...DIFFERENCES,
      ...TEXT_DIFFERENCES,
      ...LENGTH_DIFFERENCES,
      ...LOOSELY,
      ...UNCOMPARED,
      ...UNSERVED,
    ];
    expect(all.filter((each) => !usedDifferences.has(each))).toEqual([]);
  });
});
