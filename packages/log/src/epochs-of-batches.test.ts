import { MemoryDisk } from '@millrace/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchOf, FOLDER, followDurable, openTestLog, testContext } from './testing/test-logs.ts';

const CHECKPOINT = `${FOLDER}/leader-epoch-checkpoint`;
const CONFIG = { segmentBytes: 400, indexIntervalBytes: 100 };

/** A log with one batch for each epoch that is given; resolves with what it then says of where each of the epochs ends. */
async function written(disk: MemoryDisk, epochs: readonly number[]): Promise<unknown[]> {
  const log = followDurable(await openTestLog(testContext({ disk }), CONFIG));
  for (const leaderEpoch of epochs) await log.append(batchOf(['a', 'b']), { leaderEpoch, origin: 'client' });
  const ends = endsOf(log);
  await log.close();
  return ends;
}

const ASKED = Array.from({ length: 12 }, (_, epoch) => epoch);

function endsOf(log: Awaited<ReturnType<typeof openTestLog>>): unknown[] {
  return [log.latestEpoch, ...ASKED.map((epoch) => log.endOffsetForEpoch(epoch))];
}

describe('a log whose epochs are known of by its batches alone', () => {
  const ways = [
    ['whose file is gone', (disk: MemoryDisk) => disk.remove(CHECKPOINT)],
    ['whose file has none', (disk: MemoryDisk) => disk.replaceFile(CHECKPOINT, Buffer.from('0\n0\n'))],
  ] as const;

  it.each(ways)('tells where each began and ended, however it was stopped: %s', async (_, spoil) => {
    const epochLists = fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 25 }).map((steps) => {
      let epoch = 0;
      return steps.map((step) => (epoch = Math.min(epoch + step, 10)));
    });
    const property = fc.asyncProperty(epochLists, fc.boolean(), fc.nat({ max: 60 }), async (epochs, isClean, point) => {
      const disk = new MemoryDisk();
      const ends = await written(disk, epochs);
      await spoil(disk);
      const recoveryPoint = Math.min(point, 2 * epochs.length);
      const log = await openTestLog(testContext({ disk }), CONFIG, { isClean, recoveryPoint });
      expect(endsOf(log)).toEqual(ends);
      await log.close();
      // What was found is in the file again.
      const again = await openTestLog(testContext({ disk }), CONFIG, { isClean: true });
      expect(endsOf(again)).toEqual(ends);
      await again.close();
    });
    await fc.assert(property, { numRuns: 40 });
  });

  it('begins them no earlier than the log begins', async () => {
    const disk = new MemoryDisk();
    await written(disk, [1, 1, 1, 1, 1, 1, 3]);
    await disk.remove(CHECKPOINT);
    const log = await openTestLog(testContext({ disk }), CONFIG, { isClean: true, logStartOffset: 5 });
    expect(log.endOffsetForEpoch(0)).toEqual({ leaderEpoch: 0, endOffset: 5 });
    expect(log.endOffsetForEpoch(2)).toEqual({ leaderEpoch: 1, endOffset: 12 });
    await log.close();
  });

  it('tells those before the first one in the file, where the log start that the file was written with is lost', async () => {
    const epochLists = fc.array(fc.nat({ max: 2 }), { minLength: 2, maxLength: 25 });
    const property = fc.asyncProperty(epochLists, fc.nat({ max: 50 }), async (steps, point) => {
      let epoch = 0;
      const epochs = steps.map((step) => (epoch = Math.min(epoch + step, 10)));
      const disk = new MemoryDisk();
      const log = followDurable(await openTestLog(testContext({ disk }), CONFIG));
      for (const leaderEpoch of epochs) await log.append(batchOf(['a', 'b']), { leaderEpoch, origin: 'client' });
      const ends = endsOf(log);
      log.deleteRecordsBefore(Math.min(point, 2 * epochs.length));
      await log.close();
      const again = await openTestLog(testContext({ disk }), CONFIG, { isClean: true, logStartOffset: 0 });
      expect(endsOf(again)).toEqual(ends);
      await again.close();
    });
    await fc.assert(property, { numRuns: 40 });
  });
});
