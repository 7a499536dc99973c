import { readFileSync } from 'node:fs';
import {
  decodeResponseFrame,
  encodeRequest,
  FindCoordinator,
  InitProducerId,
  OffsetCommit,
  ZERO_UUID,
} from '@millrace/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BrokerUnderTest } from '../testing/test-broker.ts';
import { matrixRequests } from '../testing/test-requests.ts';
import { EVERY_RULE, flattened, rulesOf } from '../testing/test-rights.ts';
import { handlerByKey, handlers } from './registry.ts';

interface Answer {
  readonly errors?: Readonly<Record<string, number>>;
  readonly bits?: Readonly<Record<string, number>>;
  readonly nullNames?: readonly string[];
  readonly closed?: boolean;
  readonly noAnswer?: boolean;
}

interface RecordedRequest {
  readonly api: string;
  readonly key: number;
  readonly version: number;
  readonly what: string;
  readonly answers: readonly { readonly rights: readonly number[]; readonly answer: Answer }[];
}

const [first = '', ...lines] = readFileSync(new URL('fixtures/authz-matrix-3.9.1.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n');
const { rights } = JSON.parse(first) as { readonly rights: readonly string[] };
const requests = lines.map((line) => JSON.parse(line) as RecordedRequest);

let test: BrokerUnderTest;
let topicId: string;
let count = 0;

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
  await test.connect().ask(FindCoordinator, 2, { key: 'a-txn', keyType: 1 });
  const producer = { transactionalId: 'a-txn', transactionTimeoutMs: 60_000 };
  await inTime(test.connect().ask(InitProducerId, 1, producer));
  topicId = test.broker.services.cluster.topic('a-topic')?.id as string;
  await commitOffsets();
  for (const owner of ['User:alice', 'User:bob']) {
    await test.broker.services.delegationTokens.create({ owner, requester: owner, renewers: [] }, -1);
  }
});
afterAll(() => test.stop());

async function commitOffsets(): Promise<void> {
  const topics = ['a-topic', 'z-topic'].map((name) => ({
    name,
    partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }],
  }));
  const group = { generationIdOrMemberEpoch: -1, memberId: '', topics };
  for (const groupId of ['a-group', 'z-group']) await test.connect().ask(OffsetCommit, 7, { groupId, ...group });
}

async function allow(right: string): Promise<void> {
  const rules = test.broker.services.accessRules;
  await rules?.remove([EVERY_RULE]);
  for (const { pattern, ...rule } of rulesOf(right)) await rules?.add(pattern, [rule]);
}

