import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { has } from '../needs/index.ts';
import { gapTable, killBrokers } from './cluster-kills.ts';
import type { Engine } from './cluster-process.ts';
import { AcknowledgementGaps } from './paced-producers.ts';

const RUN_MS_MAX = 240_000;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-kills-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A leader, a controller and a coordinator; one of them is stopped in order. */
async function threeRounds(engine: Engine): Promise<void> {
  const report = await killBrokers({ engine, folder, rounds: 3, stopEvery: 3, seed: 7 });
  expect(report.violations).toEqual([]);
  expect(report.failedSends).toEqual({ millrace: 0, kafkajs: 0, librdkafka: 0 });
  expect(report.recordsRead).toBeGreaterThanOrEqual(report.recordsAcknowledged);
  expect(report.recordsAcknowledged).toBeGreaterThan(100);
  expect(report.commitsAcknowledged).toBeGreaterThan(0);
  expect(report.gaps.length).toBeGreaterThan(0);
}

describe.skipIf(!has('kcat', import.meta.url))('a cluster whose brokers end under the load of three clients', () => {
  it(
    'of one machine loses no record that was acknowledged, repeats none, and fails no send',
    () => threeRounds('local'),
    RUN_MS_MAX,
  );

  it.skipIf(!has('zookeeper', import.meta.url))(
    'of brokers on a ZooKeeper ensemble neither',
    () => threeRounds('zookeeper'),
    RUN_MS_MAX,
  );
});

describe('the gaps between acknowledgements', () => {
  it('count from the last one, also where none has come since', async () => {
    const gaps = new AcknowledgementGaps(2);
    gaps.begin();
    const before = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 5));
    gaps.acknowledged(0);
    expect(gaps.haveAcknowledgedSince(before, [0])).toBe(true);
    expect(gaps.haveAcknowledgedSince(before, [0, 1])).toBe(false);
    expect(gaps.longestOf([0])).toBeGreaterThan(3);
    expect(gaps.longestOf([1])).toBeGreaterThanOrEqual(gaps.longestOf([0]));
  });

  it('are shown by client, victim and ending', () => {
    const table = gapTable(
      [100, 300, 200].map((ms) => ({ client: 'millrace', victim: 'leader', ending: 'killed', ms }) as const),
    );
    expect(table.split('\n')).toEqual([
      'client     victim       ending      rounds       p50       p99     worst',
      'millrace   all          killed           3    200 ms    300 ms    300 ms',
      'millrace   leader       killed           3    200 ms    300 ms    300 ms',
    ]);
  });
});
