import { MemoryDisk, seededRandom } from '@millrace/ports';
import { batchLeaderEpoch, setBatchBaseOffset, setBatchLeaderEpoch, splitBatches } from '@millrace/records';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LeaderEpochs } from './leader-epochs.ts';
import type { PartitionLog } from './partition-log.ts';
import { abortMarker, batchOf, openTestLog, testContext } from './testing/test-logs.ts';

type Step =
  | { readonly kind: 'append'; readonly records: number; readonly epochs: number }
  | { readonly kind: 'truncate'; readonly back: number }
  | { readonly kind: 'startAt'; readonly ahead: number }
  | { readonly kind: 'checkpoint' | 'roll' }
  | { readonly kind: 'crash'; readonly keeps: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('append' as const), records: fc.nat(5), epochs: fc.nat(1) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('truncate' as const), back: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('startAt' as const), ahead: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('checkpoint' as const, 'roll' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('crash' as const), keeps: fc.integer() }) },
);

/** A follower on a disk that crashes, and what its log must be: the epoch of each record, from `start` on. */
class Follower {
  #disk = new MemoryDisk();
  #recoveryPoint: number | undefined;
  #logStartOffset: number | undefined;
  #log!: PartitionLog;
  #start = 0;
  #epochs: number[] = [];
  /** The same before cuts behind which nothing was made durable yet: of what was cut off, a crash may bring some back, to be cut again. */
  #beforeCuts: readonly number[] = [];
  /** The leader of now; its log may end with records of earlier ones. */
  #leaderEpoch = 0;

