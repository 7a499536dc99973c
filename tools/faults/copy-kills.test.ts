import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { has } from '../needs/index.ts';
import type { Engine } from './cluster-process.ts';
import { type CopyKillsOptions, killCopiers } from './copy-kills.ts';
import { expectKept, RUN_MS_MAX } from './expect-kept.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-copies-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function copies(engine: Engine, how: Partial<CopyKillsOptions> = {}): Promise<void> {
  const report = await killCopiers({ engine, folder, rounds: 2, seed: 5, ...how });
  expectKept(report);
  expect(report.recordsCopied).toBeGreaterThan(50);
  for (const count of Object.values(report.transactions)) expect(count).toBeGreaterThan(1);
}

describe.skipIf(!has('kcat', import.meta.url))(
  'copy jobs in transactions whose brokers and instances are killed',
  () => {
    it(
      'on a cluster of one machine copy every record once, and no transaction in part',
      () => copies('local'),
      RUN_MS_MAX,
    );

    it.skipIf(!has('zookeeper', import.meta.url))(
      'on a ZooKeeper ensemble do so too',
      () => copies('zookeeper', { copiers: ['millrace'], rounds: 1 }),
      RUN_MS_MAX,
    );
  },
);
