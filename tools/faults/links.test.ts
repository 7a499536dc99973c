import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { has } from '../needs/index.ts';
import { expectKept, RUN_MS_MAX } from './expect-kept.ts';
import { breakLinks, CUT_MS, type LinkFault } from './links.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-links-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** In the last one the links of all brokers to the ensemble are cut for longer than a session. */
const FAULTS = ['ensemble', 'followers', 'everybody'] as const;

const isRunnable = has('zookeeper', import.meta.url) && has('kcat', import.meta.url);

describe.skipIf(!isRunnable)('a cluster whose links break under the load of three clients', () => {
  it(
    'loses, repeats and refuses nothing when a leader loses its ensemble only, or both its followers, or all brokers lose their sessions at once',
    async () => {
      const report = await breakLinks({ folder, rounds: FAULTS.length, seed: 7, faults: FAULTS });
      expectKept(report);
      expect(report.failedSends).toEqual({ millrace: 0, kafkajs: 0, librdkafka: 0 });
      expect(report.recordsRead).toBeGreaterThanOrEqual(report.recordsAcknowledged);
      expect(report.recordsAcknowledged).toBeGreaterThan(100);
      expect(new Set(report.gaps.map(({ victim }) => victim))).toEqual(new Set(FAULTS));
      const gapsOf = (fault: LinkFault): number[] =>
        report.gaps.filter(({ victim }) => victim === fault).map(({ ms }) => ms);
      // With nobody else in sync nothing may be acknowledged, so nothing was, for as long as the cut lasts.
      expect(Math.min(...gapsOf('followers'))).toBeGreaterThan(CUT_MS / 2);
    },
    RUN_MS_MAX,
  );
});
