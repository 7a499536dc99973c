/** Transactions through frames: one broker, its clock moved by hand. */
import {
  AddPartitionsToTxn,
  DeleteTopics,
  DescribeProducers,
  DescribeTransactions,
  EndTxn,
  ErrorCode,
  Fetch,
  type FetchResponseResponsePartition,
  FindCoordinator,
  IncrementalAlterConfigs,
  InitProducerId,
  ListOffsets,
  ListTransactions,
  Produce,
  WriteTxnMarkers,
} from '@millrace/protocol';
import { readRecords } from '@millrace/records';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  BrokerUnderTest,
  batchOf,
  fetchBody,
  produceBody,
  produceTo,
  type TestConnection,
} from '../testing/test-broker.ts';
import { TestProducer } from '../testing/test-transactions.ts';
import { TRANSACTION_STATE_BYTES_MAX } from '../transactions/state-memory.ts';

const READ_COMMITTED = 1;
const TIMEOUT_MS = 60_000;

let test: BrokerUnderTest;
let client: TestConnection;

beforeEach(async () => {
  test = await BrokerUnderTest.start({ 'transaction.state.log.num.partitions': '3' });
  await test.createTopic('t', 2);
  client = test.connect();
  // The offsets topic is made when the first group is looked for.
  await client.ask(FindCoordinator, 3, { key: 'group', keyType: 0 });
});

afterEach(() => test.stop());

async function fetched(topic = 't', isolationLevel = READ_COMMITTED): Promise<FetchResponseResponsePartition> {
  const response = await client.ask(Fetch, 11, fetchBody({ topic }, 0, { isolationLevel }));
  return response.responses[0]!.partitions[0]!;
}

/** The values that a reader with read_committed is shown. */
async function committedValues(topic = 't'): Promise<(string | undefined)[]> {
  const { records, abortedTransactions } = await fetched(topic);
  const values: (string | undefined)[] = [];
  // Each entry holds from its first offset to its producer's next marker.
  const aborted = [...(abortedTransactions ?? [])];
  for (let at = 0; records !== null && at < records.length; at += 12 + records.readInt32BE(at + 8)) {
    const producerId = Number(records.readBigInt64BE(at + 43));
    const offset = Number(records.readBigInt64BE(at));
    const isControl = (records.readInt16BE(at + 21) & 0x20) !== 0;
    const place = aborted.findIndex((entry) => entry.producerId === producerId && entry.firstOffset <= offset);
    if (isControl && place >= 0) aborted.splice(place, 1);
    else if (!isControl && place < 0) {
      for (const { value } of readRecords(records.subarray(at))) values.push(value?.toString());
    }
  }
  return values;
}

/** Lets what is under way without a timer come to its end. */
async function rest(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.then(() => {
    settled = true;
  });
  await rest();
  return settled;
}

async function stateOf(id: string): Promise<string | undefined> {
  return (await client.ask(DescribeTransactions, 0, { transactionalIds: [id] })).transactionStates[0]?.transactionState;
}

