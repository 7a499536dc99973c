import { ManualClock, seededRandom } from '@millrace/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Content, PendingSend } from './pending-send.ts';
import { SerializingLine } from './serializing-line.ts';

/** A line whose serializers take as long as they are told to. */
class Bench {
  readonly clock = new ManualClock();
  readonly gone: number[] = [];
  readonly refused: { n: number; code: string }[] = [];
  emptied = 0;
  atOnce = 0;
  atOnceMost = 0;
  readonly line: SerializingLine<string, string>;

  constructor(tookMs: (n: number) => number, obstacles: () => Promise<void> | undefined = () => undefined) {
    this.line = new SerializingLine<string, string>({
      clock: this.clock,
      waitMsMax: 1_000,
      serialize: async ({ record }) => {
        const n = Number(record.value);
        this.atOnce += 1;
        this.atOnceMost = Math.max(this.atOnceMost, this.atOnce);
        await new Promise<void>((resolve) => void this.clock.schedule(tookMs(n), resolve));
        this.atOnce -= 1;
        if (n % 7 === 3) throw Object.assign(new Error(`no ${n}`), { code: 'NO' });
        return { key: null, value: record.value };
      },
      goOn: (send) => {
        const obstacle = obstacles();
        if (obstacle !== undefined) return obstacle;
        this.gone.push(Number(send.serialized!.value as Content));
        return undefined;
      },
      emptied: () => {
        this.emptied += 1;
      },
    });
  }

  send(n: number): void {
    const send: PendingSend<string, string> = {
      record: { topic: 't', value: String(n) },
      resolve: undefined,
      reject: (error) => this.refused.push({ n, code: (error as Error & { code: string }).code }),
      sinceMs: this.clock.monotonic(),
      serialized: undefined,
    };
    this.line.join(send);
  }
}

describe('sends that wait for a serializer', () => {
  it('leave in the order in which they came, whichever is ready first', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 600 }), async (seed, count) => {
        const random = seededRandom(seed);
        let obstaclesLeft = 5;
        const bench = new Bench(
          () => random.nextInt(50),
          () => {
            if (random.nextInt(10) > 0 || obstaclesLeft === 0) return undefined;
            obstaclesLeft -= 1;
            return new Promise<void>((resolve) => void bench.clock.schedule(5, resolve));
          },
        );
        for (let n = 0; n < count; n += 1) bench.send(n);
        const settled = bench.line.settled();
        for (let round = 0; round < 40 && bench.line.length > 0; round += 1) await bench.clock.advanceAsync(20);
        await settled;
        const numbers = Array.from({ length: count }, (_, n) => n);
        expect(bench.gone).toEqual(numbers.filter((n) => n % 7 !== 3));
        expect(bench.refused.map(({ n }) => n).sort((a, b) => a - b)).toEqual(numbers.filter((n) => n % 7 === 3));
        expect(bench.atOnceMost).toBeLessThanOrEqual(256);
        expect(bench.emptied).toBeGreaterThan(0);
        expect(bench.clock.pendingCount).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  it('fail when their time is over, and let those behind them go on', async () => {
    const bench = new Bench((n) => (n === 0 ? 1e9 : 1));
    bench.send(0);
    await bench.clock.advanceAsync(500);
    bench.send(1);
    await bench.clock.advanceAsync(499);
    expect(bench.gone).toEqual([]);
    await bench.clock.advanceAsync(1);
    expect(bench.refused).toEqual([{ n: 0, code: 'PRODUCER_DELIVERY_TIMED_OUT' }]);
    expect(bench.gone).toEqual([1]);
  });

  it('are turned away when the producer closes', async () => {
    const bench = new Bench(() => 100);
    bench.send(0);
    bench.send(1);
    const settled = bench.line.settled();
    bench.line.close(Object.assign(new Error('closed'), { code: 'CLOSED' }));
    await settled;
    expect(bench.refused.map(({ code }) => code)).toEqual(['CLOSED', 'CLOSED']);
    await bench.clock.advanceAsync(5_000);
    expect(bench.gone).toEqual([]);
  });
});
