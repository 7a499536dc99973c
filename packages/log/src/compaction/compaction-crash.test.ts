import { ManualClock, MemoryDisk, type Random, seededRandom } from '@millrace/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LogConfig } from '../log-config.ts';
import type { PartitionLog } from '../partition-log.ts';
import { brief, COMPACTED, compact, type SeenRecord, START_MS, seeAll } from '../testing/test-compaction.ts';
import {
  AS_CLIENT,
  abortMarker,
  batchOf,
  FOLDER,
  followDurable,
  openTestLog,
  type TestRecord,
  testContext,
} from '../testing/test-logs.ts';

const DELETE_RETENTION_MS = 5000;

const ONE_GROUP: Partial<LogConfig> = { ...COMPACTED, segmentBytes: 10_000 };
const CONFIG: Partial<LogConfig> = { ...COMPACTED, deleteRetentionMs: DELETE_RETENTION_MS };

type Keeps = 'all' | 'none' | number;

type Step =
  | { readonly kind: 'append'; readonly keys: readonly number[]; readonly isTombstone: boolean }
  | { readonly kind: 'produce'; readonly keys: readonly number[] }
  | { readonly kind: 'roll' | 'checkpoint' | 'close' }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'compact'; readonly loadFactor: number }
  /** A crash in the middle of a cleaning, at its n-th call of the disk. */
  | { readonly kind: 'crash'; readonly atCall: number; readonly keeps: Keeps; readonly loadFactor: number };

const keys = fc.array(fc.nat(7), { minLength: 1, maxLength: 5 });
/** How full the smallest memory for keys may get: 3 or 16 keys of 8. */
const loadFactor = fc.constantFrom(0.2, 1);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('append' as const), keys, isTombstone: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('produce' as const), keys }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('roll' as const, 'checkpoint' as const, 'close' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(2 * DELETE_RETENTION_MS) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('compact' as const), loadFactor }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('crash' as const),
      atCall: fc.nat(120),
      keeps: fc.oneof(fc.constant('all' as const), fc.constant('none' as const), fc.integer()),
      loadFactor,
    }),
  },
);

interface Written {
  readonly key: string;
  readonly value: string | undefined;
}

/** A log that is compacted and crashes, with the memory of all that was acknowledged. */
class Ordeal {
  #disk = new MemoryDisk();
  readonly #clock = new ManualClock(START_MS);
  #log!: PartitionLog;
  #recoveryPoint: number | undefined;
  #cleanedOffset: number | undefined;
  #nextValue = 0;
  #sequence = 0;
  /** Everything that was acknowledged, by offset. */
  readonly #written = new Map<number, Written>();