/** Lets time go by where an answer waits for it. */
async function inTime<T>(answer: Promise<T>): Promise<T> {
  let isThere = false;
  void answer.finally(() => {
    isThere = true;
  });
  for (let turns = 0; turns < 20 && !isThere; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  for (let turns = 0; turns < 50 && !isThere; turns += 1) await test.clock.advance(300);
  return answer;
}

function tokenOf(owner: string): Buffer {
  const { delegationTokens } = test.broker.services;
  for (const token of delegationTokens.all()) if (token.owner === owner) return delegationTokens.hmacOf(token);
  throw new Error(`${owner} has no token`);
}

async function ask({ key, version, what }: RecordedRequest): Promise<Answer> {
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
  const response = decodeResponseFrame(handler.api as never, version, answer).body as object;
  const all = Object.entries(flattened(response));
  const isBits = (path: string): boolean => /[oO]perations$/.test(path);
  return {
    errors: Object.fromEntries(all.filter(([path]) => !isBits(path))),
    bits: Object.fromEntries(all.filter(([path]) => isBits(path))),
  };
}

/** What is answered otherwise on purpose, wherever Kafka's answer is the one on the left. */
interface Difference {
  readonly key: number;
  readonly what: RegExp;
  readonly kafka: number;
  readonly here: number;
  readonly why: string;
}

const DIFFERENCES: readonly Difference[] = [
  {
    key: 3,
    what: /auto-creation$/,
    kafka: 5,
    here: 0,
    why: 'a topic that is made is answered for when it is there; docs/compatibility.md says so',
  },
  { key: 10, what: /^share key/, kafka: 15, here: 42, why: 'there are no share groups' },
  {
    key: 20,
    what: /existing topic by name/,
    kafka: 3,
    here: 0,
    why: 'the recording had deleted the topic one row before',
  },
  {
    key: 22,
    what: /^no transactional id/,
    kafka: 14,
    here: 0,
    why: 'the recorded broker was just taking a block of ids',
  },
];
const usedDifferences = new Set<Difference>();

/**
 * The part of an answer that is compared: paths with their codes. What is 0 as a whole is left out, for old versions have no such
 * field; so are operations that were not asked for, topics that only one of the two has for other tests, and the users that are there.
 */
function compared({ key, what }: RecordedRequest, { errors = {}, bits = {} }: Answer): string[] {
  const codes = Object.entries(errors)
    .map(([path, code]): [string, number] => [
      path.replace('a-del2', 'a-del').replace(/matchingAcls\[.*?\]/, 'matchingAcls[]'),
      code,
    ])
    .filter(([path, code]) => code !== 0 || !/^errorCode$|topicConfigErrorCode$|matchingAcls/.test(path))
    .filter(([path, code]) => key !== 50 || code !== 0 || !path.startsWith('results['));
  const operations = Object.entries(bits).filter(([, value]) => value !== -(2 ** 31));
  const all = [...codes, ...operations].filter(
    ([path]) => key !== 3 || !what.startsWith('all') || /\[[az]-topic\]/.test(path),
  );
  return all.map(([path, value]) => `${path}=${value}`).toSorted();
}

function withDifferences(request: RecordedRequest, { errors = {}, ...rest }: Answer): Answer {
  const changed = Object.entries(errors).flatMap(([path, code]): [string, number][] => {
    const difference = DIFFERENCES.find(
      (each) => each.key === request.key && each.what.test(request.what) && each.kafka === code,
    );
    if (difference === undefined) return [[path, code]];
    usedDifferences.add(difference);
    // A topic that is there has its partitions with it.
    const isTopic = difference.key === 3;
    return [
      [path, difference.here],
      ...(isTopic ? [[path.replace('.errorCode', '.partitions[0].errorCode'), 0] as [string, number]] : []),
    ];
  });
  return { ...rest, errors: Object.fromEntries(changed) };
}

describe.each(rights.map((right, index) => ({ right, index })))('with $right', ({ right, index }) => {
  it('every request is answered as Apache Kafka 3.9.1 answers it', async () => {
    await allow(right);
    const differing: string[] = [];
    for (const request of requests) {
      const handler = handlerByKey.get(request.key);
      if (handler === undefined || request.version < handler.minVersion || request.version > handler.maxVersion) {
        continue;
      }
      if (request.key === 20) await makeTopic('a-del');
      const recorded = request.answers.find((each) => each.rights.includes(index))?.answer ?? {};
      const given = await ask(request);
      const kafka = compared(request, withDifferences(request, recorded)).join(' ');
      const here = compared(request, given).join(' ');
      const isMissing = request.key === 3 && request.what.startsWith('missing topic');
      // The recording has not asked what may be done with a topic that is missing.
      const isSame = isMissing ? kafka === here.replace(/ ?\S*Operations=\d+/, '') : kafka === here;
      if (!isSame && recorded.noAnswer !== true) {
        differing.push(
          `${request.key} ${request.api} v${request.version} | ${request.what} | Kafka ${kafka} | here ${here}`,
        );
      }
    }
    expect(differing.join('\n')).toBe('');
  }, 60_000);
});

describe('the recorded requests', () => {
  it('ask every API that is served, but for those that came after', () => {
    const after = new Set([75]);
    const missing = handlers.filter(({ api }) => !matrixRequests.has(api.key) && !after.has(api.key));
    expect(missing.map(({ api }) => api.name)).toEqual([]);
  });

  it('differ from Kafka’s only where the list above says so, and all of the list is still so', () => {
    expect(DIFFERENCES.filter((each) => !usedDifferences.has(each))).toEqual([]);
  });
});
