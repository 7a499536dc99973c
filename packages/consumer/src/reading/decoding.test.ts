/** Records: decoding them, and showing them. */
import { inspect } from 'node:util';
import { seededRandom } from '@millrace/ports';
import { jsonSerde, stringSerde } from '@millrace/serdes';
import { describe, expect, it, vi } from 'vitest';
import { type ConsumerRecord, decodeRecord } from '../record.ts';
import { plainHeaders, plainValue } from '../showing.ts';
import { type Harness, newHarness } from '../testing/harness.ts';
import { assigned, processed, sleep } from '../testing/reading.ts';
import { AwaitingIterator, RecordIterator } from './iterators.ts';
import { startRun } from './run.ts';

describe('a record', () => {
  it('decodes when it is asked, once, and says which record it was that cannot be decoded', async () => {
    const harness = newHarness();
    const [log] = harness.cluster.createTopic('t', 1);
    log?.append(['{"a":1}', '{']);
    let decoded = 0;
    const { deserialize } = jsonSerde();
    const engine = assigned(harness, 1, {
      keyDeserializer: stringSerde as never,
      valueDeserializer: {
        deserialize: (...args: Parameters<typeof deserialize>) => {
          decoded += 1;
          return deserialize(...args);
        },
      } as never,
    });
    const records = new RecordIterator<string, unknown>(engine);
    const first = records.next();
    await harness.clock.advanceAsync(1_000);
    const record = (await first).value as ConsumerRecord<string, unknown>;
    expect(decoded).toBe(0);
    expect([record.value, record.value, record.key, decoded]).toEqual([{ a: 1 }, { a: 1 }, null, 1]);
    expect(JSON.parse(JSON.stringify(record))).toMatchObject({ topic: 't', offset: 0, value: { a: 1 }, headers: {} });
    expect([record.rawValue?.toString(), record.leaderEpoch, record.sizeBytes]).toEqual(['{"a":1}', 0, 7]);
    const second = (await records.next()).value as ConsumerRecord<string, unknown>;
    expect(() => second.value).toThrow('The value of the record at offset 1 of partition 0 of "t" cannot be decoded');
  });

  it('shows itself as text where it is text, and never throws for that', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1)[0]?.append(['grüß dich']);
    const bad = {
      deserialize: () => {
        throw new Error('no');
      },
    } as never;
    for (const valueDeserializer of [undefined, bad]) {
      const engine = assigned(harness, 1, valueDeserializer === undefined ? {} : { valueDeserializer });
      const first = new RecordIterator<Buffer, Buffer>(engine).next();
      await harness.clock.advanceAsync(1_000);
      const { value: record } = await first;
      expect(JSON.stringify(record)).toContain('"key":null,"value":"grüß dich","headers":{}');
      expect(inspect(record)).toContain("value: 'grüß dich'");
    }
    expect([plainValue(Buffer.of(0xff)), plainValue(5)]).toEqual([{ base64: '/w==' }, 5]);
    const headers = [
      { key: 'a', value: Buffer.from('1') },
      { key: 'a', value: null },
      { key: 'b', value: Buffer.of(0xff) },
    ];
    expect(plainHeaders(headers)).toEqual({ a: ['1', null], b: { base64: '/w==' } });
  });

  it('is refused where its deserializer has forgotten an await', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1)[0]?.append(['a']);
    const engine = assigned(harness, 1, { valueDeserializer: { deserialize: async () => 'a' } as never });
    const first = new RecordIterator<Buffer, Buffer>(engine).next();
    await harness.clock.advanceAsync(1_000);
    const { value: record } = await first;
    expect(() => record?.value).toThrow('says so with `async: true`');
  });
});

describe('asynchronous deserializers', () => {
  /** Answers late, and not in order; fails for what begins with `bad`, for as long as it is told. */
  const registry = (harness: Harness, failsFor: { calls: number }) => ({
    async: true as const,
    async deserialize(bytes: Buffer): Promise<string> {
      await sleep(harness, bytes.length % 3);
      if (bytes.toString().startsWith('bad') && failsFor.calls-- > 0) throw new Error('registry away');
      return `<${bytes}>`;
    },
  });

  const reading = (values: readonly string[], failures: number) => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1)[0]?.append(values);
    const engine = assigned(harness, 1, { valueDeserializer: registry(harness, { calls: failures }) as never });
    expect(engine.decodesFirst).toBe(true);
    return { harness, engine };
  };

  it('have decoded before a loop sees the record, and loops keep their order', async () => {
    const { harness, engine } = reading(['a', 'bb', 'ccc', 'dddd'], 0);
    const records = new AwaitingIterator(new RecordIterator<Buffer, string>(engine), decodeRecord, engine.over);
    const all = Promise.all([1, 2, 3, 4].map(() => records.next()));
    await harness.clock.advanceAsync(1_000);
    expect((await all).map(({ value }) => value?.value)).toEqual(['<a>', '<bb>', '<ccc>', '<dddd>']);
    await records.return();
    expect(processed(engine)).toEqual([3]);
  });

  it('that never answer hold up a loop only until its consumer is closed', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1)[0]?.append(['a']);
    const deserialize = vi.fn(() => new Promise<never>(() => {}));
    const engine = assigned(harness, 1, { valueDeserializer: { async: true, deserialize } as never });
    const records = new AwaitingIterator(new RecordIterator<Buffer, string>(engine), decodeRecord, engine.over);
    const calls = [records.next(), records.next()];
    await harness.until('it is asked', () => deserialize.mock.calls.length > 0);
    const closed = engine.close(100);
    await harness.clock.advanceAsync(1_000);
    await closed;
    expect(await Promise.all(calls)).toEqual([
      { value: undefined, done: true },
      { value: undefined, done: true },
    ]);
  });

  it('have decoded before a handler is called, for a record or a batch', async () => {
    for (const isBatch of [false, true]) {
      const { harness, engine } = reading(['a', 'bb', 'ccc'], 0);
      const seen: unknown[] = [];
      const done = startRun<Buffer, string>(engine, seededRandom(1), {
        ...(isBatch
          ? { eachBatch: (batch) => void seen.push(...batch.records.map(({ value }) => value)) }
          : { eachRecord: ({ value }) => void seen.push(value) }),
      });
      await harness.until('all is seen', () => seen.length === 3);
      expect(seen).toEqual(['<a>', '<bb>', '<ccc>']);
      await engine.close();
      await done;
    }
  });

  it('that fail for a while are tried again, and for good fail the record they are for', async () => {
    const { harness, engine } = reading(['a', 'bad', 'c'], 2);
    const seen: unknown[] = [];
    const done = startRun<Buffer, string>(engine, seededRandom(1), {
      retry: { retries: 3, backoffMs: 1 },
      eachRecord: ({ value }) => void seen.push(value),
    });
    await harness.until('all is seen', () => seen.length === 3);
    expect(seen).toEqual(['<a>', '<bad>', '<c>']);
    await engine.close();
    await done;

    const failing = reading(['a', 'bad', 'c'], 100);
    const told = expect(
      startRun<Buffer, string>(failing.engine, seededRandom(1), { eachRecord: ({ value }) => void seen.push(value) }),
    ).rejects.toMatchObject({ code: 'CONSUMER_HANDLER_FAILED', offset: 1 });
    await failing.harness.clock.advanceAsync(1_000);
    await told;
    expect(processed(failing.engine)).toEqual([1]);
  });
});
