import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cleanSlice, defaultLogConfig, LogManager, type SliceCleaner } from '@millrace/log';
import { NodeDisk, systemClock, systemRandom } from '@millrace/ports';
import { Compression, checkBatch, decompressBatch, RecordBatchBuilder, RecordsError } from '@millrace/records';
import fc from 'fast-check';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TaskPool } from './task-pool.ts';
import { createWorkers } from './workers.ts';

const workers = createWorkers({ threads: 2, idleMs: 1000 });
const BYTES_MAX = 64 * 1024 * 1024;

afterAll(() => workers.close());

function batchOf(records: number, valueBytes: number, compression: Compression = Compression.NONE): Buffer {
  const builder = new RecordBatchBuilder();
  for (let i = 0; i < records; i += 1) builder.append(1000 + i, `key-${i}`, `value ${i} `.repeat(valueBytes / 8));
  return builder.build({ compression, baseOffset: 7 });
}

describe('recompression', () => {
  it('gives the same batch in another codec, small ones at once and large ones from a thread', async () => {
    const codec = fc.constantFrom(...Object.values(Compression));
    await fc.assert(
      fc.asyncProperty(codec, codec, fc.constantFrom(1, 100, 3000), async (from, to, records) => {
        const batch = batchOf(records, 100, from);
        const result = await workers.recompress(batch, { compression: to, bytesMax: BYTES_MAX });
        expect(checkBatch(result, 0, { contiguousOffsets: true })).toBeUndefined();
        expect(await workers.decompress(result, BYTES_MAX)).toEqual(batchOf(records, 100));
      }),
      { numRuns: 60 },
    );
  });

  it('does many at a time, each with its own result, and leaves the batches whole', async () => {
    const batches = Array.from({ length: 100 }, (_, i) => batchOf(300 + i, 200));
    const copies = batches.map((batch) => Buffer.from(batch));
    const results = await Promise.all(
      batches.map((batch, i) => workers.recompress(batch, { compression: 1 + (i % 4), bytesMax: BYTES_MAX })),
    );
    expect(results.map((result) => decompressBatch(result))).toEqual(copies);
    expect(batches).toEqual(copies);
  });

  it('answers at once where nothing is to be done or little', () => {
    const batch = batchOf(3000, 100, Compression.LZ4);
    expect(workers.recompress(batch, { compression: Compression.LZ4, bytesMax: 1 })).toBe(batch);
    expect(workers.recompress(batchOf(1, 100), { compression: Compression.ZSTD, bytesMax: BYTES_MAX })).toBeInstanceOf(
      Buffer,
    );
  });

  it('takes a small batch to a thread when much is in it', async () => {
    const bomb = batchOf(1, 8_000_000, Compression.ZSTD);
    expect(bomb.length).toBeLessThan(2000);
    const plain = workers.decompress(bomb, BYTES_MAX);
    expect(plain).toBeInstanceOf(Promise);
    expect((await plain).length).toBeGreaterThan(8_000_000);
  });

  it('does no more than a share of many small batches in one turn, and the rest in threads', async () => {
    const small = batchOf(1, 6000, Compression.ZSTD);
    const limits = { keys: true, contiguousOffsets: true, bytesMax: BYTES_MAX };
    const results = Array.from({ length: 1000 }, () => workers.check(small, limits));
    expect(results.filter((result) => !(result instanceof Promise)).length).toBeLessThan(300);
    expect(results.filter((result) => !(result instanceof Promise)).length).toBeGreaterThan(0);
    for (const faults of await Promise.all(results)) expect(faults).toEqual([]);
    expect(workers.check(small, limits)).not.toBeInstanceOf(Promise);
    expect(await workers.check(batchOf(1, 200_000, Compression.ZSTD), limits)).toEqual([]);
  });

  it('looks into large batches in a thread: what is wrong with records, and which has a time', async () => {
    const builder = new RecordBatchBuilder();
    for (let i = 0; i < 3000; i += 1) builder.append(1000 + i, i === 7 ? null : 'key', 'value '.repeat(30));
    const batch = builder.build({ compression: Compression.GZIP });
    const faults = workers.check(batch, { keys: true, bytesMax: BYTES_MAX });
    expect(faults).toBeInstanceOf(Promise);
    expect(await faults).toMatchObject([{ code: 'NO_KEY', index: 7 }]);
    expect(await workers.check(batch, { bytesMax: 1000 })).toMatchObject([{ code: 'TOO_LARGE', index: -1 }]);
    const search = { timestamp: 2500, offset: 0, bytesMax: BYTES_MAX };
    expect(await workers.find(batch, search)).toEqual({ offset: 1500, timestamp: 2500 });
    expect(await workers.find(batch, { ...search, timestamp: 9999 })).toBeUndefined();
    batch.fill(0xff, 200);
    await expect((async () => workers.find(batch, search))()).rejects.toMatchObject({
      code: 'RECORDS_BAD_COMPRESSION',
    });
  });

  it('rejects with the same error as in the calling thread, and serves the others of the group', async () => {
    const good = batchOf(3000, 100);
    const bad = batchOf(3000, 100, Compression.GZIP);
    bad.fill(0xff, 100);
    const settled = await Promise.allSettled([
      workers.recompress(good, { compression: Compression.ZSTD, bytesMax: BYTES_MAX }),
      workers.recompress(bad, { compression: Compression.ZSTD, bytesMax: BYTES_MAX }),
      workers.recompress(batchOf(3000, 1000, Compression.GZIP), { compression: Compression.LZ4, bytesMax: 300_000 }),
    ]);
    expect(settled[0]).toMatchObject({ status: 'fulfilled' });
    expect(settled[1]).toMatchObject({ status: 'rejected', reason: { code: 'RECORDS_BAD_COMPRESSION' } });
    expect(settled[2]).toMatchObject({ status: 'rejected', reason: { code: 'RECORDS_TOO_LARGE' } });
    expect((settled[1] as PromiseRejectedResult).reason).toBeInstanceOf(RecordsError);
  });
});

