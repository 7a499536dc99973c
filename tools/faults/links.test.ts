import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { has } from '../needs/index.ts';
import { expectKept, RUN_MS_MAX } from './expect-kept.ts';
import { breakLinks } from './links.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-links-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const isRunnable = has('zookeeper', import.meta.url) && has('kcat', import.meta.url);

describe.skipIf(!isRunnable)('a cluster whose links break under the load of three clients', () => {
  it(
    'loses, repeats and refuses nothing when a leader loses its ensemble only, and others lead while that lasts',
    async () => {
      const report = await breakLinks({ folder, rounds: 1, seed: 7, faults: ['ensemble'] });
      expectKept(report);
      expect(report.failedSends).toEqual({ millrace: 0, kafkajs: 0, librdkafka: 0 });
      expect(report.recordsRead).toBeGreaterThanOrEqual(report.recordsAcknowledged);
      expect(report.recordsAcknowledged).toBeGreaterThan(100);
      expect(report.gaps.length).toBeGreaterThan(0);
    },
    RUN_MS_MAX,
  );
});
