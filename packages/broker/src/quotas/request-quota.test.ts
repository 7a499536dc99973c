import {
  AlterClientQuotas,
  CreateTopics,
  DeleteTopics,
  ErrorCode,
  encodeRequest,
  Fetch,
  Metadata,
  Produce,
  ZERO_UUID,
} from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { handlerByKey } from '../handlers/registry.ts';
import type { AuthorizationRequest } from '../shared/authorization.ts';
import { BrokerUnderTest, batchOf, fetchBody, produceBody, type TestConnection } from '../testing/test-broker.ts';
import { matrixRequests } from '../testing/test-requests.ts';

/** A window of the rate; a request's time costs no longer rest. */
const WINDOW_MS = 1000;

let test: BrokerUnderTest;
let client: TestConnection;

beforeEach(async () => {
  test = await BrokerUnderTest.start();
  await test.createTopic('t');
  client = test.connect();
  client.context.principal = 'User:carol';
});
afterEach(() => test.stop());

async function limit(ops: Readonly<Record<string, number>>): Promise<void> {
  const entries = [
    {
      entity: [{ entityType: 'user', entityName: 'carol' }],
      ops: Object.entries(ops).map(([key, value]) => ({ key, value, remove: false })),
    },
  ];
  const answer = await client.ask(AlterClientQuotas, 1, { entries, validateOnly: false });
  expect(answer.entries[0]?.errorCode).toBe(0);
}

/** Each decision about rights takes the broker's thread so long. */
function workPerDecision(ms: number, isAllowed: (request: AuthorizationRequest) => boolean = () => true): void {
  test.authorizer = {
    isAllowed: (request) => {
      test.clock.advance(ms);
      return isAllowed(request);
    },
    isAllowedForAny: () => true,
  };
}

async function restOf(ask: () => Promise<unknown>): Promise<number> {
  client.restMs = 0;
  await ask();
  return client.restMs;
}

const describeTopic = () => client.ask(Metadata, 8, { topics: [{ name: 't' }] });

describe('the time that a request takes', () => {
  it('counts as it has kept the thread: what is within the share costs nothing, what is beyond it rest, and the answer says so', async () => {
    await limit({ request_percentage: 1 });
    workPerDecision(40);
    // A hundredth of ten seconds is there to be used.
    expect([await restOf(describeTopic), await restOf(describeTopic)]).toEqual([0, 0]);
    client.restMs = 0;
    const answer = await describeTopic();
    expect([answer.throttleTimeMs, client.restMs]).toEqual([WINDOW_MS, WINDOW_MS]);
    // Nobody else pays for it, and it is forgotten when its windows are over.
    const other = test.connect();
    other.context.principal = 'User:dave';
    await other.ask(Metadata, 8, { topics: [{ name: 't' }] });
    expect(other.restMs).toBe(0);
    test.clock.advance(11 * WINDOW_MS);
    expect(await restOf(describeTopic)).toBe(0);
  });

  it('counts in all the turns of a long request', async () => {
    const names = Array.from({ length: 3000 }, (_, number) => ({ name: `missing-${number}` }));
    let workedMs = 0;
    const monotonic = test.clock.monotonic.bind(test.clock);
    vi.spyOn(test.clock, 'monotonic').mockImplementation(() => monotonic() + workedMs);
    const isAllowed = (): boolean => {
      workedMs += 0.1;
      return true;
    };
    test.authorizer = { isAllowed, isAllowedForAny: () => true };
    const ask = async (): Promise<number> => {
      let isAnswered = false;
      const describe = () => client.ask(Metadata, 8, { topics: names, allowAutoTopicCreation: false });
      const rest = restOf(() => describe().finally(() => (isAnswered = true)));
      for (let tries = 0; !isAnswered && tries < 1000; tries += 1) await test.clock.advanceAsync(0);
      return rest;
    };
    // Some 300 ms of work, of which the first turn has some 20.
    await limit({ request_percentage: 2 });
    expect(await ask()).toBe(WINDOW_MS);
    expect(workedMs).toBeGreaterThan(299);
    workedMs += 12 * WINDOW_MS;
    await limit({ request_percentage: 8 });
    expect(await ask()).toBe(0);
  });

  it('counts as long as its answer is encoded, too, for which the next request rests', async () => {
    await limit({ request_percentage: 1 });
    const { encode } = Metadata.response;
    const encoding = vi.spyOn(Metadata.response, 'encode').mockImplementation((...args) => {
      test.clock.advance(150);
      return encode(...args);
    });
    try {
      expect(await restOf(describeTopic)).toBe(0);
    } finally {
      encoding.mockRestore();
    }
    workPerDecision(1);
    expect(await restOf(describeTopic)).toBe(WINDOW_MS);
  });

  it('costs a rest beside bytes, of which the longer counts', async () => {
    await limit({ request_percentage: 1, producer_byte_rate: 1_000_000 });
    workPerDecision(2000);
    const produce = async () => {
      client.restMs = 0;
      const answer = await client.ask(Produce, 9, produceBody('t', batchOf(['x'.repeat(20_000)])));
      return [answer.throttleTimeMs, client.restMs];
    };
    expect(await produce()).toEqual([WINDOW_MS, WINDOW_MS]);
    await limit({ producer_byte_rate: 1000 });
    const [told = 0, rest] = await produce();
    expect(told).toBeGreaterThan(5 * WINDOW_MS);
    expect(rest).toBe(told);
  });
});

