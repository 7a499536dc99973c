/** Transactions at the ends of what their numbers can be, with a coordinator whose ends raise no epochs (`transaction.version` 0). */
import {
  AddOffsetsToTxn,
  AddPartitionsToTxn,
  DescribeTransactions,
  ErrorCode,
  FindCoordinator,
  InitProducerId,
  ListOffsets,
  Produce,
} from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BrokerUnderTest, batchOf, produceBody, type TestConnection } from '../testing/test-broker.ts';
import { TestProducer, writeEpoch } from '../testing/test-transactions.ts';

const EPOCH_MAX = 0x7fff;
const TIMEOUT_MS = 60_000;

let test: BrokerUnderTest;
let client: TestConnection;

beforeEach(async () => {
  test = await BrokerUnderTest.start({ 'transaction.state.log.num.partitions': '1' });
  raiseNoEpochs();
  await test.createTopic('t', 2);
  client = test.connect();
  await client.ask(FindCoordinator, 3, { key: 'group', keyType: 0 });
});

afterEach(() => test.stop());

function raiseNoEpochs(): void {
  raiseEpochs(false);
}

function raiseEpochs(raisesEpochs: boolean): void {
  vi.spyOn(test.broker.services.transactions.level, 'raisesEpochs', 'get').mockReturnValue(raisesEpochs);
}

