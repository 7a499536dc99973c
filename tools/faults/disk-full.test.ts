import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin } from '@millrace/admin';
import { KafkaClient } from '@millrace/client';
import { Producer } from '@millrace/producer';
import { ErrorCode, Produce } from '@millrace/protocol';
import { RecordBatchBuilder } from '@millrace/records';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { may } from '../needs/index.ts';
import { RUN_MS_MAX } from './expect-kept.ts';
import { fetchAll } from './load.ts';
import { PATIENCE_MS, RawClient } from './raw-client.ts';
import { mountSmallDisk, type SmallDisk, whyNoSmallDisk } from './small-disk.ts';
import { SpawnedBroker } from './spawned-broker.ts';

vi.setConfig({ testTimeout: RUN_MS_MAX, hookTimeout: RUN_MS_MAX });

const MIB = 1024 * 1024;
const DISK_BYTES = 12 * MIB;
/** What can be freed of it. */
const ROOM_BYTES = 4 * MIB;
const VALUE_BYTES = 50_000;
const isPossible = may(whyNoSmallDisk(), import.meta.url);

/** The first characters tell the records apart. */
const valueOfRecord = (n: number): string => `${n} `.padEnd(VALUE_BYTES, 'x');

describe.skipIf(!isPossible)('a broker on a full disk', () => {
  let disk: SmallDisk;
  let brokers: SpawnedBroker[];

  beforeEach(() => {
    disk = mountSmallDisk(DISK_BYTES);
    disk.take(ROOM_BYTES);
    brokers = [];
  });
  afterEach(async () => {
    await Promise.all(brokers.map((broker) => broker.kill()));
    disk.remove();
  });

  function launch(): SpawnedBroker {
    const broker = new SpawnedBroker({
      folder: join(disk.folder, 'data'),
      settings: { 'log.segment.bytes': MIB, 'offsets.topic.num.partitions': 2 },
    });
    brokers.push(broker);
    return broker;
  }

  async function start(): Promise<SpawnedBroker> {
    const broker = launch();
    await broker.ready();
    return broker;
  }

  /** Sends a record as no client would that tries again, and gives what was said to it. */
  async function produceOnce(raw: RawClient, topic: string, n: number): Promise<number> {
    const builder = new RecordBatchBuilder();
    builder.append(Date.now(), null, valueOfRecord(n));
    const topicData = [{ name: topic, partitionData: [{ index: 0, records: builder.build() }] }];
    const { responses } = await raw.ask(Produce, 9, { acks: -1, timeoutMs: PATIENCE_MS, topicData });
    return responses[0]!.partitionResponses[0]!.errorCode;
  }

  /** Sends records until one is refused, and returns how many were acknowledged. No time counts: one that is late is not refused. */
  async function produceUntilFull(broker: SpawnedBroker, topic: string): Promise<number> {
    const raw = await RawClient.connect(broker.port);
    try {
      for (let n = 0; n < (2 * DISK_BYTES) / VALUE_BYTES; n += 1) {
        const errorCode = await produceOnce(raw, topic, n);
        if (errorCode === ErrorCode.KAFKA_STORAGE_ERROR) return n;
        expect(errorCode).toBe(ErrorCode.NONE);
      }
    } finally {
      raw.close();
    }
    throw new Error('the disk never became full');
  }

  async function valuesIn(broker: SpawnedBroker, topic: string): Promise<string[]> {
    await using client = new KafkaClient({ bootstrapServers: broker.bootstrap });
    const values: string[] = [];
    for await (const { value } of fetchAll(client, topic, 0)) values.push(value);
    return values;
  }

  const expected = (count: number): string[] => Array.from({ length: count }, (_, n) => valueOfRecord(n));

  it('refuses records, keeps what it acknowledged, serves reads, and goes on when there is room', async () => {
    const broker = await start();
    await using admin = new Admin({ bootstrapServers: broker.bootstrap });
    await admin.createTopics([{ topic: 'filled' }]);
    await admin.alterGroupOffsets('group', [{ topic: 'filled', partition: 0, offset: 1 }]);
    const count = await produceUntilFull(broker, 'filled');
    disk.fill();

    // What a producer is told: an error that it may try again.
    const raw = await RawClient.connect(broker.port);
    expect(await produceOnce(raw, 'filled', count)).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    raw.close();
    await broker.says(/Records are refused because they cannot be written.*ENOSPC/);

    // Topics that find no room wait for it, and nobody else waits for them.
    await using patient = new Admin({ bootstrapServers: broker.bootstrap });
    const created = patient.createTopics([{ topic: 'later' }, { topic: 'too', partitions: 500 }]);
    created.catch(() => undefined);
    await broker.says(/The disk is full: changes of topics and configs wait/);
    expect(await valuesIn(broker, 'filled')).toEqual(expected(count));
    expect((await admin.listGroupOffsets('group')).map(({ offset }) => offset)).toEqual([1]);
    expect(broker.isRunning).toBe(true);

    disk.free();
    await created;
    await using producer = new Producer({ bootstrapServers: broker.bootstrap });
    await producer.send({ topic: 'filled', value: valueOfRecord(count) });
    await producer.send({ topic: 'later', value: valueOfRecord(0) });
    await admin.alterGroupOffsets('group', [{ topic: 'filled', partition: 0, offset: 2 }]);
    expect(await valuesIn(broker, 'filled')).toEqual(expected(count + 1));
    expect((await broker.stop()).code).toBe(0);
  });

  it('that is killed there starts again when there is room, with all that it acknowledged', async () => {
    const first = await start();
    await using admin = new Admin({ bootstrapServers: first.bootstrap });
    await admin.createTopics([{ topic: 'filled' }]);
    const count = await produceUntilFull(first, 'filled');
    disk.fill();
    await first.kill();

    const second = launch();
    await Promise.race([second.ready().catch(() => undefined), second.ended]);
    if (!second.isRunning) {
      // It need not start there, but then it must say why and what to do.
      const { code, output } = await second.ended;
      expect(code).toBe(74);
      expect(output).toMatch(/^millrace: The disk of the data folder .* is full: .*Make room/m);
    } else {
      expect(await valuesIn(second, 'filled')).toEqual(expected(count));
      await second.kill();
    }
    disk.free();
    const third = await start();
    expect(await valuesIn(third, 'filled')).toEqual(expected(count));
  });

  it('does not start there for the first time, and says what to do', async () => {
    disk.fill();
    const { code, output } = await launch().ended;
    expect(code).toBe(74);
    expect(output).toMatch(/^millrace: The disk of the data folder .* is full: .*Make room/m);
    expect(output).not.toMatch(/^ +at /m);
    disk.free();
    await start();
  });

  it('stops in order there when it is asked to', async () => {
    const broker = await start();
    await using admin = new Admin({ bootstrapServers: broker.bootstrap });
    await admin.createTopics([{ topic: 'filled' }]);
    const count = await produceUntilFull(broker, 'filled');
    disk.fill();
    const creating = admin.createTopics([{ topic: 'never' }]).catch(() => undefined);
    await sleep(100);
    expect((await broker.stop()).signal).toBe(null);
    await admin.close();
    await creating;
    disk.free();
    expect(await valuesIn(await start(), 'filled')).toEqual(expected(count));
  });
});
