import { type DiskFault, ManualClock, MemoryDisk, type Random, seededRandom, systemError } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LogConfig } from './log-config.ts';
import type { PartitionLog } from './partition-log.ts';
import {
  AS_CLIENT,
  batchOf,
  FOLDER,
  followDurable,
  openTestLog,
  readAll,
  type TestRecord,
  testContext,
} from './testing/test-logs.ts';

/** One thing that happens to a log. */
type Step =
  | { readonly kind: 'append'; readonly batches: readonly number[]; readonly await: boolean }
  | { readonly kind: 'produce'; readonly records: number; readonly isRepeated: boolean; readonly await: boolean }
  | { readonly kind: 'checkpoint' | 'roll' | 'retention' | 'close' | 'full' | 'badSync' | 'badWrite' }
  /** `turns`: how long what is under way may go on before. */
  | { readonly kind: 'crash'; readonly keeps: 'all' | 'none' | number; readonly turns: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      batches: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 }),
      await: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('produce' as const),
      records: fc.integer({ min: 1, max: 3 }),
      isRepeated: fc.boolean(),
      await: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('checkpoint' as const, 'roll' as const, 'retention' as const, 'close' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('full' as const, 'badSync' as const, 'badWrite' as const) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('crash' as const),
      keeps: fc.oneof(fc.constant('all' as const), fc.constant('none' as const), fc.integer()),
      turns: fc.nat(100),
    }),
  },
);

const CONFIG = { segmentBytes: 700, indexIntervalBytes: 150, retentionMs: -1 };
const PRODUCER_ID = 77;

function numberOf(value: string): number {
  return Number(value.slice(1));
}

/** Timestamps that rise on the whole and jump back and forth, with some alike. */
function timestampOf(number: number): number {
  return 1_700_000_000_000 + number + ((number * 7) % 11);
}

function stamped(values: readonly string[]): TestRecord[] {
  return values.map((value) => ({ value, timestamp: timestampOf(numberOf(value)) }));
}

/** A log on a disk that crashes, with the memory of what was promised. */
class Ordeal {
  #disk = new MemoryDisk();
  readonly #clock = new ManualClock();
  readonly #config: Partial<LogConfig>;
  #log!: PartitionLog;
  #recoveryPoint: number | undefined;
  #nextValue = 0;
  /** What was acknowledged: offset to value. */
  readonly #promised = new Map<number, string>();
  /** Every value that was ever sent. */
  readonly #sent = new Set<string>();
  #sequence = 0;
  #pending: { values: string[]; sequence: number } | undefined;
  #underWay: Promise<void>[] = [];

  constructor(config: Partial<LogConfig> = {}) {
    this.#config = { ...CONFIG, ...config };
  }

