/** A short form of `pnpm faults frames`. */
import { expect, it } from 'vitest';
import { floodFrames } from './hostile/frame-flood.ts';

it('a secured broker lives through mutated frames before logins and after, and serves who is honest', async () => {
  const report = await floodFrames({ frames: 1_500, seed: 7, quietMs: 0, print: () => {} });
  expect(report).toMatchObject({ isAlive: true, exitCode: 0, flooded: { failed: [] } });
  expect(report.frames).toBeGreaterThanOrEqual(1_500);
  expect(report.flooded.answers).toBeGreaterThan(0);
}, 60_000);

it('a secured broker lives through mutated messages of every login, and of TLS, and lets in who is honest', async () => {
  const report = await floodFrames({ frames: 300, seed: 7, quietMs: 0, isBeforeLogin: true, print: () => {} });
  expect(report).toMatchObject({ isAlive: true, exitCode: 0, misunderstood: 0, flooded: { failed: [] } });
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
