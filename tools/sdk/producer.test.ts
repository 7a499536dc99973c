import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Admin } from '@millrace/admin';
import { type Clock, systemClock } from '@millrace/ports';
import {
  type BatchEvent,
  type CompressionName,
  Producer,
  type ProducerOptions,
  type ProducerRecord,
  partitionForKey,
  type SendEvent,
} from '@millrace/producer';
import { jsonSerde } from '@millrace/serdes';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAll } from './read-all.ts';
import { isElsewhere, openSuiteCluster, type SuiteCluster, uniqueName } from './suite-cluster.ts';

let target: SuiteCluster;
let admin: Admin;
beforeAll(async () => {
  target = await openSuiteCluster();
  admin = new Admin({ bootstrapServers: target.bootstrapServers });
});
afterAll(async () => {
  await admin.close();
  await target.close();
});

async function newTopic(partitions = 1, configs: Record<string, string | number> = {}): Promise<string> {
  const topic = uniqueName('produced');
  await admin.createTopics([{ topic, partitions, configs }]);
  return topic;
}

function newProducer(options: Partial<ProducerOptions> = {}): Producer {
  return new Producer({ bootstrapServers: target.bootstrapServers, ...options });
}

const values = (count: number) => Array.from({ length: count }, (_, n) => `value ${n}`);

