/** Transactions in a log against a model: whatever is written, ended, compacted, cut and opened again, readers see what the model says. */
import { ManualClock, MemoryDisk } from '@millrace/ports';
import {
  batchIsControl,
  batchLastOffset,
  batchProducerId,
  batchSizeBytes,
  readRecords,
  setBatchBaseOffset,
  splitBatches,
} from '@millrace/records';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReadResult } from './log-types.ts';
import type { PartitionLog } from './partition-log.ts';
import { COMPACTED, compact, START_MS } from './testing/test-compaction.ts';
import { abortMarker, batchOf, commitMarker, followDurable, openTestLog, testContext } from './testing/test-logs.ts';

const DELETE_RETENTION_MS = 1000;
/** Two or three batches to a segment. */
const CONFIG = {
  ...COMPACTED,
  cleanupPolicy: ['compact', 'delete'] as const,
  segmentBytes: 250,
  deleteRetentionMs: DELETE_RETENTION_MS,
};
/** What retention leaves of a log when it comes to it: more than a segment. */
const RETENTION_BYTES = 600;
const KEYS = ['a', 'b', 'c'];
/** Producer 0 stands for those that write without transactions. */
const PRODUCERS_MAX = 3;
/** One batch at a time, and all at once. */
const READ_BYTES = [1, 10_000];

type Write =
  | { readonly kind: 'put'; readonly producer: number; readonly key: string }
  | { readonly kind: 'end'; readonly producer: number; readonly isCommit: boolean };

type Step =
  | Write
  | { readonly kind: 'compact' | 'restart' }
  | { readonly kind: 'wait'; readonly ms: number }
  /** Of what is not stable yet, how many hundredths stay. */
  | { readonly kind: 'cut'; readonly percent: number }
  /** Of what is replicated, how many hundredths are deleted, whatever is open in them. */
  | { readonly kind: 'delete'; readonly percent: number }
  | { readonly kind: 'retain' };

const write: fc.Arbitrary<Write> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      producer: fc.nat(PRODUCERS_MAX),
      key: fc.constantFrom(...KEYS),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      producer: fc.integer({ min: 1, max: PRODUCERS_MAX }),
      isCommit: fc.boolean(),
    }),
  },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: write },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('compact' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(2 * DELETE_RETENTION_MS) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), percent: fc.nat(100) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), percent: fc.nat(100) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('retain' as const) }) },
);

interface Aborted {
  readonly producerId: number;
  readonly firstOffset: number;
  readonly markerOffset: number;
}

interface Seen {
  readonly offset: number;
  readonly key: string;
}

/** What a log that holds these writes, one at each offset, shows. */
interface View {
  readonly lastStableOffset: number;
  /** Stable or not. */
  readonly committed: readonly Seen[];
  readonly aborted: readonly Aborted[];
  /** Behind the markers that made stable what lies below the last stable offset. */
  readonly stableMarkersEnd: number;
}

/** @param start where the log begins; with `forgets`, nothing is known of what was before it */
function viewOf(writes: readonly Write[], start = 0, forgets = false): View {
  const open = new Map<number, Seen[]>();
  const committed: Seen[] = [];
  const aborted: Aborted[] = [];
  const ends: { readonly firstOffset: number; readonly markerOffset: number }[] = [];
  for (const [offset, written] of writes.entries()) {
    const { producer } = written;
    if (forgets && offset < start) continue;
    if (written.kind === 'put') {
      const { key } = written;
      if (producer === 0) committed.push({ offset, key });
      else open.set(producer, [...(open.get(producer) ?? []), { offset, key }]);
      continue;
    }
    const ended = open.get(producer);
    open.delete(producer);
    if (ended === undefined) continue;
    ends.push({ firstOffset: ended[0]!.offset, markerOffset: offset });
    if (written.isCommit) committed.push(...ended);
    else aborted.push({ producerId: producer, firstOffset: ended[0]!.offset, markerOffset: offset });
  }
  const unstable = Math.min(writes.length, ...[...open.values()].map(([first]) => first!.offset));
  const lastStableOffset = Math.max(start, unstable);
  const shown = committed.filter(({ offset }) => offset >= start).sort((a, b) => a.offset - b.offset);
  const stable = ends.filter(({ firstOffset }) => firstOffset < lastStableOffset);
  const stableMarkersEnd = Math.max(start, ...stable.map(({ markerOffset }) => markerOffset + 1));
  return { lastStableOffset, committed: shown, aborted, stableMarkersEnd };
}