describe('compaction', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-workers-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Compacts a log of 20,000 records with 100 keys; gives what is left of it, byte for byte, and the slices it took. */
  async function compacted(name: string, cleanSlice: SliceCleaner): Promise<{ bytes: Buffer[]; slices: number }> {
    let slices = 0;
    const logs = new LogManager({
      disk: new NodeDisk(),
      clock: systemClock,
      random: systemRandom,
      logDirs: [join(folder, name)],
      brokerId: 1,
      clusterId: 'workers-test-cluster-1',
      configOf: () => ({ ...defaultLogConfig, cleanupPolicy: ['compact'], segmentBytes: 500_000, flushMessages: 1e9 }),
      cleanerIoBufferBytes: 64 * 1024,
      cleanSlice: (slice) => {
        slices += 1;
        return cleanSlice(slice);
      },
    });
    await logs.open();
    const log = await logs.getOrCreate('t', 0, { isNew: true });
    log.onAppended((end) => log.advanceHighWatermark(end));
    for (let n = 0; n < 200; n += 1) {
      const builder = new RecordBatchBuilder();
      for (let i = 0; i < 100; i += 1)
        builder.append(1000 + n, `key ${(n * 37 + i) % 100}`, `value ${n} ${i} `.repeat(10));
      await log.append(builder.build({ compression: (n % 5) as Compression }), { leaderEpoch: 0, origin: 'client' });
    }
    log.roll();
    await log.append(batchOf(1, 8), { leaderEpoch: 0, origin: 'client' });
    await logs.checkpoint();
    expect(await logs.compact()).toBeGreaterThan(0);
    expect(logs.cleaner.recordsKept).toBeLessThan(1000);
    await logs.close();
    const files = readdirSync(join(folder, name, 't-0')).filter((file) => /(log|index)$/.test(file));
    return { bytes: files.sort().map((file) => readFileSync(join(folder, name, 't-0', file))), slices };
  }

  it('leaves in threads, byte for byte, what it leaves in the calling thread', async () => {
    const here = await compacted('here', cleanSlice);
    const inThreads = await compacted('threads', async (slice) => {
      const outcome = await workers.cleanSlice(slice);
      expect(slice.chunk.byteLength).toBe(0);
      return outcome;
    });
    expect(inThreads).toEqual(here);
    expect(here.slices).toBeGreaterThan(10);
  });
});

describe('the life of a pool', () => {
  it('outlives a task that fails, and says which it was', async () => {
    const pool = new TaskPool(1, 1000);
    await expect(pool.run('batches', 'no task', [])).rejects.toMatchObject({
      code: 'WORKERS_FAILED',
      retriable: true,
    });
    const empty = { memory: new ArrayBuffer(0), sizes: [], jobs: [] };
    expect(await pool.run('batches', empty, [empty.memory])).toEqual([]);
    await pool.close();
    await expect(pool.run('batches', empty, [])).rejects.toMatchObject({ code: 'WORKERS_CLOSED' });
  });

  it('closes without having started, and refuses tasks afterwards', async () => {
    const closed = createWorkers({ threads: 1 });
    await closed.close();
    await closed.close();
    await expect(closed.recompress(batchOf(3000, 100), { compression: 4, bytesMax: BYTES_MAX })).rejects.toMatchObject({
      code: 'WORKERS_CLOSED',
      retriable: false,
    });
  });

  it('finishes what is under way when it closes', async () => {
    const pool = createWorkers({ threads: 1 });
    const running = pool.recompress(batchOf(3000, 100), { compression: Compression.GZIP, bytesMax: BYTES_MAX });
    await new Promise((resolve) => setImmediate(resolve));
    await pool.close();
    expect(checkBatch(await running, 0)).toBeUndefined();
  });
});
