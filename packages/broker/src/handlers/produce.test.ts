import type { AppendResult } from '@millrace/log';
import {
  CreateTopics,
  ErrorCode,
  type ProduceResponseResponsePartitionResponse as PartitionResponse,
  Produce,
} from '@millrace/protocol';
import { Compression, convertDown, readRecords, splitBatches } from '@millrace/records';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Partition } from '../replicas/partition.ts';
import { BrokerUnderTest, batchOf, fetchFrom, produceBody, type TestConnection } from '../testing/test-broker.ts';

let test: BrokerUnderTest;
let client: TestConnection;

beforeEach(async () => {
  test = await BrokerUnderTest.start();
  await test.createTopic('t');
  client = test.connect();
});

afterEach(() => test.stop());

async function produced(version: number, ...body: Parameters<typeof produceBody>): Promise<PartitionResponse> {
  const answer = await client.ask(Produce, version, produceBody(...body));
  return answer.responses[0]!.partitionResponses[0]!;
}

describe('Produce', () => {
  it.each([3, 5, 7, 8, 9, 11])('appends a batch and says where it went, in version %i', async (version) => {
    expect(await produced(version, 't', batchOf(['a', 'b']))).toMatchObject({ errorCode: 0, index: 0, baseOffset: 0 });
    expect(await produced(version, 't', batchOf(['c']))).toMatchObject({ errorCode: 0, baseOffset: 2 });
  });

  it('fails a request of several partitions, and nothing else, where one fails while another is waited for', async () => {
    await test.createTopic('two', 2);
    const { replicas } = test.broker.services;
    // A topic that was just made has its replicas here.
    const [first, second] = [0, 1].map((index) => replicas.find('two', index) as Partition);
    const waiting = Promise.withResolvers<AppendResult>();
    first!.append = () => waiting.promise;
    second!.append = () => Promise.reject(new Error('on purpose'));
    const partitionData = [0, 1].map((index) => ({ index, records: batchOf(['a']) }));
    const body = { acks: 1, timeoutMs: 1000, topicData: [{ name: 'two', partitionData }] };
    const asked = client.ask(Produce, 9, body);
    // Long enough for a rejection that nobody waits for to end a process.
    await new Promise((resolve) => setImmediate(resolve));
    // What else an append says is not looked at.
    waiting.resolve({ errorCode: 0 } as AppendResult);
    await expect(asked).rejects.toThrow('on purpose');
  });

  it.each([0, 2])('takes batches of magic 2 in version %i, as Kafka does', async (version) => {
    expect(await produced(version, 't', batchOf(['a']))).toMatchObject({ errorCode: 0, baseOffset: 0 });
  });

  it('makes batches of message sets, behind what came before and before what comes later', async () => {
    const set = (values: string[], compression: Compression = Compression.NONE): Buffer =>
      convertDown(batchOf(values, { compression }), { magic: 1, fetchOffset: 0, outputBytesMax: 1e6 });
    const answers = await Promise.all([
      produced(7, 't', batchOf(['a'])),
      produced(2, 't', set(['b', 'c'])),
      produced(1, 't', set(['d', 'e'], Compression.LZ4)),
      produced(7, 't', batchOf(['f'])),
    ]);
    expect(answers.map(({ errorCode, baseOffset }) => [errorCode, baseOffset])).toEqual([
      [0, 0],
      [0, 1],
      [0, 3],
      [0, 5],
    ]);
    const { responses } = await fetchFrom(test, 't', 0);
    const records = responses[0]!.partitions[0]!.records!;
    const values = [...splitBatches(records)].flatMap((at) =>
      readRecords(records.subarray(at)).map(({ value }) => value?.toString()),
    );
    expect(values).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  });

  it('serves what was produced with nothing but offsets and epoch changed', async () => {
    const batch = batchOf(['a', 'b'], { compression: Compression.GZIP });
    const kept = Buffer.from(batch.subarray(16));
    await produced(7, 't', batchOf(['first']));
    await produced(7, 't', batch);
    const { responses } = await fetchFrom(test, 't', 1);
    const records = responses[0]!.partitions[0]!.records!;
    expect(Buffer.from(records.subarray(16)).equals(kept)).toBe(true);
    expect(Array.from(readRecords(records), ({ offset, value }) => [offset, value?.toString()])).toEqual([
      [1, 'a'],
      [2, 'b'],
    ]);
  });

  it('stamps the records of a topic with LogAppendTime, and says when', async () => {
    await test.createTopic('stamped', 1, { 'message.timestamp.type': 'LogAppendTime' });
    test.clock.advance(5000);
    expect(await produced(7, 'stamped', batchOf(['a']))).toMatchObject({ logAppendTimeMs: test.clock.now() });
    expect(await produced(7, 't', batchOf(['a']))).toMatchObject({ logAppendTimeMs: -1 });
  });

  it('answers each partition for itself, in the order of the request', async () => {
    await test.createTopic('many', 2);
    const answer = await client.ask(Produce, 7, {
      acks: 1,
      timeoutMs: 1000,
      topicData: [
        {
          name: 'many',
          partitionData: [
            { index: 1, records: batchOf(['a']) },
            { index: 7, records: batchOf(['b']) },
            { index: 0, records: batchOf(['c']) },
          ],
        },
        { name: 'missing', partitionData: [{ index: 0, records: batchOf(['d']) }] },
      ],
    });
    const codes = answer.responses.flatMap(({ partitionResponses }) =>
      partitionResponses.map(({ index, errorCode }) => [index, errorCode]),
    );
    const unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    expect(codes).toEqual([
      [1, 0],
      [7, unknown],
      [0, 0],
      [0, unknown],
    ]);
  });

  it('applies the requests of a connection in order, however many are under way', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => produced(7, 't', batchOf([String(index)]))),
    );
    expect(answers.map(({ baseOffset }) => baseOffset)).toEqual(Array.from({ length: 50 }, (_, index) => index));
    const { responses } = await fetchFrom(test, 't', 0);
    const records = responses[0]!.partitions[0]!.records!;
    const values = [...batchesOf(records)].flatMap((batch) =>
      [...readRecords(batch)].map(({ value }) => value?.toString()),
    );
    expect(values).toEqual(Array.from({ length: 50 }, (_, index) => String(index)));
  });

  it('gives acks=0 no answer, and closes the connection when the records are refused', async () => {
    await expect(client.ask(Produce, 7, produceBody('t', batchOf(['a']), { acks: 0 }))).rejects.toThrow('not answered');
    expect(client.closedBecause).toBeUndefined();
    await expect(client.ask(Produce, 7, produceBody('missing', batchOf(['a']), { acks: 0 }))).rejects.toThrow();
    expect(client.closedBecause).toContain('missing-0 was refused with error 3');
  });

  it('refuses acks that are none', async () => {
    expect(await produced(7, 't', batchOf(['a']), { acks: 2 })).toMatchObject({
      errorCode: ErrorCode.INVALID_REQUIRED_ACKS,
      baseOffset: -1,
    });
  });

  it('wants no more in-sync replicas for acks=all than the topic has, as Kafka since 3.7', async () => {
    await test.createTopic('safe', 1, { 'min.insync.replicas': '2' });
    expect(await produced(7, 'safe', batchOf(['a']))).toMatchObject({ errorCode: 0 });
    expect(await produced(7, 'safe', batchOf(['a']), { acks: 1 })).toMatchObject({ errorCode: 0 });
  });

  it('lets only the admin client write to internal topics', async () => {
    await client.ask(CreateTopics, 5, {
      topics: [{ name: '__consumer_offsets', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
      timeoutMs: 10_000,
    });
    const topic = '__consumer_offsets';
    expect(await produced(7, topic, batchOf(['a']))).toMatchObject({ errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION });
    const answer = await client.ask(Produce, 7, produceBody(topic, batchOf(['a'])), '__admin_client');
    expect(answer.responses[0]!.partitionResponses[0]!.errorCode).not.toBe(ErrorCode.INVALID_TOPIC_EXCEPTION);
  });
});

