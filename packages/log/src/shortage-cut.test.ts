import { ManualClock, MemoryDisk, systemError } from '@millrace/ports';
import { setBatchBaseOffset, setBatchLeaderEpoch } from '@millrace/records';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PartitionLog } from './partition-log.ts';
import { DISK_FULL_PAUSE_MS } from './shortage.ts';
import { AS_CLIENT, batchOf, openTestLog, recordsOf, testContext } from './testing/test-logs.ts';

const RECORDS = 8;
/** More than any cut needs, so that the last ones are cut without a fault. */
const CALLS_MAX = 40;

interface Cut {
  readonly to: number;
  readonly startsOver: boolean;
}

function cutAsTold(log: PartitionLog, { to, startsOver }: Cut): Promise<void> {
  return startsOver ? log.truncateFullyAndStartAt(to) : log.truncateTo(to);
}

async function append(log: PartitionLog, offset: number, epoch: number, value: string): Promise<void> {
  const batch = batchOf([value], { producerId: 7, producerEpoch: 0, baseSequence: offset });
  setBatchBaseOffset(batch, 0, offset);
  setBatchLeaderEpoch(batch, 0, epoch);
  const { errorCode, errorMessage } = await log.append(batch, { leaderEpoch: epoch, origin: 'replica' });
  expect([errorCode, errorMessage]).toEqual([0, undefined]);
}

async function valuesOf(log: PartitionLog): Promise<string[]> {
  const values: string[] = [];
  for (let offset = log.logStartOffset; offset < log.durableEndOffset; offset += 1) {
    const read = await log.read(offset, 1, { isolation: 'logEnd', minOneBatch: true });
    values.push(...recordsOf(read).map(({ offset: at, value }) => `${at}${value}`));
  }
  return values;
}

/** Three segments with a record in epochs 0 to 7 each; from the call with that number on, the disk refuses every call. */
async function logOf(disk: MemoryDisk, clock: ManualClock): Promise<PartitionLog> {
  const log = await openTestLog(testContext({ disk, clock, tailCacheBytesMax: 0 }));
  for (let offset = 0; offset < RECORDS; offset += 1) {
    if (offset % 3 === 2) log.roll();
    await append(log, offset, offset, 'old');
  }
  await log.checkpoint();
  return log;
}

function failFrom(disk: MemoryDisk, call: number): void {
  let calls = 0;
  disk.fault = ({ path }) => {
    calls += 1;
    return calls > call ? systemError('EMFILE', `too many open files, open '${path}'`) : undefined;
  };
}

/** What stays of the log, and what comes behind it. */
function expected({ to, startsOver }: Cut, isCut: boolean, next: string): string[] {
  const end = isCut ? Math.min(to, startsOver ? to : RECORDS) : RECORDS;
  const kept = isCut && startsOver ? 0 : end;
  return [...Array.from({ length: kept }, (_, offset) => `${offset}old`), `${end}${next}`];
}

describe('a cut for which there is no room half way', () => {
  const cuts = fc.record({ to: fc.nat(RECORDS + 2), startsOver: fc.boolean() });

  it('is brought to its end by the log itself, whether it follows or has come to lead meanwhile, and outlives a crash', async () => {
    await fc.assert(
      fc.asyncProperty(cuts, fc.nat(CALLS_MAX), fc.boolean(), async (cut, call, leads) => {
        const disk = new MemoryDisk();
        const clock = new ManualClock();
        const log = await logOf(disk, clock);
        failFrom(disk, call);
        const isDone = await cutAsTold(log, cut).then(
          () => true,
          (error: unknown) => expect(error).toMatchObject({ code: 'EMFILE' }),
        );
        // Before anybody's next try, and whether or not the files are cut: nothing behind the new end is told of any more.
        const isCut = isDone === true || log.state === 'truncating';
        const end = log.logEndOffset;
        expect(log.durableEndOffset).toBe(end);
        expect(log.latestEpoch).toBeLessThan(Math.max(end, 1));
        if (leads) log.assignEpoch(20);
        await clock.advanceAsync(3 * DISK_FULL_PAUSE_MS);
        disk.fault = undefined;
        await clock.advanceAsync(2 * DISK_FULL_PAUSE_MS);
        expect([log.state, log.logEndOffset]).toEqual(['online', end]);
        if (leads) {
          expect(log.endOffsetForEpoch(20)).toEqual({ leaderEpoch: 20, endOffset: end });
          const { errorCode } = await log.append(batchOf(['led']), { ...AS_CLIENT, leaderEpoch: 20 });
          expect(errorCode).toBe(0);
        } else {
          await append(log, end, 30, 'led');
        }
        const values = expected(cut, isCut, 'led');
        expect(await valuesOf(log)).toEqual(values);
        const again = await openTestLog(testContext({ disk: disk.crash('none') }), {}, { recoveryPoint: end });
        expect(await valuesOf(again)).toEqual(values);
        expect(again.endOffsetForEpoch(leads ? 20 : 30).endOffset).toBe(end + 1);
      }),
      { numRuns: 150 },
    );
  });

  it('is finished before another one begins', async () => {
    await fc.assert(
      fc.asyncProperty(cuts, cuts, fc.nat(CALLS_MAX), async (first, second, call) => {
        const disk = new MemoryDisk();
        const log = await logOf(disk, new ManualClock());
        failFrom(disk, call);
        await cutAsTold(log, first).catch((error: unknown) => expect(error).toMatchObject({ code: 'EMFILE' }));
        disk.fault = undefined;
        const end = log.logEndOffset;
        const isEmpty = (await valuesOf(log)).length === 0;
        await cutAsTold(log, second);
        expect(log.state).toBe('online');
        expect(log.logEndOffset).toBe(second.startsOver ? second.to : Math.min(second.to, end));
        const isLeftOver = !second.startsOver && !isEmpty;
        await append(log, log.logEndOffset, 30, 'next');
        const values = await valuesOf(log);
        expect(values).toHaveLength(isLeftOver ? log.logEndOffset - log.logStartOffset : 1);
        const again = await openTestLog(testContext({ disk: disk.crash('none') }), {}, { recoveryPoint: 0 });
        expect(await valuesOf(again)).toEqual(values);
      }),
      { numRuns: 150 },
    );
  });
});