  async open(isClean: boolean): Promise<void> {
    const context = testContext({ disk: this.#disk, clock: this.#clock, tailCacheBytesMax: 2000, openFilesMax: 3 });
    const options = { isClean, recoveryPoint: this.#recoveryPoint, cleanedOffset: this.#cleanedOffset };
    this.#log = followDurable(await openTestLog(context, CONFIG, options));
  }

  async run(step: Step): Promise<void> {
    switch (step.kind) {
      case 'append':
        return this.#append(step.keys, step.isTombstone);
      case 'produce':
        return this.#produce(step.keys);
      case 'roll':
        return this.#log.roll();
      case 'checkpoint':
        await this.#log.checkpoint();
        this.#recoveryPoint = this.#log.recoveryPoint;
        return;
      case 'close':
        await this.#log.close();
        await this.open(true);
        await this.verify();
        return;
      case 'wait':
        return this.#clock.advanceAsync(step.ms);
      case 'compact':
        await this.#compact(step.loadFactor);
        await this.verify();
        return;
      case 'crash':
        return this.#crashWhileCompacting(step);
    }
  }

  /** For every key the last value is there; order and offsets are kept; nothing is there that was not written. */
  async verify(): Promise<SeenRecord[]> {
    const seen = await seeAll(this.#log);
    const offsets = seen.map(({ offset }) => offset);
    expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => a - b));
    for (const { offset, key, value } of seen) expect({ key, value }).toEqual(this.#written.get(offset));
    const last = new Map<string, number>();
    for (const [offset, { key }] of this.#written) last.set(key, Math.max(offset, last.get(key) ?? -1));
    const found = new Set(offsets);
    for (const [key, offset] of last) {
      const isGone = this.#written.get(offset)!.value === undefined && !found.has(offset);
      // A tombstone may go, and then nothing of its key may be left.
      if (isGone) expect(seen.filter((record) => record.key === key)).toEqual([]);
      else expect(found).toContain(offset);
    }
    expect(this.#log.logEndOffset).toBe(this.#written.size);
    await this.#verifyReads(seen);
    return seen;
  }

  /** A reader at any offset gets all that is from there on, and timestamps lead to the first record that has them. */
  async #verifyReads(seen: readonly SeenRecord[]): Promise<void> {
    const step = Math.max(Math.floor(this.#written.size / 5), 1);
    for (let offset = 0; offset < this.#written.size; offset += step) {
      expect(await seeAll(this.#log, offset)).toEqual(seen.filter((record) => record.offset >= offset));
      const timestamp = timestampOf(offset);
      const first = seen.find((record) => record.timestamp >= timestamp);
      expect((await this.#log.offsetForTimestamp(timestamp))?.offset).toBe(first?.offset);
    }
  }

  async #append(keys: readonly number[], isTombstone: boolean): Promise<void> {
    await this.#write(keys, isTombstone, {});
  }

  /** Sends the batch twice, as a producer does that has not heard of the first. */
  async #produce(keys: readonly number[]): Promise<void> {
    const baseSequence = this.#sequence;
    this.#sequence += keys.length;
    await this.#write(keys, false, { producerId: 7, producerEpoch: 0, baseSequence });
  }

  async #write(keys: readonly number[], isTombstone: boolean, producer: object): Promise<void> {
    const baseOffset = this.#written.size;
    const records: TestRecord[] = keys.map((key, index) => ({
      key: `k${key}`,
      value: isTombstone ? null : `v${this.#nextValue++}`,
      timestamp: timestampOf(baseOffset + index),
    }));
    const times = Object.keys(producer).length > 0 ? 2 : 1;
    for (let time = 0; time < times; time += 1) {
      const result = await this.#log.append(batchOf(records, producer), AS_CLIENT);
      expect(result).toMatchObject({ errorCode: 0, baseOffset });
    }
    records.forEach(({ key, value }, index) => {
      this.#written.set(baseOffset + index, { key: `${key}`, value: value ?? undefined });
    });
  }

  #compact(dedupeBufferLoadFactor: number): Promise<unknown> {
    const small = { dedupeBufferBytes: 0, dedupeBufferLoadFactor };
    return compact(this.#log, this.#clock, small).then(() => {
      this.#cleanedOffset = this.#log.cleanedOffset;
    });
  }

  async #crashWhileCompacting({ atCall, keeps, loadFactor }: Step & { kind: 'crash' }): Promise<void> {
    const before = await this.verify();
    let calls = 0;
    const reached = new Promise<void>((resolve) => {
      this.#disk.fault = () => (calls++ >= atCall ? hang(resolve) : undefined);
    });
    const cleaning = this.#compact(loadFactor).catch(() => {});
    await Promise.race([reached, cleaning]);
    const random: Random | 'all' | 'none' = typeof keeps === 'number' ? seededRandom(keeps) : keeps;
    this.#disk = this.#disk.crash(random);
    await this.open(false);
    const after = await this.verify();
    expect(new Set(before.map(({ offset }) => offset))).toEqual(
      new Set([...before, ...after].map(({ offset }) => offset)),
    );
    expect((await this.#disk.list('/data/topic-0')).filter((name) => /cleaned|swap|deleted/.test(name))).toEqual([]);
  }
}

/** A call that never returns: nothing comes after it before the crash. */
function hang(reached: () => void): Promise<undefined> {
  reached();
  return new Promise(() => {});
}

/** Timestamps that rise on the whole and jump back and forth, with some alike. */
function timestampOf(offset: number): number {
  return START_MS + offset + ((offset * 7) % 11);
}

async function survive(steps: readonly Step[]): Promise<void> {
  const ordeal = new Ordeal();
  await ordeal.open(false);
  for (const step of steps) await ordeal.run(step);
  await ordeal.run({ kind: 'crash', atCall: 1000, keeps: 'none', loadFactor: 1 });
}

describe('a compacted log on a disk that crashes', () => {
  it('keeps the last value of every key, in order, at its offset, whatever happens', async () => {
    const numRuns = Number(process.env['MILLRACE_CRASH_RUNS'] ?? 150);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), (steps) => survive(steps)),
      { numRuns },
    );
  });

  it('is found as it was or as it is to be, never in between, wherever a crash comes', async () => {
    for (const keeps of ['all', 'none', 1, 2, 3] as const) {
      const views = new Set<string>();
      for (let atCall = 0, isOver = false; !isOver; atCall += 1) {
        const { view, wasOver } = await crashAt(atCall, keeps);
        views.add(view);
        isOver = wasOver;
      }
      // One group of segments, so two views.
      expect([...views]).toEqual([
        '0 a=1, 1 b=1, 2 a=2, 3 c=1, 4 b=2, 5 c=2, 6 a=aborted, 8 a=aborted, 10 a=aborted, 12 x=9; aborted 6,8,10; 13',
        '2 a=2, 4 b=2, 5 c=2, 10 a=aborted, 12 x=9; aborted 6,8,10; 13',
      ]);
    }
  });
});

/** Cleans three segments into one and crashes at a call of the disk; gives what the next start finds. */
async function crashAt(atCall: number, keeps: Keeps): Promise<{ view: string; wasOver: boolean }> {
  const disk = new MemoryDisk();
  const clock = new ManualClock(START_MS);
  const log = followDurable(await openTestLog(testContext({ disk, clock }), ONE_GROUP));
  await fillThreeSegments(log);
  let calls = 0;
  let wasOver = true;
  const reached = new Promise<void>((resolve) => {
    disk.fault = () => {
      if (calls++ < atCall) return undefined;
      wasOver = false;
      return hang(resolve);
    };
  });
  await Promise.race([reached, compact(log, clock)]);
  const next = disk.crash(typeof keeps === 'number' ? seededRandom(keeps * 1000 + atCall) : keeps);
  return { view: await viewOf(next, clock), wasOver };
}

/** Outdated records in each, an aborted transaction with its marker, and nothing in the last that stays. */
async function fillThreeSegments(log: PartitionLog): Promise<void> {
  const put = (key: string, value: string, producer: object = {}): Promise<unknown> =>
    log.append(batchOf([{ key, value, timestamp: START_MS }], producer), AS_CLIENT);
  const putAborted = (baseSequence: number): Promise<unknown> =>
    put('a', 'aborted', { producerId: 5, producerEpoch: 0, isTransactional: true, baseSequence });
  const abort = (): Promise<unknown> => log.append(abortMarker(5, 0), { leaderEpoch: 0, origin: 'coordinator' });
  for (const [key, value] of ['a1', 'b1', 'a2']) await put(key!, value!);
  log.roll();
  for (const [key, value] of ['c1', 'b2', 'c2']) await put(key!, value!);
  await putAborted(0);
  await abort();
  log.roll();
  await putAborted(1);
  log.roll();
  await abort();
  await putAborted(2);
  await abort();
  await put('x', '9');
  await log.checkpoint();
}

/** All that can be seen of a log; the same from wherever one begins to read. */
async function viewOf(disk: MemoryDisk, clock: ManualClock): Promise<string> {
  const options = { recoveryPoint: 13 };
  const log = followDurable(await openTestLog(testContext({ disk, clock }), ONE_GROUP, options));
  const seen = await seeAll(log);
  for (let from = 0; from < log.logEndOffset; from += 1) {
    expect(await seeAll(log, from)).toEqual(seen.filter(({ offset }) => offset >= from));
  }
  expect((await disk.list(FOLDER)).filter((name) => /cleaned|swap|deleted/.test(name))).toEqual([]);
  return `${brief(seen).join(', ')}; aborted ${await abortedFrom(log)}; ${log.logEndOffset}`;
}

/** First offsets of the aborted transactions that readers are told of, whichever segment they read. */
async function abortedFrom(log: PartitionLog): Promise<number[]> {
  const found = new Set<number>();
  for (let from = 0; from < log.logEndOffset; from += 1) {
    const { abortedTransactions } = await log.read(from, 10_000, { isolation: 'committed', minOneBatch: true });
    for (const { firstOffset } of abortedTransactions) found.add(firstOffset);
  }
  return [...found].sort((a, b) => a - b);
}
