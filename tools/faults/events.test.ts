import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { has } from '../needs/index.ts';
import { SESSION_MS } from './ensemble-cluster.ts';
import { happen } from './events.ts';
import { expectKept, RUN_MS_MAX } from './expect-kept.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-events-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const isRunnable = has('zookeeper', import.meta.url) && has('kcat', import.meta.url);

describe.skipIf(!isRunnable)(
  'a cluster whose ensemble has no quorum for longer than a session, under the load of three clients',
  () => {
    it(
      'goes on acknowledging meanwhile, and loses, repeats and refuses nothing',
      async () => {
        const outageMs = SESSION_MS + 1000;
        const report = await happen({ folder, rounds: 1, seed: 7, events: ['quorum'], outageMs });
        expectKept(report);
        expect(report.failedSends).toEqual({ millrace: 0, kafkajs: 0, librdkafka: 0 });
        expect(report.recordsRead).toBeGreaterThanOrEqual(report.recordsAcknowledged);
        expect(report.recordsAcknowledged).toBeGreaterThan(100);
        const ours = report.gaps.filter(({ client }) => client === 'millrace').map(({ ms }) => ms);
        // Nobody was without a leader for as long as the ensemble was without one.
        expect(Math.max(...ours)).toBeLessThan(outageMs);
      },
      RUN_MS_MAX,
    );
  },
);
