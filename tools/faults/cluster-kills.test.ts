import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { has } from '../needs/index.ts';
import { type ClusterKillsOptions, type ClusterKillsReport, killBrokers, VICTIMS } from './cluster-kills.ts';
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

/** Each kind of broker is to be ended without warning (SIGKILL), whatever else happens; of an emptied one the disk goes as well. */
const ALL_KINDS = [...VICTIMS].toSorted();

function kindsKilled({ events }: ClusterKillsReport): string[] {
  const killed = events.filter(({ ending }) => ending === 'killed' || ending === 'emptied');
  return [...new Set(killed.map(({ victim }) => victim))].toSorted();
}

describe.skipIf(!has('kcat', import.meta.url))('a cluster whose brokers end under the load of three clients', () => {
  it(
    'of one machine loses no record that was acknowledged, repeats none, and fails no send, paused and with its parent killed',
    async () => {
      const { events } = await rounds('local', { rounds: 2, pauseEvery: 1, keeperEvery: 2 });
      expect(events.map(({ victim, ending }) => [victim, ending])).toEqual([
        ['leader', 'paused'],
        ['keeper', 'killed'],
      ]);
    },
    RUN_MS_MAX,
  );

  it(
    'of one machine fails no send either when it is restarted in order, and then each kind is killed, with clients as they come',
    async () => {
      const report = await rounds('local', { rounds: 6, rollingRounds: 3 });
      expect(report.clients).toMatchObject({ millrace: 'as it comes', kafkajs: 'as it comes' });
      expect(report.events.slice(0, 3).map(({ brokerId, ending }) => [brokerId, ending])).toEqual(ALL_STOPPED);
      expect(kindsKilled(report)).toEqual(ALL_KINDS);
    },
    2 * RUN_MS_MAX,
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
        const report = await rounds('zookeeper', { emptyEvery: 2 });
        expect(report.events.map(({ ending }) => ending)).toEqual(['killed', 'emptied', 'killed']);
        expect(kindsKilled(report)).toEqual(ALL_KINDS);
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