describe('a producer', () => {
  it('tells where each record is, and keeps key, headers and timestamp', async () => {
    const topic = await newTopic();
    await using producer = newProducer();
    const timestamp = 1_700_000_000_123;
    const headers = { plain: 'text', bytes: Buffer.from([0, 255]), none: null, many: ['a', 'b'] };
    const metadata = await producer.send({ topic, key: 'schlüssel', value: 'wert', headers, timestamp });
    expect(metadata).toEqual({ topic, partition: 0, offset: 0, timestamp });
    expect(await producer.send({ topic, value: null })).toMatchObject({ offset: 1 });
    const [first, second] = await readAll(target.bootstrapServers, topic);
    expect(first).toMatchObject({ offset: 0, timestamp, key: Buffer.from('schlüssel'), value: Buffer.from('wert') });
    expect(first!.headers.map(({ key, value }) => [key, value?.toString('latin1') ?? null])).toEqual([
      ['plain', 'text'],
      ['bytes', '\u0000ÿ'],
      ['none', null],
      ['many', 'a'],
      ['many', 'b'],
    ]);
    expect(second).toMatchObject({ key: null, value: null });
  });

  it.each<CompressionName>(['none', 'gzip', 'snappy', 'lz4', 'zstd'])('writes %s batches', async (compression) => {
    const topic = await newTopic();
    await using producer = newProducer({ compression });
    const sent = values(500);
    await producer.sendBatch(sent.map((value) => ({ topic, value })));
    expect((await readAll(target.bootstrapServers, topic)).map(({ value }) => value!.toString())).toEqual(sent);
  });

  it.each([0, 1, 'all'] as const)('produces with acks %s', async (acks) => {
    const topic = await newTopic();
    await using producer = newProducer({ acks });
    const metadata = await producer.send({ topic, value: 'a' });
    expect(metadata.offset).toBe(acks === 0 ? -1 : 0);
    await producer.close();
    await expect.poll(async () => (await readAll(target.bootstrapServers, topic)).length).toBe(1);
  });

  it('puts a key where Java would, and an explicit partition where it is told', async () => {
    const topic = await newTopic(7);
    await using producer = newProducer();
    const keys = Array.from({ length: 50 }, (_, n) => `customer-${n}`);
    const sent = await Promise.all(keys.map((key) => producer.send({ topic, key, value: 'x' })));
    expect(sent.map(({ partition }) => partition)).toEqual(keys.map((key) => partitionForKey(key, 7)));
    expect(await producer.send({ topic, partition: 3, key: 'customer-1', value: 'x' })).toMatchObject({ partition: 3 });
    await expect(producer.send({ topic, partition: 7, value: 'x' })).rejects.toMatchObject({
      code: 'PRODUCER_INVALID_RECORD',
    });
  });

  it('takes partitions that were added since it heard of the topic, with and without a serializer to wait for', async () => {
    const topic = await newTopic(1);
    const later = { async: true as const, serialize: async (text: string) => Buffer.from(text) };
    let aheadMs = 0;
    const clock: Clock = {
      now: () => systemClock.now(),
      monotonic: () => systemClock.monotonic() + aheadMs,
      schedule: (ms, action) => systemClock.schedule(ms, action),
    };
    await using producer = newProducer({ clock });
    await using patient = new Producer({ bootstrapServers: target.bootstrapServers, valueSerializer: later, clock });
    for (const each of [producer, patient]) await each.send({ topic, value: 'x' });
    // A look that has just been had counts, so time goes on.
    aheadMs = 1_000;
    await admin.createPartitions([{ topic, count: 3 }]);
    const sends = [producer, patient].flatMap((each) => [
      each.send({ topic, partition: 2, value: 'x' }),
      each.send({ topic, partition: 0, value: 'x' }),
      each.send({ topic, partition: 3, value: 'x' }).catch((error: Error) => error.message),
    ]);
    const refused = expect.stringContaining('there is no partition 3: it has partitions 0 to 2');
    const each = [expect.objectContaining({ partition: 2 }), expect.objectContaining({ partition: 0 }), refused];
    expect(await Promise.all(sends)).toEqual([...each, ...each]);
  });

  it('takes values through a serializer', async () => {
    const topic = await newTopic();
    await using producer = new Producer({
      bootstrapServers: target.bootstrapServers,
      valueSerializer: jsonSerde<{ total: number }>(),
    });
    await producer.send({ topic, value: { total: 3 } });
    const [record] = await readAll(target.bootstrapServers, topic);
    expect(record!.value!.toString()).toBe('{"total":3}');
  });

  it('keeps order and loses nothing when its buffer is full all the time', async () => {
    const topic = await newTopic();
    await using producer = newProducer({ bufferBytesMax: 4096, batchBytes: 512 });
    await producer.send({ topic, value: 'first, so that the topic is known' });
    const sent = values(2000);
    let waited = 0;
    for (const value of sent) {
      if (!producer.enqueue({ topic, value })) {
        waited += 1;
        await producer.ready();
      }
    }
    await producer.flush();
    expect(waited).toBeGreaterThan(0);
    expect(producer.metrics()).toMatchObject({
      recordsAcknowledged: 2001,
      recordsFailed: 0,
      bufferedBytes: 0,
      waitingSends: 0,
    });
    expect((await readAll(target.bootstrapServers, topic)).slice(1).map(({ value }) => value!.toString())).toEqual(
      sent,
    );
  });

  it('refuses what cannot be sent, and goes on', async () => {
    const topic = await newTopic();
    await using producer = newProducer({ onBufferFull: 'fail', requestBytesMax: 5000 });
    await expect(producer.send({ topic, value: 'x'.repeat(6000) })).rejects.toMatchObject({
      code: 'PRODUCER_RECORD_TOO_LARGE',
    });
    await expect(producer.send({ topic, value: 3 as unknown as string })).rejects.toMatchObject({
      code: 'PRODUCER_INVALID_RECORD',
    });
    await expect(producer.send({ topic, value: 'x', timestamp: 0.5 })).rejects.toMatchObject({
      code: 'PRODUCER_INVALID_RECORD',
    });
    expect(await producer.send({ topic, value: 'x' })).toMatchObject({ offset: 0 });
  });

  it('fails what cannot be sent alone, whatever it is, and keeps what was sent beside it', async () => {
    const topic = await newTopic();
    await using producer = newProducer({ requestBytesMax: 5000 });
    const bad: object[] = [
      { headers: { attempt: 1 } },
      { headers: [['a', 'b']] },
      { headers: { large: 'x'.repeat(6000) } },
      { timestamp: new Date() },
      { value: undefined },
      { partition: '0' },
      { partition: 9 },
      { topic: undefined },
      { messages: [] },
      { value: new ArrayBuffer(3) },
      { key: Symbol('k') },
    ];
    for (const more of bad) {
      const outcomes = await Promise.allSettled([
        producer.send({ topic, value: 'before' }),
        producer.send({ topic, value: 'x', ...more } as ProducerRecord),
        producer.send({ topic, value: 'after' }),
      ]);
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect((outcomes[1] as PromiseRejectedResult).reason.code).toMatch(
        /^PRODUCER_(INVALID_RECORD|RECORD_TOO_LARGE)$/,
      );
      await producer.flush();
    }
    expect(await readAll(target.bootstrapServers, topic)).toHaveLength(2 * bad.length);
    await expect(producer.sendBatch({ topic, messages: [] } as never)).rejects.toMatchObject({
      code: 'PRODUCER_INVALID_RECORD',
    });
  });

  it('settles every send and ends every flush, whatever it is given', async () => {
    const topic = await newTopic();
    await using producer = newProducer({ requestBytesMax: 5000, deliveryTimeoutMs: 10_000 });
    await producer.send({ topic, value: 'so that the topic is known' });
    const content = fc.oneof(fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true }), fc.string());
    const junk = fc.record(
      { key: content, value: content, headers: content, timestamp: content, partition: content },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(junk), { minLength: 1, maxLength: 8 }), async (given) => {
        const sent = given.map((more) => producer.send({ topic, value: 'good', ...more } as ProducerRecord));
        const outcomes = Promise.allSettled(sent);
        await producer.flush();
        for (const [index, outcome] of (await outcomes).entries()) {
          // What is right by chance is kept as well.
          if (given[index] === null) expect(outcome.status).toBe('fulfilled');
          else if (outcome.status === 'rejected') expect(outcome.reason.code).toMatch(/^PRODUCER_/);
        }
        expect(producer.metrics()).toMatchObject({ bufferedBytes: 0, waitingSends: 0 });
      }),
      { numRuns: 200 },
    );
  });

  it.each<[string, (event: SendEvent) => unknown]>([
    ['adds what is no header', ({ headers }) => headers.push({ key: 'n', value: 5 as never })],
    ['puts what is no list in the place of its headers', (event) => Object.assign(event, { headers: 5 })],
  ])('fails a record where a subscriber %s', async (_what, spoil) => {
    const topic = await newTopic();
    await using producer = newProducer();
    const onSend = (event: unknown) => void spoil(event as SendEvent);
    subscribe('millrace:producer:send', onSend);
    try {
      await expect(producer.send({ topic, value: 'x' })).rejects.toMatchObject({ code: 'PRODUCER_INVALID_RECORD' });
    } finally {
      unsubscribe('millrace:producer:send', onSend);
    }
    await producer.flush();
    expect(await producer.send({ topic, value: 'x' })).toMatchObject({ offset: 0 });
  });

  it('survives a partitioner, a serializer and a listener that throw', async () => {
    const topic = await newTopic();
    const fail = (): never => {
      throw new Error('no');
    };
    await using broken = newProducer({ partitioner: { partition: fail } });
    await expect(broken.send({ topic, value: 'x' })).rejects.toMatchObject({ code: 'PRODUCER_PARTITIONER_FAILED' });
    await using mute = newProducer({ valueSerializer: { serialize: fail }, onDeliveryError: fail });
    await expect(mute.send({ topic, value: 'x' })).rejects.toMatchObject({
      code: 'PRODUCER_SERIALIZER_FAILED',
      cause: { message: 'no' },
    });
    mute.enqueue({ topic, value: 'x' });
    await mute.flush();
    await using closing = newProducer({ partitioner: { partition: () => 0, batchClosed: fail } });
    expect(await closing.send({ topic, value: 'x' })).toMatchObject({ offset: 0 });
  });

  it('waits for serializers that say so, and keeps the order of the calls', async () => {
    const topic = await newTopic();
    const delays = [30, 0, 10, 0, 20];
    await using producer = new Producer<string, number>({
      bootstrapServers: target.bootstrapServers,
      valueSerializer: {
        async: true,
        serialize: async (value) => {
          await new Promise((resolve) => setTimeout(resolve, delays[value % delays.length]));
          if (value === 3) throw new Error('not three');
          return value === 4 ? null : `${value}`;
        },
      },
    });
    const sent = Promise.allSettled([0, 1, 2, 3, 4, 5, 6, 7].map((value) => producer.send({ topic, value })));
    await producer.flush();
    expect((await sent).map(({ status }) => status === 'fulfilled')).toEqual(
      [0, 1, 2, 3, 4, 5, 6, 7].map((n) => n !== 3),
    );
    const read = await readAll(target.bootstrapServers, topic);
    expect(read.map(({ value }) => value?.toString() ?? null)).toEqual(['0', '1', '2', null, '5', '6', '7']);
  });

  it('takes a promise from a serializer that does not say so for a mistake', async () => {
    const topic = await newTopic();
    await using producer = newProducer({ valueSerializer: { serialize: (async () => 'x') as never } });
    await expect(producer.send({ topic, value: 'x' })).rejects.toThrow('with async: true beside serialize');
    await producer.flush();
  });

  it("passes on the broker's refusal as a typed error", async () => {
    const topic = await newTopic(1, { 'max.message.bytes': 1000 });
    await using producer = newProducer();
    await expect(producer.send({ topic, value: 'x'.repeat(5000) })).rejects.toMatchObject({
      code: 'KAFKA_MESSAGE_TOO_LARGE',
      errorCode: 10,
    });
    // What follows takes a new epoch, for the refused batch has left a hole in the sequence.
    expect(await producer.send({ topic, value: 'x' })).toMatchObject({ offset: 0 });
  });

  it('splits a batch that only together is too large', async () => {
    const topic = await newTopic(1, { 'max.message.bytes': 2000 });
    await using producer = newProducer();
    const sent = values(400);
    const metadata = await producer.sendBatch(sent.map((value) => ({ topic, value })));
    expect(metadata.map(({ offset }) => offset)).toEqual(sent.map((_, n) => n));
    expect((await readAll(target.bootstrapServers, topic)).map(({ value }) => value!.toString())).toEqual(sent);
  });

  it('lets a tracer add its context to the headers, and tells of each batch', async () => {
    const topic = await newTopic();
    const batches: BatchEvent[] = [];
    const onSend = (event: unknown) =>
      void (event as SendEvent).headers.push({ key: 'traceparent', value: '00-1-2-01' });
    const onBatch = (event: unknown) => void batches.push(event as BatchEvent);
    subscribe('millrace:producer:send', onSend);
    subscribe('millrace:producer:batch', onBatch);
    try {
      await using producer = newProducer();
      await producer.send({ topic, value: 'x', headers: { a: 'b' } });
    } finally {
      unsubscribe('millrace:producer:send', onSend);
      unsubscribe('millrace:producer:batch', onBatch);
    }
    const [record] = await readAll(target.bootstrapServers, topic);
    expect(record!.headers.map(({ key, value }) => `${key}=${value}`)).toEqual(['a=b', 'traceparent=00-1-2-01']);
    expect(batches).toMatchObject([{ topic, partition: 0, records: 1, attempts: 1, error: undefined }]);
  });

  it('delivers on close what it was given before it knew the topic', async () => {
    const topic = await newTopic();
    const producer = newProducer();
    const sent = values(1000);
    const mayGoOn = sent.map((value) => producer.enqueue({ topic, value }));
    expect(mayGoOn[0]).toBe(false);
    await producer.close();
    expect((await readAll(target.bootstrapServers, topic)).map(({ value }) => value!.toString())).toEqual(sent);
  });

  it('tells of records that nobody waits for when it is flushed, or to whom it is told to tell', async () => {
    const topic = await newTopic(1, { 'max.message.bytes': 1000 });
    const producer = newProducer();
    producer.enqueue({ topic, value: 'x'.repeat(5000) });
    await expect(producer.flush()).rejects.toMatchObject({
      code: 'PRODUCER_RECORDS_LOST',
      cause: { code: 'KAFKA_MESSAGE_TOO_LARGE' },
    });
    await producer.close();
    const errors: Error[] = [];
    const listened = newProducer({ onDeliveryError: (error) => errors.push(error) });
    listened.enqueue({ topic, value: 'x'.repeat(5000) });
    await listened.close();
    expect(errors).toMatchObject([{ code: 'KAFKA_MESSAGE_TOO_LARGE' }]);
  });

  it('turns sends away once it is closed', async () => {
    const producer = newProducer();
    await producer.close();
    await expect(producer.send({ topic: 'any', value: 'x' })).rejects.toMatchObject({ code: 'PRODUCER_CLOSED' });
  });
});