/** Reads as Kafka's clients do, and holds what is told of aborted transactions against the model. */
async function readCommitted(log: PartitionLog, from: number, bytesMax: number, view: View): Promise<Seen[]> {
  const seen: Seen[] = [];
  for (let offset = from; offset < log.lastStableOffset; ) {
    const read = await log.read(offset, bytesMax, { isolation: 'committed', minOneBatch: true });
    expect(read.errorCode).toBe(0);
    // Below the last stable offset of a compacted log there may be nothing left.
    if (read.sizeBytes === 0) break;
    const batches = batchesOf(read);
    const end = batchLastOffset(batches.at(-1)!, 0) + 1;
    expectListed(read, offset, end, view);
    seen.push(...withoutAborted(batches, read).filter((record) => record.offset >= offset));
    offset = end;
  }
  return seen;
}

function batchesOf({ chunks }: ReadResult): Buffer[] {
  return chunks.flatMap((chunk) =>
    [...splitBatches(chunk)].map((at) => chunk.subarray(at, at + batchSizeBytes(chunk, at))),
  );
}

/**
 * In order, each as it was, and none that does not matter to what was read: kafkajs takes one of them a batch. A new replica of a compacted log
 * knows a transaction from its first batch on that is still there.
 */
function expectListed({ abortedTransactions }: ReadResult, from: number, end: number, { aborted }: View): void {
  const offsets = abortedTransactions.map(({ firstOffset }) => firstOffset);
  expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => a - b));
  for (const { producerId, firstOffset } of abortedTransactions) {
    const known = aborted.find(
      (each) => each.producerId === producerId && each.firstOffset <= firstOffset && firstOffset < each.markerOffset,
    );
    expect(known, `${producerId} from ${firstOffset} on, in a read of ${from} to ${end}`).toBeDefined();
    expect(known!.markerOffset).toBeGreaterThanOrEqual(from);
    expect(firstOffset).toBeLessThan(end);
  }
}

function withoutAborted(batches: readonly Buffer[], { abortedTransactions }: ReadResult): Seen[] {
  const listed = [...abortedTransactions];
  const isAborting = new Set<number>();
  return batches.flatMap((batch) => {
    while (listed.length > 0 && listed[0]!.firstOffset <= batchLastOffset(batch, 0)) {
      isAborting.add(listed.shift()!.producerId);
    }
    const producerId = batchProducerId(batch, 0);
    if (!batchIsControl(batch, 0)) {
      return isAborting.has(producerId) ? [] : readRecords(batch).map(({ offset, key }) => ({ offset, key: `${key}` }));
    }
    if (readRecords(batch)[0]?.key?.readInt16BE(2) === 0) isAborting.delete(producerId);
    return [];
  });
}

/** The bytes of a write; sequences run on over transactions, as before Kafka 4. */
function bytesOf(written: Write, before: readonly Write[]): Buffer {
  const { producer: producerId } = written;
  if (written.kind === 'end') return (written.isCommit ? commitMarker : abortMarker)(producerId, 0);
  const records = [{ key: written.key, value: `${before.length}`, timestamp: START_MS }];
  if (producerId === 0) return batchOf(records);
  const baseSequence = before.filter(({ kind, producer }) => kind === 'put' && producer === producerId).length;
  return batchOf(records, { producerId, producerEpoch: 0, baseSequence, isTransactional: true });
}