  async open(isClean: boolean): Promise<void> {
    this.#disk.fault = slowly;
    const context = testContext({ disk: this.#disk, clock: this.#clock, tailCacheBytesMax: 5000, openFilesMax: 3 });
    const options = { isClean, recoveryPoint: this.#recoveryPoint };
    this.#log = followDurable(await openTestLog(context, this.#config, options));
    // Whatever a crash takes, what was synced stays: nothing may be said to be missing.
    expect(this.#log.recovery.syncedTo).toBeUndefined();
  }

  async run(step: Step): Promise<void> {
    switch (step.kind) {
      case 'append':
        for (const count of step.batches) this.#append(count);
        if (step.await) await this.settle();
        return;
      case 'produce':
        return this.#produce(step.records, step.isRepeated, step.await);
      case 'checkpoint':
        await this.#log.checkpoint().catch(() => {});
        this.#recoveryPoint = this.#log.recoveryPoint;
        return;
      case 'roll':
        if (this.#log.state === 'online') this.#log.roll();
        return;
      case 'retention':
        await this.#log.enforceRetention().catch(() => {});
        return;
      case 'close':
        return this.#closeAndOpen();
      case 'crash':
        for (let turn = 0; turn < step.turns; turn += 1) await Promise.resolve();
        return this.#crash(typeof step.keeps === 'number' ? seededRandom(step.keeps) : step.keeps);
      default:
        return this.#break(step.kind);
    }
  }

  async settle(): Promise<void> {
    await Promise.all(this.#underWay);
    this.#underWay = [];
  }

  /** Holds what can be read against what was promised. */
  async verify(): Promise<void> {
    const records = await readAll(this.#log);
    expect(records.map(({ offset }) => offset)).toEqual(records.map((_, index) => index));
    const found = new Map(records.map(({ offset, value }) => [offset, value]));
    for (const [offset, value] of this.#promised) expect(found.get(offset)).toBe(value);
    for (const { value } of records) expect(this.#sent).toContain(value);
    for (const timestamp of [timestampOf(0) - 1, ...records.map(({ value }) => timestampOf(numberOf(value)))]) {
      const first = records.find(({ value }) => timestampOf(numberOf(value)) >= timestamp);
      expect((await this.#log.offsetForTimestamp(timestamp))?.offset).toBe(first?.offset);
    }
    const idempotent = records.map(({ value }) => value).filter((value) => value.startsWith('p'));
    expect(new Set(idempotent).size).toBe(idempotent.length);
  }

  #append(count: number): void {
    const values = Array.from({ length: count }, () => this.#value('v'));
    this.#expect(values, this.#log.append(batchOf(stamped(values)), AS_CLIENT));
  }

  /** As an idempotent producer does: what was not acknowledged is sent again with the same sequence number. */
  async #produce(count: number, isRepeated: boolean, isAwaited: boolean): Promise<void> {
    await this.settle();
    this.#startToProduce(count, isRepeated);
    if (isAwaited) await this.settle();
  }

  #startToProduce(count: number, isRepeated: boolean): void {
    this.#pending ??= { values: Array.from({ length: count }, () => this.#value('p')), sequence: this.#sequence };
    const sent = this.#pending;
    this.#underWay.push(this.#send(sent));
    if (isRepeated) this.#underWay.push(this.#send(sent));
  }

  async #send(sent: { values: string[]; sequence: number }): Promise<void> {
    const { values, sequence } = sent;
    const batch = batchOf(stamped(values), { producerId: PRODUCER_ID, producerEpoch: 0, baseSequence: sequence });
    const result = await this.#log.append(batch, AS_CLIENT);
    expect([ErrorCode.NONE, ErrorCode.KAFKA_STORAGE_ERROR]).toContain(result.errorCode);
    if (result.errorCode !== ErrorCode.NONE) return;
    values.forEach((value, index) => {
      const offset = result.baseOffset + index;
      expect(this.#promised.get(offset) ?? value).toBe(value);
      this.#promised.set(offset, value);
    });
    this.#sequence = sequence + values.length;
    if (this.#pending === sent) this.#pending = undefined;
  }

  #expect(values: string[], result: ReturnType<PartitionLog['append']>): void {
    this.#underWay.push(
      result.then(({ errorCode, baseOffset }) => {
        if (errorCode !== 0) return;
        values.forEach((value, index) => {
          expect(this.#promised.has(baseOffset + index)).toBe(false);
          this.#promised.set(baseOffset + index, value);
        });
      }),
    );
  }

  #value(prefix: string): string {
    const value = `${prefix}${this.#nextValue++}`;
    this.#sent.add(value);
    return value;
  }

  async #closeAndOpen(): Promise<void> {
    const isOnline = this.#log.state === 'online';
    let isClean = isOnline;
    await this.#log.close().catch(() => {
      isClean = false;
    });
    await this.settle();
    isClean &&= this.#log.state === 'closed';
    await this.open(isClean);
    await this.verify();
  }

  async #crash(keeps: 'all' | 'none' | Random): Promise<void> {
    this.#disk = this.#disk.crash(keeps);
    await this.settle();
    await this.open(false);
    await this.verify();
  }

  /** Something goes wrong with the disk while the next few batches are written. */
  async #break(kind: 'full' | 'badSync' | 'badWrite'): Promise<void> {
    await this.settle();
    if (kind === 'full') {
      this.#disk.capacityBytes = this.#disk.usedBytes + 200;
    } else {
      const failing = kind === 'badSync' ? 'sync' : 'write';
      this.#disk.fault = (call) =>
        call.kind === failing && call.path.startsWith(FOLDER) ? systemError('EIO', 'input/output error') : undefined;
    }
    for (let i = 0; i < 3; i += 1) this.#append(2);
    this.#startToProduce(2, true);
    for (let i = 0; i < 2; i += 1) this.#append(2);
    await this.settle();
    this.#disk.capacityBytes = Number.POSITIVE_INFINITY;
    this.#disk.fault = slowly;
    await this.#clock.advanceAsync(2000);
    if (this.#log.state === 'failed') await this.#crash('none');
    else await this.verify();
  }
}

/** Leaves room between a write and its sync for something to happen. */
const slowly: DiskFault = async ({ kind }) => {
  const turns = kind === 'write' ? 3 : kind === 'sync' ? 15 : 0;
  for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
  return undefined;
};

async function survive(steps: readonly Step[], config?: Partial<LogConfig>): Promise<void> {
  const ordeal = new Ordeal(config);
  await ordeal.open(false);
  for (const step of steps) await ordeal.run(step);
  await ordeal.run({ kind: 'crash', keeps: 'none', turns: 0 });
}

const steps = fc.array(step, { minLength: 3, maxLength: 30 });

describe('a log on a disk that crashes', () => {
  it('keeps all that it acknowledged, in order and once, whatever happens', async () => {
    const runs = Number(process.env['MILLRACE_CRASH_RUNS'] ?? 300);
    await fc.assert(
      fc.asyncProperty(steps, (steps) => survive(steps)),
      { numRuns: runs },
    );
  });

  it('is caught when it acknowledges before it syncs', async () => {
    const unsafe = { flushMessages: Number.POSITIVE_INFINITY };
    const result = await fc.check(
      fc.asyncProperty(steps, (steps) => survive(steps, unsafe)),
      { numRuns: 50, endOnFailure: true },
    );
    expect(result.failed).toBe(true);
  });
});
