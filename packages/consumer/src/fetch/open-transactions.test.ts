/** What is fetched where a transaction is open: a reader of what is committed has read all that it may, though the log goes on. */
import { describe, expect, it } from 'vitest';
import { BatchIterator } from '../reading/iterators.ts';
import { collect, newHarness } from '../testing/harness.ts';
import { assigned } from '../testing/reading.ts';

const RECORDS = 100;

describe('a partition with an open transaction', () => {
  it('is not asked for again and again while another fetch waits at the broker', async () => {
    const harness = newHarness();
    const logs = harness.cluster.createTopic('t', 2);
    for (let n = 0; n < RECORDS; n += 1) logs[0]?.append(['x'.repeat(1_000)]);
    logs[0]?.append(['open'], { producerId: 7, transactional: true });
    const engine = assigned(harness, 2, {
      isolationLevel: 'read_committed',
      prefetchPartitionBytesMax: 10_000,
      partitionBytesMax: 10_000,
      fetchWaitMsMax: 60_000,
    });
    // The buffer is full, and the fetch for the other partition has come to its full length.
    await harness.clock.advanceAsync(120_000);
    const { records } = collect(engine);
    await harness.until('all that is stable is read', () => records.length === RECORDS, 5_000);
    const before = harness.cluster.seen('Fetch').length;
    await harness.clock.advanceAsync(30_000);
    expect(harness.cluster.seen('Fetch').length - before).toBeLessThan(5);
    logs[0]?.endTransaction(7, true);
    harness.cluster.changed();
    await harness.until('the rest is read', () => records.length === RECORDS + 1, 70_000);
  });

  it('leaves a batch of what stands before it no lag, for who reads what is committed', async () => {
    for (const [isolationLevel, lag] of [
      ['read_committed', 0],
      ['read_uncommitted', 2],
    ] as const) {
      const harness = newHarness();
      const [log] = harness.cluster.createTopic('t', 1);
      log?.append(['a', 'b']);
      log?.append(['open', 'too'], { producerId: 7, transactional: true });
      const engine = assigned(harness, 1, { isolationLevel });
      const batch = new BatchIterator<Buffer, Buffer>(engine, 2).next();
      await harness.clock.advanceAsync(1_000);
      expect((await batch).value).toMatchObject({ nextOffset: 2, highWatermark: 4, lag });
    }
  });
});
