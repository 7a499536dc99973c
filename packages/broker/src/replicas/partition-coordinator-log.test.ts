import { type Clock, ManualClock } from '@millrace/ports';
import { setBatchBaseOffset } from '@millrace/records';
import { expect, it } from 'vitest';
import { TurnLine } from '../shared/turns.ts';
import { batchOf } from '../testing/test-broker.ts';
import type { Partition } from './partition.ts';
import { PartitionCoordinatorLog } from './partition-coordinator-log.ts';

const BATCHES = 2000;

function chunkOf(count: number): Buffer {
  return Buffer.concat(
    Array.from({ length: count }, (_, offset) => {
      const batch = batchOf(['a']);
      setBatchBaseOffset(batch, 0, offset);
      return batch;
    }),
  );
}

it('is read in turns: others go on while thousands of batches are taken in', async () => {
  let workedMs = 0;
  let [run, longestRun] = [0, 0];
  const others = new ManualClock();
  // Whoever gives up the turn goes on in the next one, and the others have theirs in between.
  const clock: Clock = {
    now: () => others.now(),
    monotonic: () => workedMs,
    schedule(delayMs, next) {
      run = 0;
      setImmediate(next);
      return others.schedule(delayMs, () => {});
    },
  };
  const log = {
    logStartOffset: 0,
    logEndOffset: BATCHES,
    read: async () => ({ errorCode: 0, chunks: [chunkOf(BATCHES)] }),
  };
  // What reading asks of a partition, and no more.
  const partition = { log, leaderError: () => 0, whenCommitted: async () => 0 } as unknown as Partition;
  const limits = { loadBytes: 1_000_000, commitTimeoutMs: 5000 };
  const turns = new TurnLine(clock);
  const read = new PartitionCoordinatorLog(
    't',
    limits,
    () => 1,
    turns,
    () => partition,
  );
  let taken = 0;
  const result = await read.readAll(0, (batches) => {
    expect(batches.length).toBe(chunkOf(1).length);
    taken += 1;
    workedMs += 0.1;
    run += 1;
    longestRun = Math.max(longestRun, run);
  });
  expect([result.errorCode, taken]).toEqual([0, BATCHES]);
  // 5 ms are 50 of them, and the clock is looked at once in 32.
  expect(longestRun).toBeLessThanOrEqual(50 + 32);
});