  async open(): Promise<void> {
    const context = testContext({ disk: this.#disk, tailCacheBytesMax: 0 });
    const options = { recoveryPoint: this.#recoveryPoint, logStartOffset: this.#logStartOffset };
    this.#log = await openTestLog(context, { segmentBytes: 500, indexIntervalBytes: 100 }, options);
    // Neither a crash nor a cut in order takes what was synced: nothing may be said to be missing.
    expect(this.#log.recovery.syncedTo).toBeUndefined();
    // As the log directory's checkpoint files do.
    this.#log.onCheckpointLowered(async () => this.#noteCheckpoint());
  }

  async run(step: Step): Promise<void> {
    switch (step.kind) {
      case 'append':
        return this.#append(step.records, step.epochs);
      case 'truncate':
        if (this.#beforeCuts.length === 0) this.#beforeCuts = this.#epochs;
        this.#epochs = this.#epochs.slice(0, Math.max(this.#epochs.length - step.back, 0));
        return this.#log.truncateTo(this.#start + this.#epochs.length);
      case 'startAt':
        this.#start += this.#epochs.length + step.ahead;
        this.#epochs = [];
        this.#beforeCuts = [];
        await this.#log.truncateFullyAndStartAt(this.#start);
        return this.#noteCheckpoint();
      case 'checkpoint':
        await this.#log.checkpoint();
        this.#beforeCuts = [];
        return this.#noteCheckpoint();
      case 'roll':
        this.#log.roll();
        return;
      case 'crash':
        this.#disk = this.#disk.crash(seededRandom(step.keeps));
        await this.open();
        this.#takeBack(this.#log.logEndOffset - this.#start);
        return this.verify();
    }
  }

  async verify(): Promise<void> {
    const { logStartOffset, logEndOffset } = this.#log;
    const end = this.#start + this.#epochs.length;
    expect(logEndOffset).toBe(end);
    const found: number[] = [];
    for (let offset = logStartOffset; offset < logEndOffset; ) {
      const { chunks } = await this.#log.read(offset, 10_000, { isolation: 'logEnd', minOneBatch: true });
      for (const chunk of chunks) for (const at of splitBatches(chunk)) found.push(batchLeaderEpoch(chunk, at));
      offset = logStartOffset + found.length;
    }
    expect(found).toEqual(this.#epochs);
    const starts = new LeaderEpochs();
    for (const [i, epoch] of this.#epochs.entries()) starts.assign(epoch, this.#start + i);
    for (let epoch = 0; epoch <= this.#leaderEpoch; epoch += 1) {
      const { leaderEpoch, endOffset } = this.#log.endOffsetForEpoch(epoch);
      // Before the first record that is there, answers may tell of earlier ones.
      if (endOffset > this.#start) expect({ leaderEpoch, endOffset }).toEqual(starts.endOffsetFor(epoch, end));
    }
  }

  #takeBack(length: number): void {
    if (length > this.#epochs.length && length <= this.#beforeCuts.length) {
      this.#epochs = this.#beforeCuts.slice(0, length);
    }
    this.#beforeCuts = [];
  }

  #noteCheckpoint(): void {
    this.#recoveryPoint = this.#log.recoveryPoint;
    this.#logStartOffset = this.#log.logStartOffset;
  }

  async #append(records: number, epochs: number): Promise<void> {
    this.#leaderEpoch += epochs;
    const last = this.#epochs.at(-1) ?? 0;
    for (let i = 0; i < records; i += 1) {
      // The leader's log goes on with what it had before its own epoch, then with that.
      const epoch = Math.max(last, i < records >> 1 ? last : this.#leaderEpoch);
      const batch = batchOf([`${epoch}`]);
      const offset = this.#start + this.#epochs.length;
      setBatchBaseOffset(batch, 0, offset);
      setBatchLeaderEpoch(batch, 0, epoch);
      const result = await this.#log.append(batch, { leaderEpoch: this.#leaderEpoch, origin: 'replica' });
      expect(result).toMatchObject({ errorCode: 0, baseOffset: offset });
      this.#epochs.push(epoch);
      this.#beforeCuts = [];
    }
  }
}

describe('a follower on a disk that crashes', () => {
  it('has the records and the epochs that it appended and was not told to cut, whatever happens', async () => {
    const numRuns = Number(process.env['MILLRACE_CRASH_RUNS'] ?? 300);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 30 }), async (steps) => {
        const follower = new Follower();
        await follower.open();
        for (const each of steps) await follower.run(each);
        await follower.run({ kind: 'crash', keeps: 1 });
      }),
      { numRuns },
    );
  });

  it('knows which transactions were aborted, though the power brings back what it knew of producers before a cut', async () => {
    const copy = (batch: Buffer, offset: number): Buffer => {
      setBatchBaseOffset(batch, 0, offset);
      return batch;
    };
    const transaction = { producerId: 7, producerEpoch: 0, baseSequence: 0, isTransactional: true };
    const replicated = [copy(batchOf(['a'], transaction), 1), copy(abortMarker(7, 0), 2), copy(batchOf(['b']), 3)];
    const asReplica = { leaderEpoch: 0, origin: 'replica' } as const;
    const disk = new MemoryDisk();
    const log = await openTestLog(testContext({ disk }));
    await log.append(copy(batchOf(['in another segment']), 0), asReplica);
    log.roll();
    for (const batch of replicated) await log.append(batch, asReplica);
    await log.close();
    const again = await openTestLog(testContext({ disk }), {}, { isClean: true, recoveryPoint: 4 });
    await again.truncateTo(2);
    for (const batch of replicated.slice(1)) await again.append(batch, asReplica);
    // Which of what was not synced is kept, is chance: the index's cut, and the file before it, among others.
    for (let keeps = 1; keeps <= 50; keeps += 1) {
      const context = testContext({ disk: disk.crash(seededRandom(keeps)) });
      const recovered = await openTestLog(context, {}, { recoveryPoint: 2 });
      recovered.advanceHighWatermark(4);
      const read = await recovered.read(1, 10_000, { isolation: 'committed', minOneBatch: true });
      expect(read.abortedTransactions).toEqual([{ producerId: 7, firstOffset: 1 }]);
    }
  });
});
