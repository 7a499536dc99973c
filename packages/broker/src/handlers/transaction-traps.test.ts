/** What other coordinators of transactions stumbled over, by Kafka's issues: a coordinator's log that refuses writes, and failovers in between. */
import {
  DeleteGroups,
  DeleteTopics,
  DescribeTransactions,
  ErrorCode,
  Fetch,
  FindCoordinator,
  InitProducerId,
  OffsetDelete,
  WriteTxnMarkers,
} from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BrokerUnderTest, fetchBody, type TestConnection } from '../testing/test-broker.ts';
import { TestProducer } from '../testing/test-transactions.ts';

const TIMEOUT_MS = 60_000;
const CHECK_MS = 10_000;
const RETRY_MS = 100;
const RETRIES_MAX = 50;

let test: BrokerUnderTest;
let client: TestConnection;

beforeEach(async () => {
  test = await BrokerUnderTest.start({
    'transaction.state.log.num.partitions': '1',
    'offsets.topic.num.partitions': '1',
    'transactional.id.expiration.ms': String(TIMEOUT_MS),
    'transaction.remove.expired.transaction.cleanup.interval.ms': String(CHECK_MS),
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': String(CHECK_MS),
  });
  await test.createTopic('t', 1);
  client = test.connect();
  await client.ask(FindCoordinator, 3, { key: 'group', keyType: 0 });
});

afterEach(() => test.stop());