/** A log that is compacted all the time, with the memory of all that was written. */
class CompactedLog {
  readonly #clock = new ManualClock(START_MS);
  #disk = new MemoryDisk();
  #log!: PartitionLog;
  #cleanedOffset: number | undefined;
  #writes: Write[] = [];
  /** The same before cuts behind which nothing was written yet: a crash may bring back what was cut off, for the leader to have it cut again. */
  #beforeCuts: readonly Write[] = [];

  async open(): Promise<void> {
    const context = testContext({ disk: this.#disk, clock: this.#clock });
    const { logStartOffset } = this.#log ?? {};
    this.#log = await openTestLog(context, CONFIG, { logStartOffset, cleanedOffset: this.#cleanedOffset });
    followDurable(this.#log);
  }

  async run(step: Step): Promise<void> {
    switch (step.kind) {
      case 'put':
      case 'end':
        return this.#append(step);
      case 'wait':
        return this.#clock.advanceAsync(step.ms);
      case 'restart':
        this.#disk = this.#disk.crash('none');
        await this.open();
        return this.#takeBack(this.#log.logEndOffset);
      case 'cut':
        return this.#cut(step.percent);
      case 'delete': {
        const offset = Math.floor((this.#log.highWatermark * step.percent) / 100);
        expect(this.#log.deleteRecordsBefore(offset).errorCode).toBe(0);
        return;
      }
      case 'retain':
        this.#log.updateConfig({ ...this.#log.config, retentionBytes: RETENTION_BYTES });
        await this.#log.enforceRetention();
        return this.#log.updateConfig({ ...this.#log.config, retentionBytes: -1 });
      case 'compact':
        // The active segment is never compacted.
        this.#log.roll();
        await this.#append({ kind: 'put', producer: 0, key: 'active' });
        await compact(this.#log, this.#clock);
        this.#cleanedOffset = this.#log.cleanedOffset;
    }
  }

  async #append(written: Write): Promise<void> {
    const origin = written.kind === 'end' ? 'coordinator' : 'client';
    const result = await this.#log.append(bytesOf(written, this.#writes), { leaderEpoch: 0, origin });
    expect(result).toMatchObject({ errorCode: 0, baseOffset: this.#writes.length });
    this.#writes.push(written);
    this.#beforeCuts = [];
  }

  #takeBack(length: number): void {
    if (length > this.#writes.length && length <= this.#beforeCuts.length) {
      this.#writes = this.#beforeCuts.slice(0, length);
    }
    this.#beforeCuts = [];
  }

  /** What is stable is replicated, with the markers that made it so, and never cut. */
  async #cut(percent: number): Promise<void> {
    const least = Math.max(this.#log.lastStableOffset, viewOf(this.#writes).stableMarkersEnd);
    const end = least + Math.floor(((this.#writes.length - least) * percent) / 100);
    await this.#log.truncateTo(end);
    this.#log.advanceHighWatermark(end);
    if (this.#beforeCuts.length === 0) this.#beforeCuts = this.#writes;
    this.#writes = this.#writes.slice(0, end);
  }

  /** Of each key the newest record that is committed is there, nothing that is not committed, and the same from any offset on. */
  async verify(): Promise<void> {
    const log = this.#log;
    const { logStartOffset: start, lastStableOffset } = log;
    const view = viewOf(this.#writes, start);
    expect(lastStableOffset).toBe(view.lastStableOffset);
    const seen = await readCommitted(log, start, READ_BYTES[1]!, view);
    const stable = view.committed.filter(({ offset }) => offset < lastStableOffset);
    for (const record of seen) expect(stable).toContainEqual(record);
    const newest = new Map(stable.map((record) => [record.key, record]));
    for (const record of newest.values()) expect(seen).toContainEqual(record);
    for (const bytesMax of READ_BYTES) {
      for (let from = start; from <= lastStableOffset; from += 1) {
        const expected = seen.filter(({ offset }) => offset >= from);
        expect(await readCommitted(log, from, bytesMax, view)).toEqual(expected);
      }
    }
    await this.#verifyCopy(seen);
  }

  /** What it never knew of, since that was deleted before, does not hold readers up there. */
  async #verifyCopy(seen: readonly Seen[]): Promise<void> {
    const start = this.#log.logStartOffset;
    const copy = await copyOf(this.#log);
    expect(copy.lastStableOffset).toBe(viewOf(this.#writes, start, true).lastStableOffset);
    const view = viewOf(this.#writes, start);
    const found = await readCommitted(copy, start, READ_BYTES[1]!, view);
    expect(found.filter(({ offset }) => offset < this.#log.lastStableOffset)).toEqual(seen);
    for (const record of found) expect(view.committed).toContainEqual(record);
  }
}

/** What a new follower makes of it, which has the batches alone, and not what their leader knew of producers before it was compacted. */
async function copyOf(log: PartitionLog): Promise<PartitionLog> {
  const copy = await openTestLog(testContext(), CONFIG);
  await copy.truncateFullyAndStartAt(log.logStartOffset);
  while (copy.logEndOffset < log.logEndOffset) {
    const { chunks } = await log.read(copy.logEndOffset, 10_000, { isolation: 'logEnd', minOneBatch: true });
    for (const chunk of chunks) await copy.append(Buffer.from(chunk), { leaderEpoch: 0, origin: 'replica' });
  }
  copy.advanceHighWatermark(log.highWatermark);
  return copy;
}

/** A follower takes up what its leader has written. */
async function follow(log: PartitionLog, writes: readonly Write[]): Promise<void> {
  for (let offset = log.logEndOffset; offset < writes.length; offset += 1) {
    const batch = bytesOf(writes[offset]!, writes.slice(0, offset));
    setBatchBaseOffset(batch, 0, offset);
    await log.append(batch, { leaderEpoch: 0, origin: 'replica' });
  }
  log.advanceHighWatermark(writes.length);
}

async function expectView(log: PartitionLog, writes: readonly Write[]): Promise<void> {
  const view = viewOf(writes);
  expect(log.lastStableOffset).toBe(view.lastStableOffset);
  const stable = view.committed.filter(({ offset }) => offset < view.lastStableOffset);
  for (const bytesMax of READ_BYTES) expect(await readCommitted(log, 0, bytesMax, view)).toEqual(stable);
}

describe('transactions in a log', () => {
  it('show what they have committed, and of the rest nothing, however often it is compacted, cut and opened, and whatever is deleted of it', async () => {
    const numRuns = Number(process.env['MILLRACE_TRANSACTION_RUNS'] ?? 40);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const log = new CompactedLog();
        await log.open();
        for (const each of steps) {
          await log.run(each);
          if (each.kind !== 'put' && each.kind !== 'wait') await log.verify();
        }
        for (const kind of ['compact', 'restart'] as const) {
          await log.run({ kind });
          await log.verify();
        }
      }),
      { numRuns },
    );
  });

  it('are the same on a follower that was cut at any offset, at once and when it has caught up', async () => {
    const numRuns = Number(process.env['MILLRACE_TRANSACTION_RUNS'] ?? 20);
    await fc.assert(
      fc.asyncProperty(fc.array(write, { minLength: 3, maxLength: 14 }), async (writes) => {
        for (let end = 0; end <= writes.length; end += 1) {
          const disk = new MemoryDisk();
          const log = await openTestLog(testContext({ disk }), CONFIG);
          await follow(log, writes);
          await log.truncateTo(end);
          log.advanceHighWatermark(end);
          await expectView(log, writes.slice(0, end));
          await follow(log, writes);
          await expectView(log, writes);
          const again = await openTestLog(testContext({ disk: disk.crash('none') }), CONFIG);
          again.advanceHighWatermark(writes.length);
          await expectView(again, writes);
        }
      }),
      { numRuns },
    );
  });
});
