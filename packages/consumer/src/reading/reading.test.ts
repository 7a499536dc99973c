/** The ways to read: loops, batches, handlers. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { tracingChannel } from 'node:diagnostics_channel';
import { silentLogger } from '@millrace/client';
import { describe, expect, it, vi } from 'vitest';
import type { ProcessEvent } from '../diagnostics.ts';
import { newHarness, textOf } from '../testing/harness.ts';
import { assigned, filled, processed, run, sleep } from '../testing/reading.ts';
import type { ConsumerBatch } from './consumer-batch.ts';
import { BatchIterator, RecordIterator } from './iterators.ts';
import type { HandlerContext, RunOptions } from './run-options.ts';

describe('a loop over records', () => {
  it('counts a record as processed when it asks for the next one', async () => {
    const harness = newHarness();
    filled(harness, 1, 3);
    const engine = assigned(harness, 1);
    const records = new RecordIterator<Buffer, Buffer>(engine);
    const first = records.next();
    await harness.clock.advanceAsync(1_000);
    expect((await first).value?.offset).toBe(0);
    expect(processed(engine)).toEqual([0]);
    const second = records.next();
    await harness.clock.advanceAsync(1);
    expect((await second).value?.offset).toBe(1);
    expect(processed(engine)).toEqual([1]);
  });

  it('answers calls that do not wait for one another in order', async () => {
    const harness = newHarness();
    filled(harness, 1, 5);
    const engine = assigned(harness, 1, { partitionBytesMax: 80 });
    const records = new RecordIterator<Buffer, Buffer>(engine);
    const calls = Array.from({ length: 7 }, () => records.next());
    await harness.clock.advanceAsync(2_000);
    const closed = engine.close();
    await harness.clock.advanceAsync(2_000);
    await closed;
    const results = await Promise.all(calls);
    expect(results.map(({ value, done }) => (done ? 'end' : value?.offset))).toEqual([0, 1, 2, 3, 4, 'end', 'end']);
  });

  it('gives every partition its turn', async () => {
    const harness = newHarness();
    filled(harness, 3, 100);
    const engine = assigned(harness, 3, { partitionBytesMax: 800 });
    const turns: number[] = [];
    const reading = (async () => {
      for await (const { partition } of new RecordIterator<Buffer, Buffer>(engine)) {
        if (turns.at(-1) !== partition) turns.push(partition);
        if (turns.length === 12) break;
      }
    })();
    await harness.clock.advanceAsync(5_000);
    await reading;
    expect(turns).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
  });

  it('lets a partition go on where the loop was left, record in hand included', async () => {
    const harness = newHarness();
    filled(harness, 1, 5);
    const engine = assigned(harness, 1);
    const seen: number[] = [];
    const twice = (async () => {
      for (let times = 0; times < 2; times += 1) {
        for await (const { offset } of new RecordIterator<Buffer, Buffer>(engine)) {
          seen.push(offset);
          if (offset === 2 + times * 2) break;
        }
      }
    })();
    await harness.clock.advanceAsync(5_000);
    await twice;
    expect(seen).toEqual([0, 1, 2, 2, 3, 4]);
  });

  it('ends while it waits when it is told to return', async () => {
    const harness = newHarness();
    filled(harness, 1, 0);
    const engine = assigned(harness, 1);
    const records = new RecordIterator<Buffer, Buffer>(engine);
    const waiting = records.next();
    await harness.clock.advanceAsync(1_000);
    expect(engine.delivery.waitingCount).toBe(1);
    await records.return();
    expect(await waiting).toEqual({ value: undefined, done: true });
    expect(engine.delivery.waitingCount).toBe(0);
    expect(await records.next()).toEqual({ value: undefined, done: true });
  });

  it('sees a partition that is sought elsewhere from there on', async () => {
    const harness = newHarness();
    filled(harness, 1, 10);
    const engine = assigned(harness, 1);
    const seen: number[] = [];
    const reading = (async () => {
      for await (const { offset } of new RecordIterator<Buffer, Buffer>(engine)) {
        seen.push(offset);
        if (seen.length === 3) engine.seek('t', 0, 7);
        if (offset === 9) break;
      }
    })();
    await harness.clock.advanceAsync(5_000);
    await reading;
    expect(seen).toEqual([0, 1, 2, 7, 8, 9]);
  });
});

describe('a loop over batches', () => {
  it('gets what came with one fetch, cut where that is wanted', async () => {
    const harness = newHarness();
    filled(harness, 1, 2, 5);
    const engine = assigned(harness, 1);
    const batches: ConsumerBatch<Buffer, Buffer>[] = [];
    const reading = (async () => {
      for await (const batch of new BatchIterator<Buffer, Buffer>(engine, 4)) {
        expect(processed(engine)).toEqual([batch.firstOffset]);
        batches.push(batch);
        if (batch.nextOffset === 10) break;
      }
    })();
    await harness.clock.advanceAsync(5_000);
    await reading;
    expect(
      batches.map(({ firstOffset, lastOffset, nextOffset, lag }) => [firstOffset, lastOffset, nextOffset, lag]),
    ).toEqual([
      [0, 3, 4, 6],
      [4, 7, 8, 2],
      [8, 9, 10, 0],
    ]);
    expect([...(batches[0] as ConsumerBatch<Buffer, Buffer>)].map(textOf)[0]).toBe('t-0@0=0.0');
  });
});

describe('run', () => {
  it.each([
    ['all of it', {}, [1, 5, 10, 10]],
    ['as many records as it wants', { batchRecordsMax: 4 }, [1, 4, 4, 4]],
    ['no more bytes than one fetch brings', { partitionBytesMax: 300 }, [1, 4, 1, 4]],
  ])(
    'gives a handler of batches what has come while it was busy, whatever fetches that came with: %s',
    async (_, { batchRecordsMax, ...options }: { batchRecordsMax?: number; partitionBytesMax?: number }, expected) => {
      const harness = newHarness();
      const [log] = harness.cluster.createTopic('t', 1);
      const engine = assigned(harness, 1, options);
      const seen: number[][] = [];
      const done = run(engine, {
        batchRecordsMax,
        eachBatch: async ({ records, nextOffset }) => {
          seen.push(records.map(({ offset }) => offset));
          expect(nextOffset).toBe(seen.flat().length);
          await sleep(harness, 1_000);
        },
      });
      for (let count = 0; count < 32; count += 1) {
        log!.append([`${count}`]);
        await harness.clock.advanceAsync(100);
      }
      expect(seen.map(({ length }) => length)).toEqual(expected);
      expect(seen.flat()).toEqual(seen.flat().map((_offset, index) => index));
      const closing = engine.close();
      await harness.clock.advanceAsync(1_000);
      await Promise.all([closing, done]);
    },
  );

  it('calls a handler that returns no promise again at once', async () => {
    const harness = newHarness();
    filled(harness, 1, 1, 1_000);
    const engine = assigned(harness, 1);
    let inTurn = 0;
    let most = 0;
    const done = run(engine, {
      eachRecord: () => {
        if (inTurn++ === 0) setImmediate(() => (inTurn = 0));
        most = Math.max(most, inTurn);
      },
    });
    await harness.clock.advanceAsync(1_000);
    expect(most).toBe(1_000);
    await engine.close();
    await done;
  });

  it('handles as many partitions at once as it is told, each in its order', async () => {
    const harness = newHarness();
    filled(harness, 6, 20);
    const engine = assigned(harness, 6, { partitionBytesMax: 300 });
    const seen: number[][] = Array.from({ length: 6 }, () => []);
    let atOnce = 0;
    let most = 0;
    const done = run(engine, {
      concurrency: 4,
      eachRecord: async ({ partition, offset }) => {
        most = Math.max(most, ++atOnce);
        await sleep(harness, 10);
        atOnce -= 1;
        seen[partition]?.push(offset);
      },
    });
    await harness.until('all is handled', () => seen.flat().length === 120);
    expect(most).toBe(4);
    for (const offsets of seen) expect(offsets).toEqual(Array.from({ length: 20 }, (_, n) => n));
    await engine.close();
    await done;
  });

  it('lets partitions take turns where there are more than may be handled at once', async () => {
    const harness = newHarness();
    filled(harness, 2, 1, 1_000);
    const engine = assigned(harness, 2);
    const seen = [0, 0];
    const done = run(engine, {
      concurrency: 1,
      eachRecord: async ({ partition }) => {
        await sleep(harness, 20);
        seen[partition] = (seen[partition] ?? 0) + 1;
      },
    });
    await harness.until('some are handled', () => seen.reduce((sum, count) => sum + count) === 60);
    expect(Math.min(...seen)).toBeGreaterThan(20);
    const closed = engine.close();
    await harness.clock.advanceAsync(1_000);
    await closed;
    await done;
  });

  it('ends with what a handler threw, after the others are done; what was processed stays so', async () => {
    const harness = newHarness();
    filled(harness, 2, 10);
    const engine = assigned(harness, 2);
    let others = 0;
    const done = run(engine, {
      eachRecord: async ({ partition, offset }) => {
        await sleep(harness, 10);
        if (partition === 1) others += 1;
        if (partition === 0 && offset === 3) throw new Error('no threes');
      },
    });
    const told = expect(done).rejects.toMatchObject({
      code: 'CONSUMER_HANDLER_FAILED',
      topic: 't',
      partition: 0,
      offset: 3,
      cause: new Error('no threes'),
    });
    await harness.clock.advanceAsync(1_000);
    await told;
    expect(processed(engine)).toEqual([3, others]);
    const again: string[] = [];
    const next = run(engine, { eachRecord: (record) => void again.push(textOf(record)) });
    await harness.clock.advanceAsync(1_000);
    expect(again.filter((text) => text.startsWith('t-0'))[0]).toBe('t-0@3=3.0');
    expect(again.length).toBe(17 - others);
    await engine.close();
    await next;
  });

  it.each([true, false])('tries again while the partition waits and the others go on (promises: %s)', async (later) => {
    const harness = newHarness();
    filled(harness, 2, 5);
    const engine = assigned(harness, 2);
    const calls: [number, number, number][] = [];
    const done = run(engine, {
      retry: { retries: 5, backoffMs: 100, backoffMsMax: 400 },
      eachRecord: ({ partition, offset }) => {
        const before = calls.filter(([p, o]) => p === partition && o === offset).length;
        calls.push([partition, offset, harness.clock.monotonic()]);
        if (partition === 1 || offset !== 1 || before >= 3) return later ? Promise.resolve() : undefined;
        if (later) return Promise.reject(new Error('not yet'));
        throw new Error('not yet');
      },
    });
    await harness.until('the other is through', () => calls.some(([p, o]) => p === 1 && o === 4), 1_000);
    expect(calls.some(([p, o]) => p === 0 && o === 2)).toBe(false);
    await harness.until('all is handled', () => calls.some(([p, o]) => p === 0 && o === 4), 3_000);
    const tries = calls.filter(([p, o]) => p === 0 && o === 1).map(([, , atMs]) => atMs);
    const pauses = tries.slice(1).map((atMs, index) => Math.round((atMs - (tries[index] as number)) / 10) * 10);
    expect(pauses.length).toBe(3);
    for (const [index, wanted] of [100, 200, 400].entries()) {
      expect(pauses[index]).toBeGreaterThanOrEqual(wanted * 0.75);
      expect(pauses[index]).toBeLessThanOrEqual(wanted * 1.25);
    }
    await engine.close();
    await done;
  });

  it('begins to count tries anew with every record', async () => {
    const harness = newHarness();
    filled(harness, 1, 20);
    const engine = assigned(harness, 1);
    const tries = new Map<number, number>();
    let last = -1;
    const done = run(engine, {
      retry: { retries: 1, backoffMs: 1 },
      eachRecord: async ({ offset }) => {
        tries.set(offset, (tries.get(offset) ?? 0) + 1);
        if (tries.get(offset) === 1) throw new Error('once each');
        last = offset;
      },
    });
    await harness.until('all is handled', () => last === 19);
    await engine.close();
    await done;
  });
  it('tells a handler that its partition goes, and counts nothing of what it then gives up', async () => {
    const harness = newHarness();
    filled(harness, 1, 5);
    const engine = harness.engine({ groupId: 'g', autoOffsetReset: 'earliest' });
    engine.subscribe('t');
    let told = 0;
    const done = run(engine, {
      retry: { retries: 1_000 },
      eachRecord: (_record, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            told += 1;
            reject(new Error('I was told to stop'));
          });
        }),
    });
    await harness.until('it has joined', () => engine.partitions.size === 1);
    await harness.clock.advanceAsync(1_000);
    const closed = engine.close();
    await harness.clock.advanceAsync(2_000);
    await closed;
    await done;
    expect([told, harness.cluster.group.committed.get('t/0')?.offset ?? 0]).toEqual([1, 0]);
  });

  it('ends by a signal, and the consumer goes on', async () => {
    const harness = newHarness();
    filled(harness, 1, 50);
    const engine = assigned(harness, 1);
    const stop = new AbortController();
    const seen: number[] = [];
    const first = run(engine, {
      signal: stop.signal,
      eachRecord: async ({ offset }) => {
        await sleep(harness, 10);
        seen.push(offset);
      },
    });
    await harness.clock.advanceAsync(200);
    stop.abort();
    await harness.clock.advanceAsync(100);
    await first;
    const { length } = seen;
    await harness.clock.advanceAsync(1_000);
    expect(seen.length).toBe(length);
    const second = run(engine, { eachRecord: ({ offset }) => void seen.push(offset) });
    await harness.clock.advanceAsync(1_000);
    expect(seen).toEqual(Array.from({ length: 50 }, (_, n) => n));
    await engine.close();
    await second;
  });

  it('lets tracers see every call, with the record whose headers carry the context', async () => {
    const harness = newHarness();
    filled(harness, 1, 3);
    const engine = assigned(harness, 1);
    const events: string[] = [];
    const channel = tracingChannel<unknown, ProcessEvent>('millrace:consumer:process');
    const note = (what: string) => (event: unknown) =>
      void events.push(`${what} ${(event as ProcessEvent).record?.offset}`);
    const subscribers = {
      start: note('start'),
      end: () => {},
      asyncStart: () => {},
      asyncEnd: note('end'),
      error: note('error'),
    };
    channel.subscribe(subscribers);
    const done = run(engine, {
      retry: { retries: 1, backoffMs: 1 },
      eachRecord: ({ offset }) => {
        if (offset === 1 && !events.includes('error 1')) throw new Error('once');
      },
    });
    await harness.until('all is handled', () => events.includes('end 2'));
    channel.unsubscribe(subscribers);
    expect(events).toEqual(['start 0', 'end 0', 'start 1', 'error 1', 'end 1', 'start 1', 'end 1', 'start 2', 'end 2']);
    await engine.close();
    await done;
  });

  describe('with a handler that never ends', () => {
    /** The others have done what they can; the one for partition 0 hangs until it is let go. */
    const hanging = async (options: Partial<RunOptions<Buffer, Buffer>> = {}) => {
      const harness = newHarness();
      filled(harness, 2, 3);
      const warn = vi.fn();
      const engine = assigned(harness, 2, { logger: { ...silentLogger, warn } });
      const letGo = Promise.withResolvers<void>();
      const hung: HandlerContext[] = [];
      const done = run(engine, {
        eachRecord: async ({ partition }, context) => {
          if (partition === 1) return;
          hung.push(context);
          await letGo.promise;
        },
        ...options,
      });
      await harness.until('it hangs', () => hung.length === 1 && processed(engine)[1] === 3);
      const close = async (timeoutMs: number): Promise<void> => {
        const closed = engine.close(timeoutMs);
        await harness.clock.advanceAsync(timeoutMs + 1);
        await closed;
      };
      return { harness, engine, warn, letGo, hung, done, close };
    };

    it.each([0, 50, 30_000])('ends when close has waited %s ms for it, tells it, and says so', async (timeoutMs) => {
      const { hung, warn, done, close } = await hanging();
      await close(timeoutMs);
      await done;
      expect(hung[0]?.signal.aborted).toBe(true);
      expect(warn.mock.calls.map(([, text]) => text)).toEqual([
        'Handlers have not finished in time, though their signal has fired: they are left, and their partitions are given up',
      ]);
    });

    it.each(['ends', 'fails'])('calls it for nothing more when it %s later', async (how) => {
      const dead = vi.fn(() => Promise.resolve());
      const { harness, engine, hung, letGo, done, close } = await hanging({
        retry: { retries: 5, backoffMs: 1 },
        deadLetterTopic: 'dead',
        deadLetter: { send: dead },
      });
      await close(50);
      await done;
      if (how === 'ends') letGo.resolve();
      else letGo.reject(new Error('too late'));
      await harness.clock.advanceAsync(1_000);
      expect(hung.length).toBe(1);
      expect(dead).not.toHaveBeenCalled();
      expect(engine.delivery.leases.size).toBe(0);
    });

    it('rejects with what another handler threw', async () => {
      const harness = newHarness();
      filled(harness, 2, 1);
      const engine = assigned(harness, 2);
      const done = run(engine, {
        eachRecord: ({ partition }) => (partition === 0 ? new Promise(() => {}) : Promise.reject(new Error('no'))),
      });
      const told = expect(done).rejects.toMatchObject({ code: 'CONSUMER_HANDLER_FAILED', partition: 1 });
      await harness.clock.advanceAsync(1_000);
      const closed = engine.close(50);
      await harness.clock.advanceAsync(100);
      await closed;
      await told;
    });
  });

  it('runs a handler in the context that a tracer binds to its record', async () => {
    const harness = newHarness();
    filled(harness, 1, 2);
    const engine = assigned(harness, 1);
    const storage = new AsyncLocalStorage<string>();
    const channel = tracingChannel<string, ProcessEvent>('millrace:consumer:process');
    channel.start.bindStore(storage, (event) => `the context of ${(event as ProcessEvent).record?.offset}`);
    const seen: (string | undefined)[] = [];
    const done = run(engine, {
      eachRecord: async () => {
        await sleep(harness, 5);
        seen.push(storage.getStore());
      },
    });
    await harness.until('all is handled', () => seen.length === 2);
    channel.start.unbindStore(storage);
    expect(seen).toEqual(['the context of 0', 'the context of 1']);
    await engine.close();
    await done;
  });

  it.each<[string, RunOptions<Buffer, Buffer>]>([
    ['either eachRecord or eachBatch', {}],
    ['either eachRecord or eachBatch', { eachRecord: () => {}, eachBatch: () => {} }],
    ['concurrency', { eachRecord: () => {}, concurrency: 0 }],
    ['batchRecordsMax', { eachBatch: () => {}, batchRecordsMax: 0 }],
    ['retry.retries', { eachRecord: () => {}, retry: { retries: -1 } }],
    ['deadLetter', { eachRecord: () => {}, deadLetterTopic: 'dead' }],
  ])('refuses what makes no sense (%s)', async (what, options) => {
    const engine = newHarness().engine();
    await expect(run(engine, options)).rejects.toMatchObject({
      code: 'CONSUMER_INVALID_OPTION',
      message: expect.stringContaining(what),
    });
  });
});
