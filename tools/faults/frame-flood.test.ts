/** A short form of `pnpm faults frames`. */
import { expect, it } from 'vitest';
import { floodFrames } from './hostile/frame-flood.ts';

it('a secured broker lives through mutated frames before logins and after, and serves who is honest', async () => {
  const report = await floodFrames({ frames: 1_500, seed: 7, quietMs: 0, print: () => {} });
  expect(report).toMatchObject({ isAlive: true, exitCode: 0, flooded: { failed: [] } });
  expect(report.frames).toBeGreaterThanOrEqual(1_500);
  expect(report.flooded.answers).toBeGreaterThan(0);
}, 60_000);
