import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin } from '@millrace/admin';
import { KafkaClient } from '@millrace/client';
import { Fetch } from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { freePort } from '../kafka/broker.ts';
import { expectKept, RUN_MS_MAX } from './expect-kept.ts';
import { Ledger, PartitionCheck } from './ledger.ts';
import { CommittingReader, fetchAll, LoadProducer, type LoadTarget } from './load.ts';
import { RawClient } from './raw-client.ts';
import { SpawnedBroker } from './spawned-broker.ts';

vi.setConfig({ testTimeout: RUN_MS_MAX, hookTimeout: RUN_MS_MAX });

const TOPIC = 'stopped';
const PARTITIONS = 4;

let folder: string;
let port: number;
let broker: SpawnedBroker;
let ledger: Ledger;
let target: LoadTarget;
const marker = (): boolean => existsSync(join(folder, '.kafka_cleanshutdown'));

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-stop-'));
  port = await freePort();
  ledger = new Ledger();
  target = { bootstrapServers: `127.0.0.1:${port}`, topic: TOPIC, partitions: PARTITIONS, ledger };
  broker = await SpawnedBroker.start({ folder, port });
  await using admin = new Admin({ bootstrapServers: broker.bootstrap });
  await admin.createTopics([{ topic: TOPIC, partitions: PARTITIONS }]);
});
afterEach(async () => {
  await broker.kill();
  rmSync(folder, { recursive: true, force: true });
});

async function acknowledged(count: number): Promise<void> {
  await expect.poll(() => ledger.recordsAcknowledged, { timeout: RUN_MS_MAX / 4 }).toBeGreaterThanOrEqual(count);
}

/** Bytes that the broker had to read again because it could not trust them; it says so when there were any. */
function scannedBytes(): number {
  return Number(/"scannedBytes":(\d+)/.exec(broker.output)?.[1] ?? 0);
}

async function expectAllKept(producers: number): Promise<void> {
  await using client = new KafkaClient({ bootstrapServers: broker.bootstrap });
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    const check = new PartitionCheck(ledger, partition);
    for await (const { offset, value } of fetchAll(client, TOPIC, partition)) check.record(offset, value);
    check.end(producers);
  }
  expectKept(ledger);
}

describe('a broker that is stopped under load', () => {
  it('finishes, syncs, marks its folder, and needs no recovery at the next start', async () => {
    const producers = [new LoadProducer(target, 0), new LoadProducer(target, 1)];
    const reader = new CommittingReader(target, 'group');
    await acknowledged(2000);
    expect(marker()).toBe(false);

    expect(await broker.stop('SIGTERM')).toMatchObject({ code: 0, signal: null });
    expect(marker()).toBe(true);
    const before = ledger.recordsAcknowledged;
    const committed = Array.from({ length: PARTITIONS }, (_, n) => ledger.committedOffset('group', n));

    broker = await SpawnedBroker.start({ folder, port });
    expect(scannedBytes()).toBe(0);
    // From its first moment on it counts as not closed in order.
    expect(marker()).toBe(false);
    await acknowledged(before + 1000);
    await Promise.all(producers.map((producer) => producer.finish()));
    await reader.stop();
    await using admin = new Admin({ bootstrapServers: broker.bootstrap });
    for (const { partition, offset } of await admin.listGroupOffsets('group')) {
      ledger.checkCommitted('group', partition, committed[partition], offset);
    }
    await expectAllKept(2);
  });

  it('recovers at the next start when it is not let finish', async () => {
    const producer = new LoadProducer(target, 0);
    await acknowledged(1000);
    await broker.kill();
    expect(marker()).toBe(false);
    broker = await SpawnedBroker.start({ folder, port });
    expect(scannedBytes()).toBeGreaterThan(0);
    await producer.finish();
    await expectAllKept(1);
  });

  it('answers requests that wait, instead of waiting for them', async () => {
    const client = await RawClient.connect(port);
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }];
    const topics = [{ topic: TOPIC, partitions }];
    const fetched = client.ask(Fetch, 11, {
      maxWaitMs: 600_000,
      minBytes: 1,
      maxBytes: 1000,
      topics,
      forgottenTopicsData: [],
    });
    // The answer of another request says that the broker has read the first.
    await using admin = new Admin({ bootstrapServers: broker.bootstrap });
    await admin.describeCluster();
    expect(await broker.stop('SIGTERM')).toMatchObject({ code: 0 });
    expect((await fetched).errorCode).toBe(0);
    expect(marker()).toBe(true);
    client.close();
  });

  it('stops on SIGINT as on SIGTERM', async () => {
    expect(await broker.stop('SIGINT')).toMatchObject({ code: 0, signal: null });
    expect(marker()).toBe(true);
  });
});