describe('a transaction', () => {
  it('shows its records over several partitions once it commits, and nothing before', async () => {
    const producer = await TestProducer.start(test, 'id');
    expect(await producer.add('t', [0, 1])).toBe(0);
    expect(await producer.produce('t', ['a', 'b'])).toBe(0);
    expect(await committedValues()).toEqual([]);
    expect((await fetched()).lastStableOffset).toBe(0);
    expect(await producer.end(true)).toBe(0);
    await rest();
    expect(await committedValues()).toEqual(['a', 'b']);
    expect((await fetched()).lastStableOffset).toBe(3);
    expect(await stateOf('id')).toBe('CompleteCommit');
  });

  it('hides its records from readers with read_committed for good when it aborts', async () => {
    const producer = await TestProducer.start(test, 'id');
    await producer.add('t');
    await producer.produce('t', ['a']);
    expect(await producer.end(false)).toBe(0);
    await rest();
    await producer.add('t');
    await producer.produce('t', ['b']);
    await producer.end(true);
    await rest();
    expect(await committedValues()).toEqual(['b']);
    expect((await fetched()).abortedTransactions).toEqual([{ producerId: producer.producerId, firstOffset: 0 }]);
    expect((await fetched('t', 0)).abortedTransactions).toBeNull();
  });

  it('tells ListOffsets with read_committed where it begins', async () => {
    await produceTo(test, 't', batchOf(['before']));
    const producer = await TestProducer.start(test, 'id');
    await producer.add('t');
    await producer.produce('t', ['a']);
    const endOf = async (isolationLevel: number): Promise<number | undefined> => {
      const topics = [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: -1 }] }];
      const answer = await client.ask(ListOffsets, 5, { replicaId: -1, isolationLevel, topics });
      return answer.topics[0]?.partitions[0]?.offset;
    };
    expect(await endOf(READ_COMMITTED)).toBe(1);
    expect(await endOf(0)).toBe(2);
  });

  it('wakes a reader that waits when it ends, and not when others write behind it', async () => {
    const producer = await TestProducer.start(test, 'id');
    await producer.add('t');
    await producer.produce('t', ['a']);
    const body = fetchBody({ topic: 't' }, 0, { isolationLevel: READ_COMMITTED, maxWaitMs: 10_000 });
    const waiting = test.connect().ask(Fetch, 11, body);
    expect(await isSettled(waiting)).toBe(false);
    await produceTo(test, 't', batchOf(['other']));
    expect(await isSettled(waiting)).toBe(false);
    await producer.end(true);
    expect(await isSettled(waiting)).toBe(true);
    expect((await waiting).responses[0]?.partitions[0]?.records?.length).toBeGreaterThan(0);
  });

  it.each([true, false])(
    'has its markers written after a restart, where only these were missing; commit: %s',
    async (isCommit) => {
      const producer = await TestProducer.start(test, 'id');
      await producer.add('t', [0, 1]);
      await producer.produce('t', ['a']);
      test.broker.services.transactions.coordinator.holdMarkers();
      expect(await producer.end(isCommit)).toBe(0);
      await rest();
      expect(await stateOf('id')).toBe(isCommit ? 'PrepareCommit' : 'PrepareAbort');
      expect((await fetched()).lastStableOffset).toBe(0);
      await test.restart();
      client = test.connect();
      await rest();
      expect(await stateOf('id')).toBe(isCommit ? 'CompleteCommit' : 'CompleteAbort');
      expect((await fetched()).lastStableOffset).toBe(2);
      expect(await committedValues()).toEqual(isCommit ? ['a'] : []);
    },
  );

  it('goes on after a restart', async () => {
    const producer = await TestProducer.start(test, 'id');
    await producer.add('t');
    await producer.produce('t', ['a']);
    await test.restart();
    client = test.connect();
    await rest();
    const again = await TestProducer.start(test, 'other');
    expect(await stateOf('id')).toBe('Ongoing');
    Object.assign(again, { id: 'id', producerId: producer.producerId, epoch: producer.epoch, sequence: 1 });
    expect(await again.produce('t', ['b'])).toBe(0);
    expect(await again.end(true)).toBe(0);
    await rest();
    expect(await committedValues()).toEqual(['a', 'b']);
  });

  it('is aborted by the coordinator when it takes too long, and its producer is fenced', async () => {
    const producer = await TestProducer.start(test, 'id');
    await producer.add('t');
    await producer.produce('t', ['a']);
    test.clock.advance(TIMEOUT_MS + 10_001);
    await rest();
    expect(await stateOf('id')).toBe('CompleteAbort');
    expect((await fetched()).lastStableOffset).toBe(2);
    expect(await producer.end(true)).toBe(ErrorCode.PRODUCER_FENCED);
    expect(await producer.produce('t', ['late'])).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
    expect(await producer.init()).toBe(0);
  });

  it('completes although a topic of it has been deleted', async () => {
    await test.createTopic('gone');
    const producer = await TestProducer.start(test, 'id');
    await producer.add('gone');
    await producer.produce('gone', ['a']);
    await client.ask(DeleteTopics, 3, { topicNames: ['gone'], timeoutMs: 1000 });
    expect(await producer.end(true)).toBe(0);
    await rest();
    expect(await stateOf('id')).toBe('CompleteCommit');
  });

  it('is shown with its partitions, and listed by state and by how long it is open', async () => {
    const producer = await TestProducer.start(test, 'id');
    await TestProducer.start(test, 'idle');
    await producer.add('t', [1]);
    test.clock.advance(5000);
    const described = await client.ask(DescribeTransactions, 0, { transactionalIds: ['id', 'unknown', ''] });
    expect(described.transactionStates[0]).toMatchObject({
      errorCode: 0,
      transactionState: 'Ongoing',
      transactionTimeoutMs: TIMEOUT_MS,
      producerId: producer.producerId,
      topics: [{ topic: 't', partitions: [1] }],
    });
    expect(described.transactionStates.slice(1).map(({ errorCode }) => errorCode)).toEqual([
      ErrorCode.TRANSACTIONAL_ID_NOT_FOUND,
      ErrorCode.INVALID_REQUEST,
    ]);
    const idsOf = async (filters: object): Promise<unknown> => {
      const listed = await client.ask(ListTransactions, 2, { stateFilters: [], producerIdFilters: [], ...filters });
      return [
        listed.transactionStates.map(({ transactionalId }) => transactionalId).sort(),
        listed.unknownStateFilters,
      ];
    };
    expect(await idsOf({})).toEqual([['id', 'idle'], []]);
    expect(await idsOf({ stateFilters: ['Ongoing', 'Nonsense'] })).toEqual([['id'], ['Nonsense']]);
    // As with Kafka, an id without a transaction counts as one whose transaction began at -1.
    expect(await idsOf({ durationFilter: 4000 })).toEqual([['id', 'idle'], []]);
    expect(await idsOf({ durationFilter: 5000 })).toEqual([['idle'], []]);
    expect(await idsOf({ durationFilter: test.clock.now() })).toEqual([['idle'], []]);
    expect(await idsOf({ durationFilter: test.clock.now() + 1 })).toEqual([[], []]);
    expect(await idsOf({ durationFilter: 4000, stateFilters: ['Ongoing'] })).toEqual([['id'], []]);
    expect(await idsOf({ transactionalIdPattern: '' })).toEqual([['id', 'idle'], []]);
    expect(await idsOf({ transactionalIdPattern: 'i[a-f]' })).toEqual([['id'], []]);
    const bad = await client.ask(ListTransactions, 2, {
      stateFilters: [],
      producerIdFilters: [],
      transactionalIdPattern: '(?=i)',
    });
    expect(bad).toMatchObject({ errorCode: ErrorCode.INVALID_REGULAR_EXPRESSION, transactionStates: [] });
  });
});

