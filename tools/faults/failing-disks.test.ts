import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin } from '@millrace/admin';
import { KafkaClient } from '@millrace/client';
import { DescribeLogDirs, ErrorCode, Fetch, Produce } from '@millrace/protocol';
import { RecordBatchBuilder } from '@millrace/records';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { may } from '../needs/index.ts';
import { RUN_MS_MAX } from './expect-kept.ts';
import { fetchAll } from './load.ts';
import { LoopDisk, whyNoLoopDisk } from './loop-disk.ts';
import { RawClient } from './raw-client.ts';
import { SpawnedBroker } from './spawned-broker.ts';

vi.setConfig({ testTimeout: RUN_MS_MAX, hookTimeout: RUN_MS_MAX });

const TOPIC = 'spread';
const PARTITIONS = [0, 1, 2, 3];
const PATIENCE_MS = 60_000;
const isPossible = may(await whyNoLoopDisk('ext4'), import.meta.url);

let base: string;
let good: string;
let brokers: SpawnedBroker[];
let disks: LoopDisk[];

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'millrace-failing-disks-'));
  good = join(base, 'good');
  brokers = [];
  disks = [];
});
afterEach(async () => {
  await Promise.all(brokers.map((broker) => broker.kill()));
  for (const disk of disks) await disk.remove();
  rmSync(base, { recursive: true, force: true });
});

/** The first folder has the metadata, too; it is the second that something happens to. */
async function start(second: string): Promise<SpawnedBroker> {
  const settings = { 'replica.high.watermark.checkpoint.interval.ms': 100, 'offsets.topic.num.partitions': 1 };
  const broker = await SpawnedBroker.start({ folder: `${good},${second}`, settings });
  brokers.push(broker);
  return broker;
}

function newDisk(): LoopDisk {
  const disk = new LoopDisk('ext4');
  disks.push(disk);
  return disk;
}

async function produce(broker: SpawnedBroker, index: number, value: string): Promise<number> {
  const client = await RawClient.connect(broker.port);
  const builder = new RecordBatchBuilder();
  builder.append(Date.now(), null, value);
  const topicData = [{ name: TOPIC, partitionData: [{ index, records: builder.build() }] }];
  const { responses } = await client.ask(Produce, 9, { acks: -1, timeoutMs: PATIENCE_MS, topicData });
  client.close();
  return responses[0]!.partitionResponses[0]!.errorCode;
}

async function fetchError(broker: SpawnedBroker, partition: number): Promise<number> {
  const client = await RawClient.connect(broker.port);
  const partitions = [{ partition, fetchOffset: 0, partitionMaxBytes: 1000 }];
  const topics = [{ topic: TOPIC, partitions }];
  const answer = await client.ask(Fetch, 11, { maxWaitMs: 0, minBytes: 1, topics, forgottenTopicsData: [] });
  client.close();
  return answer.responses[0]!.partitions[0]!.errorCode;
}

/** Which partitions each folder has, and what is said of the folder. */
async function logDirs(broker: SpawnedBroker): Promise<Map<string, { errorCode: number; partitions: number[] }>> {
  const client = await RawClient.connect(broker.port);
  const { results } = await client.ask(DescribeLogDirs, 4, { topics: null });
  client.close();
  return new Map(
    results.map(({ logDir, errorCode, topics }) => {
      const ours = topics.find(({ name }) => name === TOPIC)?.partitions ?? [];
      return [logDir, { errorCode, partitions: ours.map(({ partitionIndex }) => partitionIndex).sort() }];
    }),
  );
}

/** A topic on both folders, with a record in each partition. Gives which partitions lie on the second. */
async function spread(broker: SpawnedBroker, second: string): Promise<number[]> {
  await using admin = new Admin({ bootstrapServers: broker.bootstrap });
  await admin.createTopics([{ topic: TOPIC, partitions: PARTITIONS.length }]);
  for (const partition of PARTITIONS) expect(await produce(broker, partition, 'before')).toBe(ErrorCode.NONE);
  const partitions = (await logDirs(broker)).get(second)!.partitions;
  expect(partitions.length).toBeGreaterThan(0);
  expect(partitions.length).toBeLessThan(PARTITIONS.length);
  return partitions;
}

