/** Transactions whose producer gets a new epoch with each (KIP-890, `transaction.version` 2), through frames. */
import {
  AddPartitionsToTxn,
  EndTxn,
  ErrorCode,
  Fetch,
  FindCoordinator,
  InitProducerId,
  WriteTxnMarkers,
} from '@millrace/protocol';
import { readRecords, splitBatches } from '@millrace/records';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BrokerUnderTest, fetchBody, type TestConnection } from '../testing/test-broker.ts';
import { TestProducer, writeEpoch } from '../testing/test-transactions.ts';

const TIMEOUT_MS = 60_000;

let test: BrokerUnderTest;
let client: TestConnection;

beforeEach(async () => {
  test = await BrokerUnderTest.start({ 'transaction.state.log.num.partitions': '1' });
  await test.createTopic('t', 2);
  client = test.connect();
  await client.ask(FindCoordinator, 3, { key: 'group', keyType: 0 });
});

afterEach(() => test.stop());

const newProducer = (id = 'id'): Promise<TestProducer> => TestProducer.start(test, id, true);

async function rest(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function ends(index = 0): Promise<readonly number[]> {
  const topics = [{ topic: 't', partitions: [{ partition: index, fetchOffset: 0, partitionMaxBytes: 1_000_000 }] }];
  const answer = await client.ask(Fetch, 11, { ...fetchBody({ topic: 't' }, 0, { isolationLevel: 1 }), topics });
  const found = answer.responses[0]!.partitions[0]!;
  return [found.lastStableOffset, found.highWatermark];
}

/** Has the coordinator find an id at an epoch, as if 32,000 transactions had been. */
async function giveEpoch(transactionalId: string, producerId: number, producerEpoch: number): Promise<void> {
  await writeEpoch(client, { transactionalId, producerId, producerEpoch, nowMs: test.clock.now() });
  await test.restart();
  client = test.connect();
  await rest();
}

/** EndTxn of an epoch that need not be the producer's. */
async function endAs({ id, producerId }: TestProducer, producerEpoch: number, committed: boolean, as = producerId) {
  const { errorCode, ...given } = await client.ask(EndTxn, 5, {
    transactionalId: id,
    producerId: as,
    producerEpoch,
    committed,
  });
  return errorCode === 0 ? [given.producerId, given.producerEpoch] : errorCode;
}

describe('a transaction that raises the epoch', () => {
  it('needs no word to the coordinator: leaders add their partitions, and its end gives the next epoch', async () => {
    const producer = await newProducer();
    const { producerId, epoch } = producer;
    for (let round = 0; round < 3; round += 1) {
      expect(await producer.produce('t', ['a'])).toBe(0);
      // Each partition counts for itself.
      producer.sequence = 0;
      expect(await producer.produce('t', ['b'], 1)).toBe(0);
      expect(await producer.produce('t', ['c'])).toBe(0);
      expect(await producer.commitOffset('group', 't', round + 5)).toBe(0);
      expect(await producer.end(true)).toBe(0);
      expect([producer.producerId, producer.epoch]).toEqual([producerId, epoch + round + 1]);
    }
    await rest();
    expect(await ends()).toEqual([9, 9]);
    expect(await ends(1)).toEqual([6, 6]);
    expect(await producer.committed('group', 't')).toBe(7);
  });

  it('cannot be ended, nor written to, by what comes late from the one before', async () => {
    const producer = await newProducer();
    const { producerId, epoch } = producer;
    await producer.produce('t', ['a']);
    await producer.end(true);
    await rest();
    const late = Object.assign(await newProducer('other'), { id: 'id', producerId, epoch, sequence: 1 });
    expect(await late.produce('t', ['late'])).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
    expect(await ends()).toEqual([2, 2]);
    await producer.produce('t', ['b']);
    expect(await endAs(producer, epoch, true)).toBe(ErrorCode.PRODUCER_FENCED);
    expect(await late.produce('t', ['late'])).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
    expect(await late.commitOffset('group', 't', 5)).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
    expect(await ends()).toEqual([2, 3]);
    expect(await producer.end(false)).toBe(0);
    await rest();
    expect(await ends()).toEqual([4, 4]);
  });

  it.each([0, 32_763, 32_764, 32_765])(
    'is not ended again, for one that was replaced at epoch %i, by a producer whose ends do not raise it',
    async (epoch) => {
      const { producerId } = await newProducer();
      if (epoch > 0) await giveEpoch('id', producerId, epoch);
      const zombie = Object.assign(await newProducer('other'), { id: 'id', producerId, epoch });
      for (const isCommit of [true, false]) {
        const producer = await TestProducer.start(test, 'id');
        expect(await producer.add('t')).toBe(0);
        expect(await producer.produce('t', ['a'])).toBe(0);
        expect(await producer.end(isCommit)).toBe(0);
        await rest();
        for (const restarts of [false, true]) {
          if (restarts) await test.restart();
          client = test.connect();
          await rest();
          const answer = await endAs(zombie, zombie.epoch, isCommit);
          const isOtherId = producer.producerId !== zombie.producerId;
          expect(answer).toBe(isOtherId ? ErrorCode.INVALID_PRODUCER_ID_MAPPING : ErrorCode.PRODUCER_FENCED);
        }
        Object.assign(zombie, { producerId: producer.producerId, epoch: producer.epoch });
      }
    },
  );

  it('is begun by its first batch in a partition and by no later one, which waits for that', async () => {
    const producer = await newProducer();
    producer.sequence = 1;
    expect(await producer.produce('t', ['second'])).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(await ends()).toEqual([0, 0]);
    producer.sequence = 0;
    expect(await producer.produce('t', ['first'])).toBe(0);
    expect(await producer.produce('t', ['second'])).toBe(0);
  });

  it('is written to by what follows at once, before the markers of the last one are written', async () => {
    const producer = await newProducer();
    for (let round = 0; round < 20; round += 1) {
      // Nothing is waited for in between.
      expect(await producer.produce('t', ['a'])).toBe(0);
      expect(await producer.end(round % 2 === 0)).toBe(0);
    }
    await rest();
    expect(await ends()).toEqual([40, 40]);
  });

  it('is not ended by a marker of the one before that comes late or twice', async () => {
    const producer = await newProducer();
    await producer.produce('t', ['a']);
    await producer.end(true);
    await rest();
    const { producerId, epoch: producerEpoch } = producer;
    const mark = async (transactionVersion: number, of = producerEpoch): Promise<number | undefined> => {
      const topics = [{ name: 't', partitionIndexes: [0] }];
      const marker = { producerId, producerEpoch: of, transactionResult: true, coordinatorEpoch: 0, topics };
      const answer = await client.ask(WriteTxnMarkers, 2, { markers: [{ ...marker, transactionVersion }] });
      return answer.markers[0]?.topics[0]?.partitions[0]?.errorCode;
    };
    // Nothing is open: it was written before, and whoever asks again is told so.
    expect(await mark(2)).toBe(0);
    await producer.produce('t', ['b']);
    expect(await mark(2)).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
    expect(await mark(2, producerEpoch - 1)).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
    const [lastStableOffset, highWatermark] = await ends();
    expect(highWatermark).toBe(lastStableOffset! + 1);
    // An administrator ends it all the same.
    expect(await mark(0)).toBe(0);
    expect(await ends()).toEqual([highWatermark! + 1, highWatermark! + 1]);
  });

  it('spreads over many partitions at once', async () => {
    await test.createTopic('wide', 12);
    const producer = await newProducer();
    for (let round = 0; round < 3; round += 1) {
      const codes = Array.from({ length: 12 }, (_, index) => {
        producer.sequence = 0;
        return producer.produce('wide', ['a'], index);
      });
      expect(new Set(await Promise.all(codes))).toEqual(new Set([0]));
      expect(await producer.end(round === 1)).toBe(0);
    }
    await rest();
    const topics = Array.from({ length: 12 }, (_, partition) => ({
      partition,
      fetchOffset: 0,
      partitionMaxBytes: 10_000,
    }));
    const body = {
      ...fetchBody({ topic: 'wide' }, 0, { isolationLevel: 1 }),
      topics: [{ topic: 'wide', partitions: topics }],
    };
    const found = (await client.ask(Fetch, 11, body)).responses[0]!.partitions;
    expect(found.map(({ lastStableOffset }) => lastStableOffset)).toEqual(new Array(12).fill(6));
  });

  it('is aborted when it takes too long; its producer may go on with the epoch that its abort gives', async () => {
    const producer = await newProducer();
    await producer.produce('t', ['a']);
    test.clock.advance(TIMEOUT_MS + 10_001);
    await rest();
    expect(await ends()).toEqual([2, 2]);
    expect(await producer.produce('t', ['late'])).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
    expect(await endAs(producer, producer.epoch, true)).toBe(ErrorCode.INVALID_TXN_STATE);
    expect(await producer.end(false)).toBe(0);
    expect(await producer.produce('t', ['b'])).toBe(0);
    expect(await producer.end(true)).toBe(0);
  });
});

describe('a cluster that a Kafka below 3.8 may join, by its inter.broker.protocol.version', () => {
  const older = { 'inter.broker.protocol.version': '3.7' };

  /** The versions of all values of `__transaction_state` from an offset on, and where it ends. */
  async function valueVersions(from = 0): Promise<{ versions: number[]; end: number }> {
    const answer = await client.ask(Fetch, 11, fetchBody({ topic: '__transaction_state' }, from));
    const found = answer.responses[0]!.partitions[0]!;
    const records = found.records ?? Buffer.alloc(0);
    const values = [...splitBatches(records)].flatMap((at) => [...readRecords(records.subarray(at))]);
    return { versions: values.map(({ value }) => value!.readInt16BE(0)), end: found.highWatermark };
  }

  async function restart(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    await test.restart(settings);
    client = test.connect();
    await rest();
  }

  /** A producer as it was, on a connection of its own. */
  async function again({ producerId, epoch }: Pick<TestProducer, 'producerId' | 'epoch'>): Promise<TestProducer> {
    return Object.assign(await newProducer('other'), { id: 'id', producerId, epoch });
  }

  /** A producer whose next end is the last of its producer id. */
  async function newExhausted(): Promise<TestProducer> {
    const { producerId } = await newProducer();
    await giveEpoch('id', producerId, 32_766);
    return again({ producerId, epoch: 32_766 });
  }

  it('writes anew what such a broker cannot read, once, and goes on with it', async () => {
    const producer = await newExhausted();
    await producer.produce('t', ['a']);
    expect(await producer.end(true)).toBe(0);
    await rest();
    const before = await valueVersions();
    expect(before.versions.at(-1)).toBe(1);
    await restart(older);
    const rewritten = await valueVersions(before.end);
    expect(rewritten.versions).toEqual([0]);
    await restart();
    expect((await valueVersions()).end).toBe(rewritten.end);
    const successor = await again(producer);
    expect(await successor.produce('t', ['b'])).toBe(0);
    expect(await successor.end(true)).toBe(0);
    await rest();
    expect(await ends()).toEqual([4, 4]);
  });

  it('is not left with what such a broker cannot read by a transaction that was being completed', async () => {
    const producer = await newProducer();
    await producer.produce('t', ['a']);
    test.broker.services.transactions.coordinator.holdMarkers();
    expect(await producer.end(true)).toBe(0);
    await rest();
    const before = await valueVersions();
    expect(before.versions.at(-1)).toBe(1);
    await restart(older);
    expect(await ends()).toEqual([2, 2]);
    expect((await valueVersions(before.end)).versions).toEqual([0]);
  });

  it('writes nothing that such a broker cannot read, where epochs are exhausted too', async () => {
    const exhausted = await newExhausted();
    await restart(older);
    const producer = await again(exhausted);
    for (let round = 0; round < 2; round += 1) {
      producer.sequence = 0;
      expect(await producer.produce('t', ['a'])).toBe(0);
      expect(await producer.end(true)).toBe(0);
      await rest();
    }
    expect(producer.epoch).toBe(1);
    expect(new Set((await valueVersions()).versions)).toEqual(new Set([0]));
    await restart();
    const next = await newProducer();
    expect([next.producerId, next.epoch]).toEqual([producer.producerId, 3]);
  });
});

describe('the end of a transaction that raises the epoch', () => {
  it('is answered the same when it is asked for again, and only so', async () => {
    const producer = await newProducer();
    const { producerId, epoch } = producer;
    const next = [producerId, epoch + 1];
    await producer.produce('t', ['a']);
    expect(await endAs(producer, epoch, true)).toEqual(next);
    await rest();
    expect(await endAs(producer, epoch, true)).toEqual(next);
    expect(await endAs(producer, epoch, false)).toBe(ErrorCode.INVALID_TXN_STATE);
    expect(await endAs(producer, epoch + 1, true)).toBe(ErrorCode.INVALID_TXN_STATE);
    expect(await endAs(producer, epoch - 1, true)).toBe(ErrorCode.PRODUCER_FENCED);
    expect(await endAs(producer, epoch + 2, true)).toBe(ErrorCode.PRODUCER_FENCED);
    expect(await endAs(producer, epoch + 1, true, producerId + 77)).toBe(ErrorCode.INVALID_PRODUCER_ID_MAPPING);
    // An abort gives a new epoch where nothing was begun, too.
    expect(await endAs(producer, epoch + 1, false)).toEqual([producerId, epoch + 2]);
    await rest();
    expect(await endAs(producer, epoch + 1, false)).toEqual([producerId, epoch + 2]);
    expect(await endAs(producer, epoch + 1, true)).toBe(ErrorCode.INVALID_TXN_STATE);
  });

  it('is known again after a restart', async () => {
    const producer = await newProducer();
    const { producerId, epoch } = producer;
    await producer.produce('t', ['a']);
    await endAs(producer, epoch, true);
    await rest();
    await test.restart();
    client = test.connect();
    await rest();
    expect(await endAs(producer, epoch, true)).toEqual([producerId, epoch + 1]);
  });

  it('is refused where nothing was begun, or nobody is known', async () => {
    const producer = await newProducer();
    expect(await endAs(producer, producer.epoch, true)).toBe(ErrorCode.INVALID_TXN_STATE);
    expect(await endAs(producer, producer.epoch - 1, false)).toBe(ErrorCode.PRODUCER_FENCED);
    expect(await endAs(Object.assign(producer, { id: 'unknown' }), 0, true)).toBe(
      ErrorCode.INVALID_PRODUCER_ID_MAPPING,
    );
    expect(await endAs(Object.assign(producer, { id: '' }), 0, true)).toBe(ErrorCode.INVALID_REQUEST);
  });

  it('is not the end of one of a producer that was fenced by a newer one', async () => {
    const zombie = await newProducer();
    const { epoch } = zombie;
    const producer = await newProducer();
    expect(await endAs(zombie, epoch, false)).toBe(ErrorCode.PRODUCER_FENCED);
    await producer.produce('t', ['a']);
    expect(await endAs(zombie, epoch, false)).toBe(ErrorCode.PRODUCER_FENCED);
    expect(await producer.end(true)).toBe(0);
  });
});

describe('a producer id whose epochs are exhausted', () => {
  it('is replaced by another at the end of a transaction, whose answer may be lost each time', async () => {
    const first = await newProducer();
    const { producerId } = first;
    await giveEpoch('id', producerId, 32_764);
    const producer = Object.assign(await newProducer('other'), { id: 'id', producerId, epoch: 32_764 });
    const given: unknown[] = [];
    for (let round = 0; round < 5; round += 1) {
      const { producerId: before, epoch } = producer;
      expect(await producer.produce('t', ['a'])).toBe(0);
      expect(await producer.end(true)).toBe(0);
      await rest();
      if (round === 2) {
        await test.restart();
        client = test.connect();
        await rest();
      }
      expect(await endAs(producer, epoch, true, before)).toEqual([producer.producerId, producer.epoch]);
      given.push([producer.producerId === producerId, producer.epoch]);
      const { producerId: nextId, epoch: nextEpoch } = producer;
      Object.assign(producer, await TestProducer.start(test, 'other', true), {
        id: 'id',
        producerId: nextId,
        epoch: nextEpoch,
      });
    }
    expect(given).toEqual([
      [true, 32_765],
      [true, 32_766],
      [false, 0],
      [false, 1],
      [false, 2],
    ]);
    expect(await ends()).toEqual([10, 10]);
    const answer = await client.ask(InitProducerId, 4, { transactionalId: 'id', transactionTimeoutMs: TIMEOUT_MS });
    expect(answer).toMatchObject({ errorCode: 0, producerId: producer.producerId, producerEpoch: 4 });
  });

  it('is replaced when its transaction takes too long at the last epoch', async () => {
    const first = await newProducer();
    const { producerId } = first;
    await giveEpoch('id', producerId, 32_766);
    const producer = Object.assign(await newProducer('other'), { id: 'id', producerId, epoch: 32_766 });
    expect(await producer.produce('t', ['a'])).toBe(0);
    test.clock.advance(TIMEOUT_MS + 10_001);
    await rest();
    expect(await ends()).toEqual([2, 2]);
    const answer = await client.ask(InitProducerId, 4, { transactionalId: 'id', transactionTimeoutMs: TIMEOUT_MS });
    // As where it replaces another, whose last epoch the former one is.
    expect(answer).toMatchObject({ errorCode: 0, producerEpoch: 1 });
    expect(answer.producerId).not.toBe(producerId);
  });
});

describe('brokers that add partitions for producers', () => {
  it('are answered for each transaction by itself, at once', async () => {
    const [a, b] = [await newProducer('a'), await newProducer('b')];
    const of = ({ id: transactionalId, producerId, epoch: producerEpoch }: TestProducer, name: string) => ({
      transactionalId,
      producerId,
      producerEpoch,
      verifyOnly: false,
      topics: [{ name, partitions: [0] }],
    });
    const answer = await client.ask(AddPartitionsToTxn, 5, {
      transactions: [of(a, 't'), of(b, 'unknown'), { ...of(b, 't'), producerEpoch: b.epoch + 1 }],
    });
    expect(
      answer.resultsByTransaction.map(({ topicResults }) => topicResults[0]?.resultsByPartition[0]?.partitionErrorCode),
    ).toEqual([0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.PRODUCER_FENCED]);
    expect(await a.produce('t', ['x'])).toBe(0);
    const closing = a.end(true);
    const busy = await client.ask(AddPartitionsToTxn, 5, { transactions: [of(a, 't')] });
    expect(busy.resultsByTransaction[0]?.topicResults[0]?.resultsByPartition[0]?.partitionErrorCode).toBe(
      ErrorCode.CONCURRENT_TRANSACTIONS,
    );
    await closing;
  });
});