/** Requests of brokers, each by its key with a body that a broker might send. */
const OF_BROKERS = [4, 5, 6, 7, 27, 56, 67] as const;

describe('a request of brokers', () => {
  async function askAsBroker(key: number): Promise<void> {
    const handler = handlerByKey.get(key);
    const [make] = Object.values(matrixRequests.get(key) ?? {});
    if (handler === undefined || make === undefined) throw new Error(`There is no request ${key}`);
    const version = handler.maxVersion;
    const world = { topicId: ZERO_UUID, deletedTopicId: ZERO_UUID, version, count: 1, tokenOf: () => Buffer.of() };
    const header = { correlationId: 1, clientId: 'test' };
    await client.sendFrame(
      Buffer.concat(encodeRequest(handler.api as never, version, header, make(world) as never)).subarray(4),
    );
  }

  it.each(OF_BROKERS)('counts for nobody who may act as one: %i', async (key) => {
    await limit({ request_percentage: 0 });
    workPerDecision(50);
    expect(await restOf(() => askAsBroker(key))).toBe(0);
  });

  it.each(OF_BROKERS)('counts for who is refused, like every other request, as Kafka has it: %i', async (key) => {
    await limit({ request_percentage: 0 });
    workPerDecision(50, () => false);
    expect(await restOf(() => askAsBroker(key))).toBe(WINDOW_MS);
  });

  it('is no Fetch of somebody who only says that he is a replica', async () => {
    await limit({ request_percentage: 0, consumer_byte_rate: 1 });
    const fetch = async () => {
      const answer = await client.ask(Fetch, 11, fetchBody({ topic: 't' }, 0, { replicaId: 2 }));
      return answer.responses[0]?.partitions[0]?.errorCode;
    };
    workPerDecision(50, ({ operation }) => operation !== 'ClusterAction');
    expect([await restOf(fetch), await fetch()]).toEqual([WINDOW_MS, ErrorCode.TOPIC_AUTHORIZATION_FAILED]);
    workPerDecision(50);
    expect(await restOf(fetch)).toBe(0);
  });
});

describe('a client that deletes too many partitions', () => {
  const create = async (name: string): Promise<void> => {
    const topic = { name, numPartitions: 12, replicationFactor: 1, assignments: [], configs: [] };
    const admin = test.connect();
    const answer = await admin.ask(CreateTopics, 7, { topics: [topic], timeoutMs: 10_000, validateOnly: false });
    expect(answer.topics[0]?.errorCode).toBe(0);
  };
  const remove = async (version: number, ...names: string[]) => {
    client.restMs = 0;
    const named =
      version >= 6 ? { topics: names.map((name) => ({ name, topicId: ZERO_UUID })) } : { topicNames: names };
    const answer = await client.ask(DeleteTopics, version, { ...named, timeoutMs: 10_000 });
    const codes = answer.responses.map(({ errorCode }) => errorCode);
    return { codes, throttleMs: answer.throttleTimeMs, restMs: client.restMs };
  };

  it('is refused with the time to wait, or let through and made to wait where he does not know the error', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await create(name);
    await limit({ controller_mutation_rate: 1 });
    // What has been saved up may be overdrawn once.
    expect(await remove(6, 'a')).toEqual({ codes: [0], throttleMs: 0, restMs: 0 });
    const refused = { codes: [ErrorCode.THROTTLING_QUOTA_EXCEEDED], throttleMs: 1000, restMs: 1000 };
    expect(await remove(6, 'b')).toEqual(refused);
    expect(await remove(5, 'b')).toEqual(refused);
    // Topics that are not there cost nothing.
    test.clock.advance(1000);
    expect(await remove(6, 'missing')).toMatchObject({ codes: [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION], throttleMs: 0 });
    expect(await remove(6, 'b')).toMatchObject({ codes: [0], throttleMs: 0 });
    expect(await remove(4, 'c')).toEqual({ codes: [0], throttleMs: 24_000, restMs: 24_000 });
    test.clock.advance(24_000);
    // Each topic of a request counts for itself.
    const both = await remove(6, 'd', 'e');
    expect(both.codes).toEqual([0, ErrorCode.THROTTLING_QUOTA_EXCEEDED]);
    expect(both.restMs).toBe(both.throttleMs);
    expect(both.throttleMs).toBeGreaterThan(0);
  });
});