describe.runIf(!isElsewhere)('a producer whose time is over', () => {
  // Each of these waited for 30 s and more before; the suite's own limit is what would tell.
  it.each(['Metadata', 'InitProducerId', 'Produce'] as const)(
    'fails a record within deliveryTimeoutMs of send while %s is not answered',
    async (api) => {
      const topic = await newTopic();
      const producer = newProducer({ deliveryTimeoutMs: 600 });
      const held = target.broker!.holdNext(api, { times: 100 });
      await expect(producer.send({ topic, value: 'x' })).rejects.toMatchObject({ retriable: true });
      await producer.close({ timeoutMs: 300 });
      held.remove();
      target.broker!.clearFaults();
    },
  );

  it('fails a record within deliveryTimeoutMs while its serializer does not answer', async () => {
    const topic = await newTopic();
    const producer = newProducer({
      deliveryTimeoutMs: 300,
      valueSerializer: { async: true, serialize: () => new Promise<string>(() => {}) },
    });
    await expect(producer.send({ topic, value: 'x' })).rejects.toMatchObject({ code: 'PRODUCER_DELIVERY_TIMED_OUT' });
    await producer.close();
  });

  it('closes in time whatever it waits for, and tells those who wait', async () => {
    const topic = await newTopic();
    const producer = newProducer();
    await producer.send({ topic, value: 'so that the topic is known' });
    const held = target.broker!.holdNext('Produce', { times: 100 });
    const outcomes = Promise.allSettled([
      producer.send({ topic, value: 'in flight' }),
      producer.send({ topic: uniqueName('unknown'), value: 'x' }),
    ]);
    await producer.close({ timeoutMs: 200 });
    const codes = (await outcomes).map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : 'kept'));
    expect(codes[0]).toBe('PRODUCER_CLOSED');
    held.remove();
    target.broker!.clearFaults();
  });

  it('tells of records that nobody waits for when a close cuts them off', async () => {
    const topic = await newTopic();
    const producer = newProducer();
    const held = target.broker!.holdNext('Produce', { times: 100 });
    producer.enqueue({ topic, value: 'x' });
    await expect(producer.close({ timeoutMs: 200 })).rejects.toMatchObject({ code: 'PRODUCER_RECORDS_LOST' });
    held.remove();
    target.broker!.clearFaults();
  });
});