/** Writes to a partition until it is refused, and gives the error and how often it was taken. */
async function untilRefused(broker: SpawnedBroker, partition: number): Promise<{ errorCode: number; taken: number }> {
  const deadline = performance.now() + PATIENCE_MS;
  for (let taken = 0; ; taken += 1) {
    const errorCode = await produce(broker, partition, 'meanwhile');
    if (errorCode !== ErrorCode.NONE || performance.now() > deadline) return { errorCode, taken };
    await sleep(20);
  }
}

/** The partitions on the second folder are offline and say so; the others go on; and clients can find out which is which. */
async function expectOffline(broker: SpawnedBroker, second: string, lost: readonly number[]): Promise<void> {
  for (const partition of PARTITIONS) {
    const expected = lost.includes(partition) ? ErrorCode.KAFKA_STORAGE_ERROR : ErrorCode.NONE;
    expect([partition, await produce(broker, partition, 'after')]).toEqual([partition, expected]);
    expect([partition, await fetchError(broker, partition)]).toEqual([partition, expected]);
  }
  const described = await logDirs(broker);
  expect(described.get(second)).toEqual({ errorCode: ErrorCode.KAFKA_STORAGE_ERROR, partitions: [] });
  expect(described.get(good)?.errorCode).toBe(ErrorCode.NONE);
  await using admin = new Admin({ bootstrapServers: broker.bootstrap });
  await admin.createTopics([{ topic: 'new' }]);
  expect(broker.output).toMatch(/The log folder .* has failed: its partitions are offline until a restart/);
}

async function valuesIn(broker: SpawnedBroker, partition: number): Promise<string[]> {
  await using client = new KafkaClient({ bootstrapServers: broker.bootstrap });
  const values: string[] = [];
  for await (const { value } of fetchAll(client, TOPIC, partition)) values.push(value);
  return values;
}

describe.skipIf(!isPossible)('one of several log.dirs', () => {
  it('that fails under writes takes its partitions offline; repaired, it has all that was acknowledged', async () => {
    const disk = newDisk();
    const second = join(disk.folder, 'data');
    const broker = await start(second);
    const lost = await spread(broker, second);
    disk.cutPower();
    expect(await untilRefused(broker, lost[0]!)).toEqual({ errorCode: ErrorCode.KAFKA_STORAGE_ERROR, taken: 0 });
    await expectOffline(broker, second, lost);
    expect((await broker.stop()).signal).toBe(null);
    await disk.powerOn();
    const next = await start(second);
    for (const partition of PARTITIONS) {
      expect(await valuesIn(next, partition)).toEqual(lost.includes(partition) ? ['before'] : ['before', 'after']);
      expect(await produce(next, partition, 'again')).toBe(ErrorCode.NONE);
    }
  });

  it('that becomes read-only does the same', async () => {
    const disk = newDisk();
    const second = join(disk.folder, 'data');
    const broker = await start(second);
    const lost = await spread(broker, second);
    execFileSync('mount', ['-o', 'remount,errors=remount-ro', disk.folder]);
    const [device = ''] = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .find((line) => line.includes(disk.folder))!
      .split(' ');
    // What the kernel does by itself when it meets an error in the file system.
    writeFileSync(`/sys/fs/ext4/${basename(device)}/trigger_fs_error`, 'a test');
    const { errorCode } = await untilRefused(broker, lost[0]!);
    expect(errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    await expectOffline(broker, second, lost);
    expect((await broker.stop()).signal).toBe(null);
    await disk.powerOn();
    const next = await start(second);
    for (const partition of lost) expect((await valuesIn(next, partition))[0]).toBe('before');
  });
});

describe('a log directory', () => {
  it('that vanishes takes its partitions offline, with the next checkpoint at the latest; back again, it is served', async () => {
    const second = join(base, 'second');
    const broker = await start(second);
    const lost = await spread(broker, second);
    renameSync(second, `${second}-away`);
    const { errorCode, taken } = await untilRefused(broker, lost[0]!);
    expect(errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    await expectOffline(broker, second, lost);
    expect((await broker.stop()).signal).toBe(null);
    renameSync(`${second}-away`, second);
    const next = await start(second);
    // What was written before anybody could notice is in the files, wherever they were; the one that was refused may be: it failed on its way.
    const [before, ...meanwhile] = await valuesIn(next, lost[0]!);
    expect(before).toBe('before');
    expect(meanwhile).toEqual(meanwhile.map(() => 'meanwhile'));
    expect([taken, taken + 1]).toContain(meanwhile.length);
  });
});
