import { ManualClock, MemoryDisk, systemError } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import { setBatchBaseOffset, setBatchLeaderEpoch } from '@millrace/records';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultLogConfig as testConfig } from './log-config.ts';
import { LogManager } from './log-manager.ts';
import type { AppendResult } from './log-types.ts';
import type { PartitionLog } from './partition-log.ts';
import { AS_CLIENT, abortMarker, batchOf, openTestLog, readAll, recordsOf, testContext } from './testing/test-logs.ts';

/** Batches as a leader of these epochs has them, one record each, one behind the other. */
function replicated(baseOffset: number, epochs: readonly number[], values = epochs.map(String)): Buffer {
  const batches = epochs.map((epoch, i) => {
    const batch = batchOf([values[i]!]);
    setBatchBaseOffset(batch, 0, baseOffset + i);
    setBatchLeaderEpoch(batch, 0, epoch);
    return batch;
  });
  return Buffer.concat(batches);
}

function follow(
  log: PartitionLog,
  baseOffset: number,
  epochs: readonly number[],
  leaderEpoch = 99,
): Promise<AppendResult> {
  return log.append(replicated(baseOffset, epochs), { leaderEpoch, origin: 'replica' });
}

const startsOf = (log: PartitionLog, upTo: number): number[] =>
  Array.from({ length: upTo }, (_, epoch) => log.endOffsetForEpoch(epoch).endOffset);

describe("a follower's high watermark and log start", () => {
  it("are the leader's as far as the log goes, up and down, and the log start never passes the high watermark", async () => {
    const log = await openTestLog(testContext());
    await follow(log, 0, [0, 0, 0, 0, 0]);
    expect(log.followLeader({ highWatermark: 9, logStartOffset: 0 })).toBe(true);
    expect(log.highWatermark).toBe(5);
    expect(log.followLeader({ highWatermark: 2, logStartOffset: -1 })).toBe(true);
    expect([log.logStartOffset, log.highWatermark]).toEqual([0, 2]);
    expect(log.followLeader({ highWatermark: 2, logStartOffset: 4 })).toBe(false);
    expect([log.logStartOffset, log.highWatermark]).toEqual([2, 2]);
    expect(log.followLeader({ highWatermark: 1, logStartOffset: 0 })).toBe(false);
    expect([log.logStartOffset, log.highWatermark]).toEqual([2, 2]);
    expect(recordsOf(await log.read(2, 1000, { isolation: 'highWatermark', minOneBatch: true }))).toEqual([]);
    expect(recordsOf(await log.read(2, 1000, { isolation: 'logEnd', minOneBatch: true }))).toHaveLength(3);
  });

  it('go down with the end of the log, and the log start with it', async () => {
    const log = await openTestLog(testContext());
    await follow(log, 0, [0, 0, 0, 0, 0]);
    log.followLeader({ highWatermark: 5, logStartOffset: 3 });
    await log.truncateTo(4);
    expect([log.logStartOffset, log.highWatermark, log.logEndOffset]).toEqual([3, 4, 4]);
    await log.truncateTo(1);
    expect([log.logStartOffset, log.highWatermark, log.logEndOffset]).toEqual([1, 1, 1]);
  });

  it('are again what they were when the broker starts anew, within the log', async () => {
    const disk = new MemoryDisk();
    const log = await openTestLog(testContext({ disk }));
    await follow(log, 0, [0, 0, 0]);
    const open = (highWatermark: number): Promise<PartitionLog> =>
      openTestLog(testContext({ disk: disk.crash('none') }), {}, { highWatermark, logStartOffset: 1 });
    expect((await open(9)).highWatermark).toBe(3);
    expect((await open(0)).highWatermark).toBe(1);
  });
});

