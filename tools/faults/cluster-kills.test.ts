import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { has } from '../needs/index.ts';
import { type ClusterKillsOptions, type ClusterKillsReport, killBrokers } from './cluster-kills.ts';
import type { Engine } from './cluster-process.ts';
import { whyNoLibrdkafka } from './copiers/foreign-copiers.ts';
import { expectKept, RUN_MS_MAX } from './expect-kept.ts';
import { gapTable } from './gap-table.ts';
import { AcknowledgementGaps } from './paced-producers.ts';

/** A machine without a compiler has kcat, which does not tell of each acknowledgement. */
const isLibrdkafkaMeasured = whyNoLibrdkafka() === undefined;
const MEASURED = ['millrace', 'kafkajs', ...(isLibrdkafkaMeasured ? ['librdkafka'] : [])];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-kills-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Some rounds, after which nothing may be missing, repeated or rejected. */
async function rounds(engine: Engine, how: Partial<ClusterKillsOptions>): Promise<ClusterKillsReport> {
  const report = await killBrokers({ engine, folder, rounds: 3, seed: 7, ...how });
  expectKept(report);
  expect(report.failedSends).toEqual({ millrace: 0, kafkajs: 0, librdkafka: 0 });
  expect(report.recordsRead).toBeGreaterThanOrEqual(report.recordsAcknowledged);
  expect(report.recordsAcknowledged).toBeGreaterThan(100);
  expect(report.commitsAcknowledged).toBeGreaterThan(0);
  expect(new Set(report.gaps.map(({ client }) => client))).toEqual(new Set(MEASURED));
  const count = expect.any(Number);
  expect(report.retries).toEqual({
    millrace: { batches: count },
    kafkajs: { sends: count },
    librdkafka: isLibrdkafkaMeasured ? { requests: count, messages: count } : undefined,
  });
  return report;
}

/** A rolling restart. */
const ALL_STOPPED = [1, 2, 3].map((brokerId) => [brokerId, 'stopped']);

/** A leader, a controller and a coordinator. */
const oneIsStopped: Partial<ClusterKillsOptions> = { stopEvery: 3 };

describe.skipIf(!has('kcat', import.meta.url))('a cluster whose brokers end under the load of three clients', () => {
  it(
    'of one machine loses no record that was acknowledged, repeats none, and fails no send, its parent killed as well',
    async () => {
      const { events } = await rounds('local', { pauseEvery: 2, keeperEvery: 3 });
      expect(events.map(({ victim }) => victim)).toContain('keeper');
      expect(events.map(({ ending }) => ending)).toContain('paused');
    },
    RUN_MS_MAX,
  );

  it(
    'of one machine fails no send either when it is restarted in order, one broker after the other',
    async () => {
      const { events, clients } = await rounds('local', { rollingRounds: 3 });
      expect(clients).toMatchObject({ millrace: 'as it comes', kafkajs: 'as it comes' });
      expect(events.map(({ brokerId, ending }) => [brokerId, ending])).toEqual(ALL_STOPPED);
    },
    RUN_MS_MAX,
  );

  describe.skipIf(!has('zookeeper', import.meta.url))('of brokers on a ZooKeeper ensemble', () => {
    it(
      'fails no send either when all are restarted in order, with clients as they come',
      async () => {
        const { events, clients } = await rounds('zookeeper', { rollingRounds: 3 });
        expect(clients).toMatchObject({ millrace: 'as it comes', kafkajs: 'as it comes' });
        expect(events.map(({ brokerId, ending }) => [brokerId, ending])).toEqual(ALL_STOPPED);
      },
      RUN_MS_MAX,
    );

    it(
      'loses, repeats and refuses nothing either when they die, and one of them comes back with an empty disk',
      async () => {
        const { events } = await rounds('zookeeper', { ...oneIsStopped, emptyEvery: 2 });
        expect(events.map(({ ending }) => ending)).toEqual(['killed', 'emptied', 'stopped']);
      },
      RUN_MS_MAX,
    );
  });
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
      [100, 300, 200].map((ms) => ({ client: 'millrace', victim: 'leader', ending: 'killed', ms, boundMs: ms + 50 })),
    );
    expect(table.split('\n')).toEqual([
      'client     victim       ending            rounds       p50       p99     worst     bound',
      'millrace   all          killed                 3    200 ms    300 ms    300 ms    350 ms',
      'millrace   leader       killed                 3    200 ms    300 ms    300 ms    350 ms',
    ]);
  });
});