async function rest(): Promise<void> {
  for (let turn = 0; turn < 30; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Another term of the coordinator, which has what stands in its log and nothing else. */
async function failOver(): Promise<void> {
  await test.restart();
  client = test.connect();
  await rest();
}

/** Whether the disk has room for the coordinator's log. */
async function logTakesWrites(takes: boolean): Promise<void> {
  const isRefused = ({ kind, path }: { readonly kind: string; readonly path: string }): boolean =>
    kind === 'write' && path.startsWith('/data/__transaction_state-0');
  const full = (): Error => Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  test.disk.fault = takes ? undefined : (call) => (isRefused(call) ? full() : undefined);
  await rest();
}

async function advance(ms: number): Promise<void> {
  test.clock.advance(ms);
  await rest();
}

/** As clients do, while the coordinator's log goes back from what it could not write. */
async function retried(ask: () => Promise<number>): Promise<number> {
  for (let attempt = 0; attempt < RETRIES_MAX; attempt += 1) {
    const errorCode = await ask();
    if (errorCode !== ErrorCode.NOT_COORDINATOR) return errorCode;
    await advance(RETRY_MS);
  }
  return ErrorCode.NOT_COORDINATOR;
}

async function stateOf(id: string): Promise<string | number | undefined> {
  const [found] = (await client.ask(DescribeTransactions, 0, { transactionalIds: [id] })).transactionStates;
  return found?.errorCode === 0 ? found.transactionState : found?.errorCode;
}

async function lastStable(): Promise<readonly number[]> {
  const answer = await client.ask(Fetch, 11, fetchBody({ topic: 't' }, 0, { isolationLevel: 1 }));
  const { lastStableOffset, highWatermark } = answer.responses[0]!.partitions[0]!;
  return [lastStableOffset, highWatermark];
}

/** A producer with one record in an open transaction. */
async function opened(isRaising: boolean): Promise<TestProducer> {
  const producer = await TestProducer.start(test, 'id', isRaising);
  if (!isRaising) expect(await producer.add('t')).toBe(0);
  expect(await producer.produce('t', ['a'])).toBe(0);
  return producer;
}

/** A producer that goes by the same identity over another connection. */
async function like(producer: TestProducer, epoch = producer.epoch): Promise<TestProducer> {
  const { id, producerId, sequence, isRaising } = producer;
  return Object.assign(await TestProducer.start(test, 'other', isRaising), { id, producerId, epoch, sequence });
}

describe.each([false, true])('a transaction that raises epochs at its end: %s,', (isRaising) => {
  it('does not raise its epoch with each attempt to abort it that fails (KAFKA-9666)', async () => {
    const producer = await opened(isRaising);
    const { epoch } = producer;
    await logTakesWrites(false);
    await advance(TIMEOUT_MS);
    for (let attempt = 0; attempt < 4; attempt += 1) await advance(CHECK_MS + 1);
    expect(await stateOf('id')).toBe('Ongoing');
    expect(await lastStable()).toEqual([0, 1]);
    await logTakesWrites(true);
    await advance(CHECK_MS + 1);
    expect(await stateOf('id')).toBe('CompleteAbort');
    expect(await lastStable()).toEqual([2, 2]);
    // The one after the abort's, of which one is left out.
    const answer = await client.ask(InitProducerId, 4, { transactionalId: 'id', transactionTimeoutMs: TIMEOUT_MS });
    expect(answer).toMatchObject({ errorCode: 0, producerEpoch: epoch + 3 });
  });

  it('is ended in no other epoch than its own (KAFKA-9600)', async () => {
    const producer = await opened(isRaising);
    for (const difference of [-1, 1]) {
      const other = await like(producer, producer.epoch + difference);
      expect(await other.end(true)).toBe(ErrorCode.PRODUCER_FENCED);
      expect(await other.end(false)).toBe(ErrorCode.PRODUCER_FENCED);
    }
    expect(await lastStable()).toEqual([0, 1]);
    expect(await producer.end(true)).toBe(0);
  });

  it('is aborted in time by the coordinator that takes over just before', async () => {
    await opened(isRaising);
    await advance(TIMEOUT_MS - 1);
    await failOver();
    expect(await stateOf('id')).toBe('Ongoing');
    await advance(2);
    expect(await stateOf('id')).toBe('CompleteAbort');
    expect(await lastStable()).toEqual([2, 2]);
  });

  it('holds readers up until its timeout, and not until somebody looks for such', async () => {
    // So that the looks at intervals come at other times.
    await advance(CHECK_MS / 2);
    await opened(isRaising);
    await advance(TIMEOUT_MS);
    expect(await stateOf('id')).toBe('Ongoing');
    expect(await lastStable()).toEqual([0, 1]);
    await advance(1);
    expect(await stateOf('id')).toBe('CompleteAbort');
    expect(await lastStable()).toEqual([2, 2]);
  });

  it('is committed or not as the log says where its end could not be written, and stays its producer to decide', async () => {
    const producer = await opened(isRaising);
    await logTakesWrites(false);
    expect(await producer.end(true)).toBe(ErrorCode.NOT_COORDINATOR);
    expect(await lastStable()).toEqual([0, 1]);
    await logTakesWrites(true);
    expect(await retried(() => producer.end(true))).toBe(0);
    await rest();
    expect(await stateOf('id')).toBe('CompleteCommit');
    expect(await lastStable()).toEqual([2, 2]);
  });

  it('has the offsets of its group count as soon as their marker is answered (KAFKA-17507)', async () => {
    const producer = await TestProducer.start(test, 'id', isRaising);
    if (!isRaising) expect(await producer.addOffsets('group')).toBe(0);
    expect(await producer.commitOffset('group', 't', 7)).toBe(0);
    expect(await producer.committed('group', 't')).toBe(-ErrorCode.UNSTABLE_OFFSET_COMMIT);
    const { producerId, epoch: producerEpoch } = producer;
    const topics = [{ name: '__consumer_offsets', partitionIndexes: [0] }];
    const marker = { producerId, producerEpoch, transactionResult: true, coordinatorEpoch: 0, topics };
    for (let time = 0; time < 3; time += 1) {
      const answer = await client.ask(WriteTxnMarkers, 1, { markers: [marker] });
      expect(answer.markers[0]?.topics[0]?.partitions[0]?.errorCode).toBe(0);
      expect(await producer.committed('group', 't')).toBe(7);
    }
  });
});

const DELETIONS: Readonly<Record<string, () => Promise<number | undefined>>> = {
  topic: async () =>
    (await client.ask(DeleteTopics, 3, { topicNames: ['t'], timeoutMs: 1000 })).responses[0]?.errorCode,
  group: async () => (await client.ask(DeleteGroups, 1, { groupsNames: ['group'] })).results[0]?.errorCode,
  offset: async () => {
    const topics = [{ name: 't', partitions: [{ partitionIndex: 0 }] }];
    const answer = await client.ask(OffsetDelete, 0, { groupId: 'group', topics });
    return answer.topics[0]?.partitions[0]?.errorCode;
  },
};

describe.each(Object.keys(DELETIONS))('an offset in an open transaction whose %s is deleted', (what) => {
  it.each(['at once', 'by the next coordinator'])('is stable, and none that its end brings back: %s', async (when) => {
    const producer = await TestProducer.start(test, 'id');
    await producer.addOffsets('group');
    expect(await producer.commitOffset('group', 't', 7)).toBe(0);
    if (when === 'by the next coordinator') await failOver();
    expect(await DELETIONS[what]!()).toBe(0);
    await rest();
    const reader = await like(producer);
    expect(await reader.committed('group', 't')).toBe(-1);
    if (when === 'at once') await failOver();
    const again = await like(producer);
    expect(await again.committed('group', 't')).toBe(-1);
    expect(await again.end(true)).toBe(0);
    await rest();
    expect(await again.committed('group', 't')).toBe(-1);
  });
});

describe('a transactional id', () => {
  it('may be used again where it could not be forgotten for a time', async () => {
    const producer = await TestProducer.start(test, 'id');
    await logTakesWrites(false);
    await advance(TIMEOUT_MS + CHECK_MS + 1);
    await logTakesWrites(true);
    expect(await stateOf('id')).toBe('Empty');
    expect(await retried(() => producer.init())).toBe(0);
    expect(await producer.add('t')).toBe(0);
    expect(await producer.produce('t', ['a'])).toBe(0);
    expect(await producer.end(true)).toBe(0);
    await rest();
    expect(await lastStable()).toEqual([2, 2]);
    await advance(TIMEOUT_MS + CHECK_MS + 1);
    expect(await stateOf('id')).toBe(ErrorCode.TRANSACTIONAL_ID_NOT_FOUND);
  });
});