describe('a producer id of a transactional id', () => {
  it('stays while its epoch rises, and the old instance is fenced everywhere', async () => {
    const zombie = await TestProducer.start(test, 'id');
    await zombie.add('t');
    await zombie.produce('t', ['a']);
    const producer = await TestProducer.start(test, 'other');
    Object.assign(producer, { id: 'id' });
    // The first call aborts what the zombie has left open, and the caller comes again.
    expect(await producer.init()).toBe(ErrorCode.CONCURRENT_TRANSACTIONS);
    await rest();
    expect(await producer.init()).toBe(0);
    expect(producer.producerId).toBe(zombie.producerId);
    expect(producer.epoch).toBe(zombie.epoch + 3);
    expect(await zombie.add('t')).toBe(ErrorCode.PRODUCER_FENCED);
    expect(await zombie.end(true)).toBe(ErrorCode.PRODUCER_FENCED);
    expect(await zombie.addOffsets('group')).toBe(ErrorCode.PRODUCER_FENCED);
    expect(await zombie.produce('t', ['b'])).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
    expect(await committedValues()).toEqual([]);
  });

  it('is given again to one whose answer was lost, and to no other (KIP-360)', async () => {
    const first = await client.ask(InitProducerId, 3, { transactionalId: 'id', transactionTimeoutMs: 1000 });
    expect(first.errorCode).toBe(ErrorCode.NOT_COORDINATOR);
    const producer = await TestProducer.start(test, 'id');
    const ask = async (version: number, epoch: number): Promise<readonly number[]> => {
      const known = { producerId: producer.producerId, producerEpoch: epoch };
      const body = { transactionalId: 'id', transactionTimeoutMs: 1000, ...known };
      const { errorCode, producerEpoch } = await client.ask(InitProducerId, version, body);
      return [errorCode, producerEpoch];
    };
    expect(await ask(4, 0)).toEqual([0, 1]);
    expect(await ask(4, 0)).toEqual([0, 1]);
    expect(await ask(4, 1)).toEqual([0, 2]);
    expect(await ask(4, 0)).toEqual([ErrorCode.PRODUCER_FENCED, -1]);
    expect(await ask(3, 0)).toEqual([ErrorCode.INVALID_PRODUCER_EPOCH, -1]);
  });

  it('is forgotten when it is not used for long', async () => {
    await TestProducer.start(test, 'id');
    test.clock.advance(8 * 24 * 3_600_000);
    await rest();
    const { transactionStates } = await client.ask(DescribeTransactions, 0, { transactionalIds: ['id'] });
    expect(transactionStates[0]?.errorCode).toBe(ErrorCode.TRANSACTIONAL_ID_NOT_FOUND);
  });
});

