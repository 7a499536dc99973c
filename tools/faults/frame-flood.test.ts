/** A short form of `pnpm faults frames`. */
import { expect, it } from 'vitest';
import { type FrameFloodReport, faultsOf, floodFrames, P99_RATIO_MAX_BUSY } from './hostile/frame-flood.ts';
import { canMeasureProcesses } from './spawned-broker.ts';

it('a secured broker lives through mutated frames before logins and after, and serves who is honest', async () => {
  const report = await floodFrames({ frames: 1_500, seed: 7, quietMs: 0, print: () => {} });
  expect(report).toMatchObject({ isAlive: true, exitCode: 0, isFlat: true, flooded: { failed: [] } });
  expect(report.frames).toBeGreaterThanOrEqual(1_500);
  expect(report.flooded.answers).toBeGreaterThan(0);
  if (canMeasureProcesses) expect(report.rssMib.length).toBeGreaterThan(1);
}, 60_000);

it('a flood is judged by whether the broker lived, stayed small, and kept the honest client waiting no longer than it must', () => {
  const honest = { answers: 100, failed: [], p50Ms: 10, p99Ms: 40, longestMs: 50 };
  const right: FrameFloodReport = {
    ...{ frames: 1, kinds: {}, misunderstood: 0, connections: 1, seconds: 1, isAlive: true, exitCode: 0 },
    ...{ rssMib: [100, 100], growthBytes: 0, isFlat: true, quiet: honest, spared: honest },
    flooded: { ...honest, p99Ms: 120 },
  };
  const faultsWith = (changes: Partial<FrameFloodReport>): string[] => faultsOf({ ...right, ...changes });
  expect(faultsWith({})).toEqual([]);
  expect(faultsWith({ flooded: { ...honest, p99Ms: 121 } })).toEqual([
    expect.stringContaining('3.0 times that at a broker without'),
  ]);
  // What else the machine does meets both.
  const busy = { ...honest, p99Ms: 100 };
  expect(faultsWith({ spared: busy, flooded: { ...honest, p99Ms: 300 } })).toEqual([]);
  // Where a stall may meet one alone, more is let pass, and not everything.
  const stalled = (p99Ms: number): FrameFloodReport => ({ ...right, spared: busy, flooded: { ...honest, p99Ms } });
  expect(faultsOf(stalled(2_000), P99_RATIO_MAX_BUSY)).toEqual([]);
  expect(faultsOf(stalled(2_001), P99_RATIO_MAX_BUSY)).toHaveLength(1);
  // An idle machine makes no multiple of a few milliseconds.
  const idle = { ...honest, p99Ms: 1 };
  expect(faultsWith({ spared: idle, flooded: { ...honest, p99Ms: 75 } })).toEqual([]);
  expect(faultsWith({ spared: idle, flooded: { ...honest, p99Ms: 76 } })).toHaveLength(1);
  expect(faultsWith({ isFlat: false, growthBytes: 2 ** 28 })).toEqual([expect.stringContaining('grew by 256 MiB')]);
  expect(faultsWith({ flooded: { ...honest, failed: ['x'] } })).toEqual(['the honest client failed 1 times']);
  expect(faultsWith({ flooded: { ...honest, answers: 0 } })).toEqual(['the honest client had no answer']);
  expect(faultsWith({ isAlive: false, exitCode: 1, misunderstood: 2 })).toHaveLength(3);
});

it('a secured broker lives through mutated messages of every login, and of TLS, and lets in who is honest', async () => {
  const report = await floodFrames({ frames: 300, seed: 7, quietMs: 0, isBeforeLogin: true, print: () => {} });
  expect(report).toMatchObject({ isAlive: true, exitCode: 0, isFlat: true, misunderstood: 0, flooded: { failed: [] } });
  // What was read of each kind is what this is for.
  const tokens = [
    'PLAIN token',
    'OAUTHBEARER token',
    'SCRAM-SHA-256 first',
    'SCRAM-SHA-256 final',
    'SCRAM-SHA-512 first',
    'SCRAM-SHA-512 final',
  ];
  const kinds = ['ClientHello', 'ApiVersions', 'SaslHandshake', ...tokens, ...tokens.map((kind) => `${kind}, bare`)];
  expect(Object.keys(report.kinds).toSorted()).toEqual(kinds.toSorted());
  expect(Object.values(report.kinds).reduce((sum, count) => sum + count)).toBe(report.frames);
  expect(report.frames).toBeGreaterThanOrEqual(300);
  expect(report.flooded.answers).toBeGreaterThan(0);
}, 120_000);