describe("a follower's append", () => {
  it('ends before the first batch of a later epoch than that of the leader it follows', async () => {
    const log = await openTestLog(testContext());
    expect(await follow(log, 0, [1, 2, 3, 2], 2)).toMatchObject({ errorCode: 0, baseOffset: 0, lastOffset: 1 });
    expect(log.latestEpoch).toBe(2);
    expect(await follow(log, 2, [3, 3], 2)).toMatchObject({ errorCode: 0, baseOffset: 2, lastOffset: 1 });
    expect(log.logEndOffset).toBe(2);
    expect(await follow(log, 2, [3, 3], 3)).toMatchObject({ errorCode: 0, baseOffset: 2, lastOffset: 3 });
  });

  it('is refused where it overlaps what is there, and within itself', async () => {
    const log = await openTestLog(testContext());
    await follow(log, 0, [0, 0]);
    expect((await follow(log, 1, [0])).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    const twice = Buffer.concat([replicated(2, [0]), replicated(2, [0])]);
    expect((await log.append(twice, { leaderEpoch: 0, origin: 'replica' })).errorCode).toBe(
      ErrorCode.OFFSET_OUT_OF_RANGE,
    );
    expect(log.logEndOffset).toBe(2);
  });

  it('takes the batch in the middle of which its leader begins, and begins there too', async () => {
    const log = await openTestLog(testContext());
    await log.truncateFullyAndStartAt(12);
    const batch = batchOf(['a', 'b', 'c', 'd', 'e']);
    setBatchBaseOffset(batch, 0, 10);
    setBatchLeaderEpoch(batch, 0, 4);
    expect(await log.append(batch, { leaderEpoch: 4, origin: 'replica' })).toMatchObject({
      errorCode: 0,
      baseOffset: 10,
      lastOffset: 14,
      logStartOffset: 12,
    });
    log.followLeader({ highWatermark: 15, logStartOffset: 12 });
    expect(await readAll(log)).toEqual([
      { offset: 12, value: 'c' },
      { offset: 13, value: 'd' },
      { offset: 14, value: 'e' },
    ]);
  });

  it('begins a segment where a gap is wider than one can span, in an empty log, behind records and behind a roll', async () => {
    const disk = new MemoryDisk();
    // Only compaction leaves gaps.
    const config = { cleanupPolicy: ['compact'] as const };
    const log = await openTestLog(testContext({ disk, tailCacheBytesMax: 0 }), config);
    const far = 2 ** 32;
    const append = (offset: number): Promise<AppendResult> => follow(log, offset, [0]);
    for (const offset of [far, 2 * far, 3 * far]) expect((await append(offset)).errorCode).toBe(0);
    log.roll();
    expect((await append(4 * far)).errorCode).toBe(0);
    // Two batches too far from one another: the first goes in, the second with the next fetch.
    const both = Buffer.concat([replicated(5 * far, [0]), replicated(6 * far, [0])]);
    expect(await log.append(both, { leaderEpoch: 0, origin: 'replica' })).toMatchObject({ lastOffset: 5 * far });
    log.followLeader({ highWatermark: Number.MAX_SAFE_INTEGER, logStartOffset: -1 });
    const offsets = [1, 2, 3, 4, 5].map((n) => n * far);
    expect((await readAll(log)).map(({ offset }) => offset)).toEqual(offsets);
    await log.close();
    const again = await openTestLog(testContext({ disk: disk.crash('none') }), config, {
      isClean: true,
      highWatermark: 9 * far,
    });
    expect((await readAll(again)).map(({ offset }) => offset)).toEqual(offsets);
  });
});

describe('where epochs end', () => {
  it('is known after two crashes, though the first start after one had to find it out', async () => {
    const disk = new MemoryDisk();
    // With an entry for each batch a scan begins where it must, not at the beginning.
    const indexed = { indexIntervalBytes: 0 };
    const log = await openTestLog(testContext({ disk }), indexed);
    await follow(log, 0, [0, 0, 1, 1, 3]);
    const first = disk.crash('none');
    const found = await openTestLog(testContext({ disk: first }), indexed, { isClean: false });
    expect(startsOf(found, 4)).toEqual([2, 4, 4, 5]);
    // What was scanned is trusted from here on, so nobody looks there again.
    expect(found.recoveryPoint).toBe(5);
    const options = { isClean: false, recoveryPoint: found.recoveryPoint };
    const again = await openTestLog(testContext({ disk: first.crash('none') }), indexed, options);
    expect(startsOf(again, 4)).toEqual([2, 4, 4, 5]);
  });

  it('is looked for anew where a full disk kept it from being noted', async () => {
    const disk = new MemoryDisk();
    await follow(await openTestLog(testContext({ disk })), 0, [0, 0, 1]);
    const full = disk.crash('none');
    full.fault = ({ kind, path }) =>
      kind === 'write' && path.includes('leader-epoch') ? systemError('ENOSPC', 'no room') : undefined;
    const found = await openTestLog(testContext({ disk: full }), {}, { isClean: false });
    expect([startsOf(found, 2), found.recoveryPoint]).toEqual([[2, 3], 0]);
  });

  it('nothing ends beyond what is durable, and an epoch without records ends where it begins', async () => {
    const log = await openTestLog(testContext());
    log.assignEpoch(3);
    const appended = log.append(batchOf(['a', 'b']), { leaderEpoch: 3, origin: 'client' });
    expect(log.endOffsetForEpoch(3)).toEqual({ leaderEpoch: 3, endOffset: 0 });
    await appended;
    expect(log.endOffsetForEpoch(3)).toEqual({ leaderEpoch: 3, endOffset: 2 });
    log.assignEpoch(5);
    expect(log.latestEpoch).toBe(5);
    expect(log.endOffsetForEpoch(5)).toEqual({ leaderEpoch: 5, endOffset: 2 });
    expect(log.endOffsetForEpoch(4)).toEqual({ leaderEpoch: 3, endOffset: 2 });
  });

  it('an epoch without records goes with a cut that takes nothing else, and with a batch of an earlier one', async () => {
    const log = await openTestLog(testContext());
    await follow(log, 0, [1, 1]);
    log.assignEpoch(4);
    await log.truncateTo(2);
    expect([log.latestEpoch, log.logEndOffset, log.state]).toEqual([1, 2, 'online']);
    log.assignEpoch(4);
    await follow(log, 2, [3]);
    expect(log.latestEpoch).toBe(3);
    expect(startsOf(log, 5)).toEqual([0, 2, 2, 3, -1]);
  });

  it('a batch whose epoch lies below that of records before it changes nothing', async () => {
    const log = await openTestLog(testContext());
    await follow(log, 0, [1, 5, 3, 6]);
    expect(log.endOffsetForEpoch(5)).toEqual({ leaderEpoch: 5, endOffset: 3 });
    expect(log.latestEpoch).toBe(6);
  });

  it("a cut beyond the log's end leaves it as it is", async () => {
    const log = await openTestLog(testContext());
    await follow(log, 0, [1, 1]);
    await log.truncateTo(7);
    expect([log.logEndOffset, log.durableEndOffset, log.state]).toEqual([2, 2, 'online']);
  });

  it('tells where to cut as Kafka does: known epoch, unknown epoch, unknown end', async () => {
    const log = await openTestLog(testContext());
    await follow(log, 0, [1, 1, 3, 3, 5]);
    log.followLeader({ highWatermark: 2, logStartOffset: 0 });
    expect(log.truncationFor({ leaderEpoch: 3, endOffset: 3 })).toEqual({ offset: 3, isFinal: true });
    expect(log.truncationFor({ leaderEpoch: 3, endOffset: 9 })).toEqual({ offset: 4, isFinal: true });
    expect(log.truncationFor({ leaderEpoch: 4, endOffset: 9 })).toEqual({ offset: 4, isFinal: false });
    expect(log.truncationFor({ leaderEpoch: -1, endOffset: 4 })).toEqual({ offset: 4, isFinal: true });
    expect(log.truncationFor({ leaderEpoch: -1, endOffset: -1 })).toEqual({ offset: 2, isFinal: true });
    expect(log.truncationFor({ leaderEpoch: 8, endOffset: 3 })).toEqual({ offset: 3, isFinal: true });
  });

  it('any two histories are the same after the follower has cut as its leader says, and lose nothing that was common', async () => {
    const history = fc.array(fc.record({ epochs: fc.nat(3), records: fc.nat(3) }), { maxLength: 6 }).map((steps) => {
      let epoch = 0;
      return steps.flatMap(({ epochs, records }) => {
        epoch += epochs;
        return Array.from({ length: records }, () => epoch);
      });
    });
    await fc.assert(
      fc.asyncProperty(history, history, history, async (common, ofLeader, ofFollower) => {
        const last = common.at(-1) ?? 0;
        // No epoch has two leaders: those behind the common part are of one log or of the other.
        const leaderTail = ofLeader.map((epoch) => last + 2 * epoch + 2);
        const followerTail = ofFollower.map((epoch) => last + 2 * epoch + 1);
        const leader = await openTestLog(testContext());
        const follower = await openTestLog(testContext());
        if (common.length + leaderTail.length > 0) await follow(leader, 0, [...common, ...leaderTail]);
        if (common.length + followerTail.length > 0) await follow(follower, 0, [...common, ...followerTail]);
        leader.assignEpoch(Math.max(leader.latestEpoch, follower.latestEpoch) + 1);
        for (let round = 0; ; round += 1) {
          expect(round).toBeLessThan(20);
          const epoch = follower.latestEpoch;
          const end = leader.endOffsetForEpoch(epoch);
          if (epoch < 0 || (end.leaderEpoch >= epoch && end.endOffset >= follower.logEndOffset)) break;
          await follower.truncateTo(follower.truncationFor(end).offset);
        }
        expect(follower.logEndOffset).toBeGreaterThanOrEqual(common.length);
        expect([...common, ...leaderTail].slice(0, follower.logEndOffset)).toEqual(
          [...common, ...followerTail].slice(0, follower.logEndOffset),
        );
      }),
    );
  });
});

describe('a log that is cut', () => {
  it('and begins anew elsewhere knows no epoch, producer or open transaction of before', async () => {
    const disk = new MemoryDisk();
    const log = await openTestLog(testContext({ disk }));
    const batch = batchOf(['t'], { producerId: 7, producerEpoch: 0, baseSequence: 0, isTransactional: true });
    await log.append(batch, AS_CLIENT);
    await log.checkpoint();
    await log.truncateFullyAndStartAt(50);
    expect([log.latestEpoch, log.producerCount, log.lastStableOffset]).toEqual([-1, 0, 50]);
    await follow(log, 50, [2]);
    for (const state of [log, await openTestLog(testContext({ disk: disk.crash('none') }))]) {
      expect([state.latestEpoch, state.producerCount, state.logEndOffset]).toEqual([2, 0, 51]);
      expect(state.endOffsetForEpoch(0)).toEqual({ leaderEpoch: 0, endOffset: 50 });
    }
  });

  it('is scanned from the cut on after a crash, whatever the recovery point was', async () => {
    const disk = new MemoryDisk();
    const options = {
      clock: new ManualClock(),
      random: testContext().random,
      logDirs: ['/data'],
      brokerId: 1,
      clusterId: 'c',
      configOf: () => ({ ...testConfig, flushMessages: Number.POSITIVE_INFINITY }),
    };
    const logs = new LogManager({ ...options, disk });
    await logs.open();
    const log = await logs.getOrCreate('topic', 0, { isNew: true });
    await follow(log, 0, [0, 0, 1, 1, 1, 1]);
    await logs.checkpoint();
    await log.truncateTo(2);
    // Behind a cut the first is synced, lest the crash bring back what was cut off; the others are not, and torn.
    await follow(log, 2, [0]);
    await follow(log, 3, [0, 0]);
    const crashed = disk.crash('none');
    const again = new LogManager({ ...options, disk: crashed });
    await again.open();
    const recovered = again.get('topic', 0)!;
    expect(recovered.logEndOffset).toBe(3);
    expect(recovered.latestEpoch).toBe(0);
    await again.close();
    // Its disk is gone.
    await expect(logs.close()).rejects.toThrow();
  });

  it('for want of room has cut nothing as long as nothing is gone, and may be cut again', async () => {
    const disk = new MemoryDisk();
    const log = await openTestLog(testContext({ disk }));
    await follow(log, 0, [0, 1, 1]);
    await log.checkpoint();
    disk.fault = ({ kind }) => (kind === 'replaceFile' ? systemError('ENOSPC', 'no space left') : undefined);
    await expect(log.truncateTo(1)).rejects.toThrow();
    expect([log.state, log.logEndOffset, log.latestEpoch]).toEqual(['online', 3, 1]);
    expect((await follow(log, 1, [2])).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    disk.fault = undefined;
    await log.truncateTo(1);
    expect((await follow(log, 1, [2])).errorCode).toBe(0);
  });

  it('for want of room keeps the epochs of the records that it keeps: a leader that knows others must find the difference', async () => {
    const disk = new MemoryDisk();
    const log = await openTestLog(testContext({ disk }));
    await follow(log, 0, [0, 1, 2]);
    await log.checkpoint();
    disk.fault = ({ path }) => (path.includes('leader-epoch') ? systemError('ENOSPC', 'no space left') : undefined);
    const cuts: (() => Promise<void>)[] = [() => log.truncateTo(1), () => log.truncateFullyAndStartAt(0)];
    for (const cut of cuts) {
      await expect(cut()).rejects.toMatchObject({ code: 'ENOSPC' });
      expect([log.logEndOffset, log.latestEpoch, startsOf(log, 3)]).toEqual([3, 2, [1, 2, 3]]);
    }
    disk.fault = undefined;
    await log.truncateTo(1);
    expect([log.logEndOffset, log.latestEpoch]).toEqual([1, 0]);
  });

  it('reads nothing of what it keeps but where it ends, as long as nothing goes that was committed', async () => {
    const disk = new MemoryDisk();
    const log = await openTestLog(testContext({ disk }));
    for (let i = 0; i < 300; i += 1) {
      await log.append(batchOf(['x'.repeat(1000)], { producerId: 7, producerEpoch: 0, baseSequence: i }), AS_CLIENT);
      if (i === 289) log.advanceHighWatermark(290);
    }
    let bytesRead = 0;
    disk.fault = ({ kind, path, sizeBytes }) => {
      if (kind === 'read' && path.endsWith('.log')) bytesRead += sizeBytes;
      return undefined;
    };
    await log.truncateTo(295);
    expect(bytesRead).toBeLessThan(50_000);
    // One before the other is a duplicate, and what follows is taken.
    const again = (baseSequence: number): Promise<AppendResult> =>
      log.append(batchOf(['y'], { producerId: 7, producerEpoch: 0, baseSequence }), AS_CLIENT);
    expect(await again(297)).toMatchObject({ errorCode: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER });
    expect(await again(295)).toMatchObject({ errorCode: 0, baseOffset: 295 });
  });

  it('keeps markers of transactions that end behind the cut open again', async () => {
    const log = await openTestLog(testContext());
    const batch = batchOf(['t'], { producerId: 7, producerEpoch: 0, baseSequence: 0, isTransactional: true });
    await log.append(batch, AS_CLIENT);
    await log.append(abortMarker(7, 0), { leaderEpoch: 0, origin: 'coordinator' });
    log.advanceHighWatermark(2);
    expect(log.lastStableOffset).toBe(2);
    await log.truncateTo(1);
    log.advanceHighWatermark(1);
    expect(log.lastStableOffset).toBe(0);
  });
});