describe('records of a transaction', () => {
  it('are refused in a partition that is not in it, in words that the version knows', async () => {
    const producer = await TestProducer.start(test, 'id');
    await producer.add('t', [1]);
    expect(await producer.produce('t', ['a'])).toBe(ErrorCode.INVALID_TXN_STATE);
    const { producerId, epoch: producerEpoch } = producer;
    const batch = batchOf(['a'], { producerId, producerEpoch, baseSequence: 0, isTransactional: true });
    const answer = await client.ask(Produce, 11, produceBody('t', batch, { transactionalId: 'id' }));
    expect(answer.responses[0]?.partitionResponses[0]?.errorCode).toBe(ErrorCode.TRANSACTION_ABORTABLE);
  });

  it('that come after the end begin no transaction', async () => {
    const producer = await TestProducer.start(test, 'id');
    await producer.add('t');
    await producer.produce('t', ['a']);
    await producer.end(true);
    await rest();
    expect(await producer.produce('t', ['late'])).toBe(ErrorCode.INVALID_TXN_STATE);
    expect((await fetched()).lastStableOffset).toBe(2);
  });

  it('that come after the end hang where nobody is asked before', async () => {
    const resources = [
      {
        resourceType: 4,
        resourceName: '',
        configs: [{ name: 'transaction.partition.verification.enable', configOperation: 0, value: 'false' }],
      },
    ];
    await client.ask(IncrementalAlterConfigs, 1, { resources, validateOnly: false });
    const producer = await TestProducer.start(test, 'id');
    await producer.add('t');
    await producer.produce('t', ['a']);
    await producer.end(true);
    await rest();
    expect(await producer.produce('t', ['late'])).toBe(0);
    expect(await fetched()).toMatchObject({ lastStableOffset: 2, highWatermark: 3 });
    const asked = { topics: [{ name: 't', partitionIndexes: [0] }] };
    const described = await client.ask(DescribeProducers, 0, asked);
    expect(described.topics[0]?.partitions[0]?.activeProducers).toMatchObject([
      { producerId: producer.producerId, currentTxnStartOffset: 2 },
    ]);
    expect(await producer.commitOffset('group', 't', 1)).toBe(0);
  });

  it('are written in order although the first waits for its verification', async () => {
    const producer = await TestProducer.start(test, 'id');
    await producer.add('t');
    const { producerId, epoch: producerEpoch, connection } = producer;
    const outcomes = ['a', 'b', 'c'].map(async (value, baseSequence) => {
      const batch = batchOf([value], { producerId, producerEpoch, baseSequence, isTransactional: true });
      const answer = await connection.ask(Produce, 9, produceBody('t', batch, { transactionalId: 'id' }));
      return answer.responses[0]?.partitionResponses[0]?.errorCode;
    });
    expect(await Promise.all(outcomes)).toEqual([0, 0, 0]);
    await producer.end(true);
    await rest();
    expect(await committedValues()).toEqual(['a', 'b', 'c']);
  });
});