describe.runIf(!isElsewhere)('a producer in trouble', () => {
  /** Sends while `trouble` happens, then checks that every record is there, once and in order. */
  async function survives(trouble: (topic: string, n: number) => Promise<void> | void): Promise<void> {
    const topic = await newTopic();
    await using producer = newProducer({ batchBytes: 300, retryBackoffMs: 5, requestTimeoutMs: 400 });
    const sent = values(300);
    const pending: Promise<{ offset: number }>[] = [];
    for (const [n, value] of sent.entries()) {
      pending.push(producer.send({ topic, value }));
      if (n % 10 === 0) await trouble(topic, n);
      if (n % 25 === 0) await pending[n];
    }
    const metadata = await Promise.all(pending);
    expect(metadata.map(({ offset }) => offset)).toEqual(sent.map((_, n) => n));
    expect((await readAll(target.bootstrapServers, topic)).map(({ value }) => value!.toString())).toEqual(sent);
    target.broker!.clearFaults();
  }

  it('survives answers that are lost', () =>
    survives(() => void target.broker!.dropNext('Produce', { when: 'after' })));
  it('survives requests that are lost', () => survives(() => void target.broker!.dropNext('Produce')));
  it('survives leaders that move', () => survives((topic) => target.broker!.moveLeader(topic, 0)));
  it('survives refusals', () =>
    survives(() => void target.broker!.failNext('Produce', 'NOT_ENOUGH_REPLICAS', { times: 2 })));
  it('survives connections that are cut', () => survives(() => void target.broker!.dropConnections()));
  it('survives answers that come after the request has timed out', () =>
    survives((_topic, n) => {
      if (n % 100 === 0) target.broker!.delayNext('Produce', 700);
    }));
});