describe('Produce refuses', () => {
  it('message sets of magic 0 and 1 from version 3 on, and damaged ones before', async () => {
    const old = Buffer.alloc(40);
    old.writeInt32BE(28, 8);
    old[16] = 1;
    expect(await produced(2, 't', old)).toMatchObject({ errorCode: ErrorCode.CORRUPT_MESSAGE });
    expect(await produced(8, 't', old)).toMatchObject({ errorCode: ErrorCode.INVALID_RECORD });
  });

  it('no records, and more than one batch from version 3 on', async () => {
    const two = Buffer.concat([batchOf(['a']), batchOf(['b'])]);
    for (const records of [null, Buffer.alloc(0), two]) {
      expect(await produced(8, 't', records)).toMatchObject({ errorCode: ErrorCode.INVALID_RECORD });
    }
    expect(await produced(2, 't', two)).toMatchObject({ errorCode: 0 });
  });

  it('a batch with a wrong CRC, or one that ends too early', async () => {
    const wrong = batchOf(['a']);
    wrong[wrong.length - 1]! ^= 1;
    expect(await produced(8, 't', wrong)).toMatchObject({ errorCode: ErrorCode.CORRUPT_MESSAGE });
    const whole = batchOf(['a']);
    for (const length of [5, 40, whole.length - 1]) {
      expect(await produced(8, 't', whole.subarray(0, length))).toMatchObject({ errorCode: ErrorCode.CORRUPT_MESSAGE });
    }
  });

  it('zstd from clients that cannot know it', async () => {
    const batch = (): Buffer => batchOf(['a'], { compression: Compression.ZSTD });
    expect(await produced(6, 't', batch())).toMatchObject({ errorCode: ErrorCode.UNSUPPORTED_COMPRESSION_TYPE });
    expect(await produced(7, 't', batch())).toMatchObject({ errorCode: 0 });
  });

  it('transactional batches while nobody can say whether there is such a transaction, so that they are sent again', async () => {
    const batch = batchOf(['a'], { isTransactional: true, producerId: 1, producerEpoch: 0, baseSequence: 0 });
    const transactional = { transactionalId: 'x' };
    expect(await produced(8, 't', batch, transactional)).toMatchObject({ errorCode: ErrorCode.NOT_ENOUGH_REPLICAS });
  });

  it('batches of two transactions in one request', async () => {
    await test.createTopic('two', 2);
    const batchOfProducer = (producerId: number): Buffer =>
      batchOf(['a'], { isTransactional: true, producerId, producerEpoch: 0, baseSequence: 0 });
    const partitionData = [1, 2].map((id) => ({ index: id - 1, records: batchOfProducer(id) }));
    const body = { acks: -1, timeoutMs: 1000, transactionalId: 'x', topicData: [{ name: 'two', partitionData }] };
    const answer = await test.connect().ask(Produce, 9, body);
    const codes = answer.responses[0]?.partitionResponses.map(({ errorCode }) => errorCode);
    expect(codes).toEqual([ErrorCode.INVALID_PRODUCER_ID_MAPPING, ErrorCode.INVALID_PRODUCER_ID_MAPPING]);
  });

  it('transactional batches without the transaction’s name, whoever sends them: its rights could not be asked for', async () => {
    const batch = batchOf(['a'], { isTransactional: true, producerId: 1, producerEpoch: 0, baseSequence: 0 });
    expect(await produced(8, 't', batch)).toMatchObject({
      errorCode: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    });
  });

  it('a batch beyond max.message.bytes', async () => {
    await test.createTopic('small', 1, { 'max.message.bytes': '100' });
    expect(await produced(8, 'small', batchOf(['x'.repeat(200)]))).toMatchObject({
      errorCode: ErrorCode.MESSAGE_TOO_LARGE,
    });
  });

  it('sequences with a gap, and answers repetitions with the first offset', async () => {
    const batch = (baseSequence: number): Buffer => batchOf(['a'], { producerId: 9, producerEpoch: 0, baseSequence });
    expect(await produced(7, 't', batch(0))).toMatchObject({ errorCode: 0, baseOffset: 0 });
    expect(await produced(7, 't', batch(1))).toMatchObject({ errorCode: 0, baseOffset: 1 });
    expect(await produced(7, 't', batch(1))).toMatchObject({ errorCode: 0, baseOffset: 1 });
    expect(await produced(7, 't', batch(5))).toMatchObject({ errorCode: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER });
  });

  it('everything while the disk fails, in words that old clients understand', async () => {
    test.disk.fault = (call) =>
      call.kind === 'write' ? Object.assign(new Error('broken'), { code: 'EIO' }) : undefined;
    expect(await produced(7, 't', batchOf(['a']))).toMatchObject({ errorCode: ErrorCode.KAFKA_STORAGE_ERROR });
    expect(await produced(3, 't', batchOf(['a']))).toMatchObject({ errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER });
  });
});

function* batchesOf(records: Buffer): Generator<Buffer> {
  for (let at = 0; at < records.length; at += 12 + records.readInt32BE(at + 8)) yield records.subarray(at);
}