describe('offsets in a transaction', () => {
  it('are taken although no group was ever looked for, so that their topic is made first', async () => {
    const fresh = await BrokerUnderTest.start();
    const producer = await TestProducer.start(fresh, 'id');
    expect(await producer.addOffsets('group')).toBe(0);
    await fresh.stop();
  });

  it('count when it commits, are unstable until then, and are dropped when it aborts', async () => {
    const producer = await TestProducer.start(test, 'id');
    expect(await producer.addOffsets('group')).toBe(0);
    expect(await producer.commitOffset('group', 't', 7)).toBe(0);
    expect(await producer.committed('group', 't')).toBe(-ErrorCode.UNSTABLE_OFFSET_COMMIT);
    expect(await producer.end(true)).toBe(0);
    await rest();
    expect(await producer.committed('group', 't')).toBe(7);
    await producer.addOffsets('group');
    await producer.commitOffset('group', 't', 9);
    await producer.end(false);
    await rest();
    expect(await producer.committed('group', 't')).toBe(7);
  });

  it('are asked for again where the partition was cut while the coordinator was asked for the transaction', async () => {
    const producer = await TestProducer.start(test, 'id');
    await producer.addOffsets('group');
    const { groups } = test.broker.services;
    const stale = vi.spyOn(groups, 'commitTransactional').mockResolvedValueOnce([ErrorCode.INVALID_TXN_STATE]);
    expect(await producer.commitOffset('group', 't', 7)).toBe(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
    stale.mockRestore();
    expect(await producer.commitOffset('group', 't', 7)).toBe(0);
  });

  it('are found again after a restart, committed or in store', async () => {
    const producer = await TestProducer.start(test, 'id');
    await producer.addOffsets('group');
    await producer.commitOffset('group', 't', 7);
    await test.restart();
    await rest();
    const again = await TestProducer.start(test, 'other');
    expect(await again.committed('group', 't')).toBe(-ErrorCode.UNSTABLE_OFFSET_COMMIT);
    Object.assign(again, { id: 'id', producerId: producer.producerId, epoch: producer.epoch });
    expect(await again.end(true)).toBe(0);
    await rest();
    expect(await again.committed('group', 't')).toBe(7);
  });

  it('are refused for a transaction to which the group was not added', async () => {
    const producer = await TestProducer.start(test, 'id');
    await producer.add('t');
    expect(await producer.commitOffset('group', 't', 7)).toBe(ErrorCode.INVALID_TXN_STATE);
  });
});

describe('requests for transactions', () => {
  it('fail as a whole over one bad partition, and the others are not attempted', async () => {
    const producer = await TestProducer.start(test, 'id');
    const topics = [
      { name: 't', partitions: [0] },
      { name: 'unknown', partitions: [0] },
      { name: '__consumer_offsets', partitions: [0] },
    ];
    const answer = await client.ask(AddPartitionsToTxn, 3, {
      v3AndBelowTransactionalId: 'id',
      v3AndBelowProducerId: producer.producerId,
      v3AndBelowProducerEpoch: producer.epoch,
      v3AndBelowTopics: topics,
    });
    const codes = answer.resultsByTopicV3AndBelow.map((topic) => topic.resultsByPartition[0]?.partitionErrorCode);
    expect(codes).toEqual([
      ErrorCode.OPERATION_NOT_ATTEMPTED,
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    ]);
    expect(await stateOf('id')).toBe('Empty');
  });

  it('end a hanging transaction by a marker that an administrator has written, as often as he likes', async () => {
    const producer = await TestProducer.start(test, 'id');
    await producer.add('t');
    await producer.produce('t', ['a']);
    const { producerId, epoch: producerEpoch } = producer;
    const topics = [{ name: 't', partitionIndexes: [0] }];
    const marker = { producerId, producerEpoch, transactionResult: false, coordinatorEpoch: 0, topics };
    for (let time = 0; time < 2; time += 1) {
      const answer = await client.ask(WriteTxnMarkers, 1, { markers: [marker] });
      expect(answer.markers[0]?.topics[0]?.partitions[0]?.errorCode).toBe(0);
    }
    expect((await fetched()).lastStableOffset).toBe(3);
    expect((await fetched()).abortedTransactions).toHaveLength(1);
  });

  it('tell an old client of a newer producer in a code that it knows', async () => {
    const producer = await TestProducer.start(test, 'id');
    const { producerId } = producer;
    const body = { transactionalId: 'id', producerId, producerEpoch: 5, committed: true };
    expect((await client.ask(EndTxn, 1, body)).errorCode).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
    expect((await client.ask(EndTxn, 2, body)).errorCode).toBe(ErrorCode.PRODUCER_FENCED);
  });
});

describe('the memory of transactional ids', () => {
  const memory = () => test.broker.services.transactions.coordinator.memory;

  it('counts ids and the partitions of their transactions, and nothing once they are over or read elsewhere', async () => {
    await TestProducer.start(test, 'first');
    const one = memory().bytes;
    expect(one).toBeGreaterThan(500);
    const producer = await TestProducer.start(test, 'other');
    const idle = memory().bytes;
    expect(idle).toBe(2 * one);
    await producer.add('t');
    expect(memory().bytes).toBeGreaterThan(idle);
    await producer.end(true);
    await rest();
    expect(memory().bytes).toBe(idle);
    await test.restart();
    await rest();
    expect(memory().bytes).toBe(idle);
  });

  it('has a bound, beyond which ids and partitions are refused that there were not before', async () => {
    const producer = await TestProducer.start(test, 'known');
    await producer.add('t');
    memory().bytes = TRANSACTION_STATE_BYTES_MAX;
    const asked = { transactionalId: 'new', transactionTimeoutMs: 60_000 };
    expect((await client.ask(InitProducerId, 4, asked)).errorCode).toBe(ErrorCode.POLICY_VIOLATION);
    expect(await producer.addOffsets('group')).toBe(ErrorCode.POLICY_VIOLATION);
    // What there is goes on, and ends.
    expect(await producer.produce('t', ['a'])).toBe(0);
    expect(await producer.end(true)).toBe(0);
    await rest();
    expect(memory().bytes).toBeLessThan(TRANSACTION_STATE_BYTES_MAX);
  });
});