async function rest(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A producer whose id is at an epoch. */
async function producerAt(epoch: number): Promise<TestProducer> {
  const producer = await TestProducer.start(test, 'id');
  const { producerId } = producer;
  await writeEpoch(client, { transactionalId: 'id', producerId, producerEpoch: epoch, nowMs: test.clock.now() });
  await test.restart();
  raiseNoEpochs();
  client = test.connect();
  await rest();
  return Object.assign(await TestProducer.start(test, 'other'), { id: 'id', producerId, epoch });
}

async function init(producerId: number, producerEpoch: number): Promise<readonly [number, number, number]> {
  const body = { transactionalId: 'id', transactionTimeoutMs: TIMEOUT_MS, producerId, producerEpoch };
  const answer = await client.ask(InitProducerId, 4, body);
  return [answer.errorCode, answer.producerId, answer.producerEpoch];
}

describe('a producer id whose epochs come to their end', () => {
  it('has epoch 32766 for its last', async () => {
    const { producerId } = await producerAt(32_765);
    expect(await init(-1, -1)).toEqual([0, producerId, 32_766]);
  });

  it('is followed by another, which one that asks again is given again', async () => {
    const { producerId } = await producerAt(32_766);
    const [errorCode, nextId, epoch] = await init(producerId, 32_766);
    expect([errorCode, epoch]).toEqual([0, 0]);
    expect(nextId).not.toBe(producerId);
    expect(await init(producerId, 32_766)).toEqual([0, nextId, 0]);
    expect(await init(producerId, 32_765)).toEqual([ErrorCode.PRODUCER_FENCED, -1, -1]);
    expect(await init(nextId, 0)).toEqual([0, nextId, 1]);
    // By now nobody's answer can be lost any more.
    expect(await init(producerId, 32_766)).toEqual([ErrorCode.PRODUCER_FENCED, -1, -1]);
  });

  it.each([false, true])('gives its last epoch again, ends raising epochs: %s', async (raisesEpochs) => {
    const { producerId } = await producerAt(32_765);
    raiseEpochs(raisesEpochs);
    for (let time = 0; time < 3; time += 1) expect(await init(producerId, 32_765)).toEqual([0, producerId, 32_766]);
    expect(await init(producerId, 32_764)).toEqual([ErrorCode.PRODUCER_FENCED, -1, -1]);
    const next = await init(producerId, 32_766);
    expect([next[0], next[2]]).toEqual([0, 0]);
    expect(next[1]).not.toBe(producerId);
    expect(await init(producerId, 32_765)).toEqual([ErrorCode.PRODUCER_FENCED, -1, -1]);
    expect(await init(producerId, 32_766)).toEqual(next);
  });

  it('is followed by another, given as often as it is asked for, when its last transaction took too long', async () => {
    const producer = await producerAt(32_766);
    raiseEpochs(true);
    await producer.add('t');
    expect(await producer.produce('t', ['a'])).toBe(0);
    test.clock.advance(TIMEOUT_MS + 10_001);
    await rest();
    expect(await describedAs('id')).toEqual(['CompleteAbort', producer.producerId, EPOCH_MAX]);
    const next = await init(producer.producerId, 32_766);
    expect([next[0], next[2]]).toEqual([0, 0]);
    expect(next[1]).not.toBe(producer.producerId);
    for (let time = 0; time < 2; time += 1) expect(await init(producer.producerId, 32_766)).toEqual(next);
  });

  it('is followed by another for who replaces its producer', async () => {
    const { producerId } = await producerAt(32_766);
    const [errorCode, nextId, epoch] = await init(-1, -1);
    expect([errorCode, epoch]).toEqual([0, 0]);
    expect(nextId).not.toBe(producerId);
    expect(await init(producerId, 32_766)).toEqual([ErrorCode.PRODUCER_FENCED, -1, -1]);
  });

  it.each(['another comes', 'its time is over'])('has what is open aborted with epoch 32767, when %s', async (when) => {
    const producer = await producerAt(32_766);
    await producer.add('t');
    expect(await producer.produce('t', ['a'])).toBe(0);
    if (when === 'another comes') {
      expect(await init(-1, -1)).toEqual([ErrorCode.CONCURRENT_TRANSACTIONS, -1, -1]);
    } else {
      test.clock.advance(TIMEOUT_MS + 10_001);
    }
    await rest();
    expect(await describedAs('id')).toEqual(['CompleteAbort', producer.producerId, EPOCH_MAX]);
    expect(await producer.produce('t', ['late'])).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
    expect(await producer.end(true)).toBe(ErrorCode.PRODUCER_FENCED);
    const [errorCode, nextId, epoch] = await init(-1, -1);
    expect([errorCode, epoch]).toEqual([0, 0]);
    expect(nextId).not.toBe(producer.producerId);
  });
});

async function describedAs(transactionalId: string): Promise<readonly [string, number, number]> {
  const answer = await client.ask(DescribeTransactions, 0, { transactionalIds: [transactionalId] });
  const [found] = answer.transactionStates;
  return [found!.transactionState, found!.producerId, found!.producerEpoch];
}

const STATES = ['Empty', 'Ongoing', 'PrepareCommit', 'PrepareAbort', 'CompleteCommit', 'CompleteAbort'] as const;

/** A producer of epoch 2, whose id is in a state. */
async function producerIn(state: (typeof STATES)[number]): Promise<TestProducer> {
  const producer = await TestProducer.start(test, 'id');
  await producer.init();
  await producer.init();
  if (state === 'Empty') return producer;
  await producer.add('t');
  if (state.startsWith('Prepare')) test.broker.services.transactions.coordinator.holdMarkers();
  if (state !== 'Ongoing') await producer.end(state.endsWith('Commit'));
  await rest();
  return producer;
}

type Asked = (as: TestProducer) => Promise<number | undefined>;

const ASKED: Readonly<Record<string, Asked>> = {
  AddPartitionsToTxn: (as) => as.add('t', [1]),
  AddOffsetsToTxn: async (as) => {
    const { id: transactionalId, producerId, epoch: producerEpoch } = as;
    const body = { transactionalId, producerId, producerEpoch, groupId: 'group' };
    return (await client.ask(AddOffsetsToTxn, 3, body)).errorCode;
  },
  'AddPartitionsToTxn of a broker': async (as) => {
    const { id: transactionalId, producerId, epoch: producerEpoch } = as;
    const topics = [{ name: 't', partitions: [0] }];
    const transactions = [{ transactionalId, producerId, producerEpoch, verifyOnly: true, topics }];
    const answer = await client.ask(AddPartitionsToTxn, 4, { transactions });
    return answer.resultsByTransaction[0]?.topicResults[0]?.resultsByPartition[0]?.partitionErrorCode;
  },
  'EndTxn, commit': (as) => as.end(true),
  'EndTxn, abort': (as) => as.end(false),
  TxnOffsetCommit: (as) => as.commitOffset('group', 't', 1),
  Produce: (as) => as.produce('t', ['a']),
};

describe.each(STATES)('a transactional id in the state %s', (state) => {
  it.each([-1, 0, EPOCH_MAX])('is left as it is by whoever has epoch %i', async (epoch) => {
    const producer = await producerIn(state);
    const before = await describedAs('id');
    expect(before).toEqual([state, producer.producerId, 2]);
    const other = Object.assign(await TestProducer.start(test, 'other'), { ...producer, epoch });
    for (const [what, ask] of Object.entries(ASKED)) {
      other.sequence = 0;
      const asked = ask(other);
      await rest();
      // What may wait for markers is given the time that it waits at most.
      test.clock.advance(100);
      const code = await asked;
      expect(codesOf(what, state), `${what}: ${code}`).toContain(code);
      expect(await describedAs('id'), what).toEqual(before);
    }
    const markers = state.startsWith('Complete') ? 1 : 0;
    expect(await ends()).toEqual([markers, markers]);
  });

  it.each([-1, 0, EPOCH_MAX])('gives epoch %i no next one', async (epoch) => {
    const { producerId } = await producerIn(state);
    const before = await describedAs('id');
    const [errorCode] = await init(producerId, epoch);
    await rest();
    if (epoch === -1) expect(errorCode).toBe(ErrorCode.INVALID_REQUEST);
    // As with Kafka, whoever has the producer id has what is open aborted.
    else if (state === 'Ongoing' || state.startsWith('Prepare')) expect(errorCode).toBe(51);
    else expect(errorCode).toBe(ErrorCode.PRODUCER_FENCED);
    const isAborted = epoch !== -1 && state === 'Ongoing';
    expect(await describedAs('id')).toEqual(isAborted ? ['CompleteAbort', producerId, 3] : before);
  });
});

/** How one is refused that has another epoch. */
function codesOf(what: string, state: string): readonly number[] {
  const isWritten = what === 'Produce' || what === 'TxnOffsetCommit';
  const fenced = isWritten ? ErrorCode.INVALID_PRODUCER_EPOCH : ErrorCode.PRODUCER_FENCED;
  const isWaiting = state.startsWith('Prepare') && (what === 'AddPartitionsToTxn' || what === 'AddOffsetsToTxn');
  return [isWaiting ? ErrorCode.CONCURRENT_TRANSACTIONS : fenced];
}

async function listed(timestamp: number, isolationLevel: number): Promise<number | undefined> {
  const topics = [{ name: 't', partitions: [{ partitionIndex: 0, timestamp }] }];
  const answer = await client.ask(ListOffsets, 7, { replicaId: -1, isolationLevel, topics });
  return answer.topics[0]?.partitions[0]?.offset;
}

/** The last stable offset and the end. */
async function ends(): Promise<(number | undefined)[]> {
  return [await listed(-1, 1), await listed(-1, 0)];
}

describe('a search by time', () => {
  it('finds what is not decided yet for those alone who read it', async () => {
    const writeAt = async (timestamp: number): Promise<void> => {
      const body = produceBody('t', batchOf(['plain'], {}, timestamp));
      expect((await client.ask(Produce, 9, body)).responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
    };
    const producer = await TestProducer.start(test, 'id');
    const startMs = 1_700_000_000_000;
    await writeAt(startMs - 1000);
    await producer.add('t');
    // At `startMs`.
    await producer.produce('t', ['open']);
    await writeAt(startMs + 1000);
    expect(await ends()).toEqual([1, 3]);
    for (const timestamp of [startMs, startMs + 1000]) {
      expect(await listed(timestamp, 0)).toBe(timestamp === startMs ? 1 : 2);
      expect(await listed(timestamp, 1)).toBe(-1);
    }
    expect(await listed(startMs - 1000, 1)).toBe(0);
    await producer.end(false);
    await rest();
    expect(await listed(startMs, 1)).toBe(1);
    expect(await listed(startMs + 1000, 1)).toBe(2);
  });
});
