import { type Clock, ManualClock } from '@millrace/ports';
import { setBatchBaseOffset, splitBatches } from '@millrace/records';
import { expect, it } from 'vitest';
import { TurnLine } from '../shared/turns.ts';
import { batchOf } from '../testing/test-broker.ts';
import type { Partition } from './partition.ts';
import { PartitionCoordinatorLog } from './partition-coordinator-log.ts';

const BATCHES = 20_000;

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
  const all = chunkOf(BATCHES);
  const batchBytes = all.length / BATCHES;
  let longestRead = 0;
  const log = {
    logStartOffset: 0,
    logEndOffset: BATCHES,
    durableEndOffset: BATCHES,
    async read(offset: number, bytesMax: number) {
      longestRead = Math.max(longestRead, bytesMax);
      const end = Math.min(BATCHES, offset + Math.floor(bytesMax / batchBytes));
      return { errorCode: 0, chunks: [all.subarray(offset * batchBytes, end * batchBytes)] };
    },
  };
  // What reading asks of a partition, and no more.
  const partition = { log, leaderError: () => 0, whenCommitted: async () => 0 } as unknown as Partition;
  const limits = { loadBytes: 100_000_000, commitTimeoutMs: 5000 };
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
    for (const _ of splitBatches(batches)) {
      taken += 1;
      run += 1;
    }
    workedMs += 1;
    longestRun = Math.max(longestRun, run);
  });
  expect([result.errorCode, taken]).toEqual([0, BATCHES]);
  // What is taken in at once is a millisecond's work here, and a turn has five of them.
  expect(longestRun * batchBytes).toBeLessThan(6 * 17 * 1024);
  // Reading checks what it reads, in one piece.
  expect(longestRead).toBeLessThanOrEqual(256 * 1024);
});

it('is read to the end that it had, where its last records were still to become durable', async () => {
  const all = chunkOf(3);
  const batchBytes = all.length / 3;
  const log = {
    logStartOffset: 0,
    logEndOffset: 3,
    durableEndOffset: 2,
    async read(offset: number) {
      const chunk = all.subarray(offset * batchBytes, log.durableEndOffset * batchBytes);
      return { errorCode: 0, chunks: chunk.length === 0 ? [] : [chunk] };
    },
  };
  const whenCommitted = async (offset: number): Promise<number> => {
    log.durableEndOffset = offset;
    return 0;
  };
  const partition = { log, leaderError: () => 0, whenCommitted } as unknown as Partition;
  const read = new PartitionCoordinatorLog(
    't',
    { loadBytes: 100_000, commitTimeoutMs: 5000 },
    () => 1,
    new TurnLine(new ManualClock()),
    () => partition,
  );
  let taken = 0;
  const result = await read.readAll(0, (batches) => {
    taken += [...splitBatches(batches)].length;
  });
  expect([result, taken]).toEqual([{ errorCode: 0, endOffset: 3 }, 3]);
});
