/** What no Kafka client sends, sent to a broker process: it must say no, stay small, and go on serving others. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { Admin } from '@millrace/admin';
import { seededRandom } from '@millrace/ports';
import { Producer } from '@millrace/producer';
import { ApiVersions, ErrorCode, Fetch, Metadata, Produce, type ProduceResponse } from '@millrace/protocol';
import {
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_OVERHEAD_BYTES,
  BatchOffsets,
  Compression,
  compress,
  RecordBatchBuilder,
  refreshBatchCrc,
} from '@millrace/records';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { RUN_MS_MAX } from './expect-kept.ts';
import { PATIENCE_MS, RawClient } from './raw-client.ts';
import { canMeasureProcesses, SpawnedBroker, type SpawnedBrokerOptions, usageOf } from './spawned-broker.ts';

vi.setConfig({ testTimeout: RUN_MS_MAX, hookTimeout: RUN_MS_MAX });

const MIB = 1024 * 1024;
const IDLE_MS_MAX = 2000;
/** What a broker may grow by for a while: garbage not yet collected, the socket buffers of many connections. */
const GROWTH_BYTES_MAX = 96 * MIB;
/** What the broker finds out a bomb by: this much of what is in it, and no more. */
const DECOMPRESSED_BYTES_MAX = 32 * MIB;
const BOMBING_CLIENTS = 4;
const BOMBS_PER_CLIENT = 4;
/**
 * Where it has to decompress, what each bomb of a round has come to may be garbage that is not collected yet; a busy machine may
 * collect it as late as that. More rounds must not cost more. A broker that decompressed them to the end would take 15 GiB.
 */
const BOMB_GROWTH_BYTES_MAX = BOMBING_CLIENTS * BOMBS_PER_CLIENT * DECOMPRESSED_BYTES_MAX + GROWTH_BYTES_MAX;
const BOMB_ROUNDS = 3;

let folder: string;
let broker: SpawnedBroker;
let good: Producer;
const clients: RawClient[] = [];

/** A broker, and somebody who wants nothing bad of it. */
async function open(settings: SpawnedBrokerOptions['settings'] = {}): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), 'millrace-hostile-'));
  broker = await SpawnedBroker.start({ folder, settings: { 'log.cleaner.enable': true, ...settings } });
  await using admin = new Admin({ bootstrapServers: broker.bootstrap });
  await admin.createTopics([
    { topic: 'good' },
    { topic: 'plain' },
    { topic: 'recompressed', configs: { 'compression.type': 'lz4' } },
    { topic: 'compacted', configs: { 'cleanup.policy': 'compact' } },
  ]);
  good = new Producer({ bootstrapServers: broker.bootstrap });
  await othersAreServed();
}

async function end(): Promise<void> {
  await good.close();
  const { code } = await broker.stop();
  rmSync(folder, { recursive: true, force: true });
  expect(code).toBe(0);
}

beforeAll(() => open());
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});
afterAll(end);

async function connect(): Promise<RawClient> {
  const client = await RawClient.connect(broker.port);
  clients.push(client);
  return client;
}

function connectMany(count: number): Promise<RawClient[]> {
  return Promise.all(Array.from({ length: count }, connect));
}

/** Another client produces, one record after the other, while whatever happens happens. */
async function othersAreServed(): Promise<void> {
  for (let n = 0; n < 20; n += 1) await good.send({ topic: 'good', value: `record ${n}` });
}

/** A listener's warnings are bounded by the second, and an attack before may have used them up: the stream is sent until it is told of. */
async function isCutOffAndTold(send: (client: RawClient) => void, pattern: RegExp): Promise<void> {
  const told = broker.says(pattern);
  let isTold = false;
  told.then(
    () => (isTold = true),
    () => (isTold = true),
  );
  while (!isTold) {
    const client = await connect();
    send(client);
    await client.cutOff();
    await Promise.race([told, setTimeout(200)]);
  }
  await told;
}

/** Runs an attack, and has the broker's memory stay below its size before plus `growthBytes`. */
async function staysSmall(attack: () => Promise<void>, growthBytes = GROWTH_BYTES_MAX): Promise<void> {
  if (!canMeasureProcesses) return attack();
  const before = usageOf(broker.pid).rssBytes;
  // Makes the peak the present size.
  writeFileSync(`/proc/${broker.pid}/clear_refs`, '5');
  await attack();
  const growth = usageOf(broker.pid).rssPeakBytes - before;
  if (process.env.SHOW_GROWTH !== undefined) {
    console.log(`grew by ${(growth / MIB).toFixed(1)} MiB from ${before / MIB}`);
  }
  expect(growth).toBeLessThan(growthBytes);
}

function batchOf(value: string): Buffer {
  const builder = new RecordBatchBuilder();
  builder.append(Date.now(), 'key', value);
  return builder.build();
}

const codecs: Readonly<Record<string, Compression>> = {
  gzip: Compression.GZIP,
  snappy: Compression.SNAPPY,
  lz4: Compression.LZ4,
  zstd: Compression.ZSTD,
};

/** The topics that decompress batches of a codec: not those that would store it as it is. */
function topicsThatLookInto(codec: string): readonly string[] {
  return codec === 'lz4' ? ['compacted'] : ['recompressed', 'compacted'];
}

/** A batch that says it holds one record, in a codec's bytes that may hold anything. */
function compressedBatch(codec: Compression, payload: Buffer): Buffer {
  const batch = Buffer.concat([batchOf('').subarray(0, BATCH_HEADER_BYTES), payload]);
  batch.writeInt32BE(batch.length - BATCH_LENGTH_OVERHEAD_BYTES, BatchOffsets.LENGTH);
  batch.writeInt16BE(codec, BatchOffsets.ATTRIBUTES);
  refreshBatchCrc(batch, 0);
  return batch;
}

const partitionAnswer = (response: ProduceResponse) => response.responses[0]!.partitionResponses[0]!;

async function produce(client: RawClient, topic: string, records: Buffer) {
  const response = await client.ask(Produce, 9, {
    acks: -1,
    timeoutMs: PATIENCE_MS,
    topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
  });
  return partitionAnswer(response);
}

async function endOffset(topic: string): Promise<number> {
  await using admin = new Admin({ bootstrapServers: broker.bootstrap });
  const [end] = await admin.listOffsets([{ topic, partition: 0, at: 'latest' }]);
  return end!.offset;
}

describe('a stream that is not Kafka', () => {
  const random = seededRandom(1);

  it('of random bytes is cut off', () =>
    staysSmall(async () => {
      for (const client of await connectMany(100)) {
        const bytes = Buffer.from(random.bytes(3000));
        // The first byte of a size above 100 MiB, so that each of them is known for what it is at once.
        bytes[0] = 7 + random.nextInt(249);
        client.write(bytes);
      }
      await othersAreServed();
      for (const client of clients) await client.cutOff();
    }));

  it('of frames of random bytes is cut off at the first', () =>
    staysSmall(async () => {
      for (const client of await connectMany(100)) {
        client.writeFrame(random.bytes(200));
      }
      await othersAreServed();
      for (const client of clients) await client.cutOff();
    }));

  it('of HTTP gets an answer that a person understands', async () => {
    const client = await connect();
    client.write(Buffer.from('GET / HTTP/1.1\r\nHost: localhost:9092\r\nConnection: close\r\n\r\n'));
    await client.cutOff();
    expect(client.received.toString()).toMatch(/^HTTP\/1\.1 400 .*Kafka/s);
    await othersAreServed();
  });

  it('of TLS is cut off, with the reason in the log', async () => {
    await isCutOffAndTold((client) => client.write(Buffer.from('16030100c8010000c40303', 'hex')), /TLS/);
  });

  it.each([2 ** 31 - 1, -1, -(2 ** 31), 104_857_601])('with a frame of %i bytes is cut off at once', async (size) => {
    const client = await connect();
    client.writeFrame(Buffer.alloc(100), size);
    await client.cutOff();
    expect(client.received.length).toBe(0);
    await othersAreServed();
  });
});

describe('a request that no broker serves', () => {
  const header = (apiKey: number, apiVersion: number): Buffer => {
    // The last byte is the flexible header's: no tags.
    const bytes = Buffer.alloc(11);
    bytes.writeInt16BE(apiKey, 0);
    bytes.writeInt16BE(apiVersion, 2);
    bytes.writeInt32BE(7, 4);
    bytes.writeInt16BE(-1, 8);
    return bytes;
  };

  it.each([999, -1, 32_767])('with API key %i ends the connection, with the reason in the log', async (key) => {
    await isCutOffAndTold((client) => client.writeFrame(header(key, 0)), new RegExp(`API key ${key}`));
  });

  it('in a version that was never advertised ends the connection', async () => {
    await isCutOffAndTold((client) => client.writeFrame(header(Metadata.key, 99)), /Metadata v99/);
  });

  it('for ApiVersions in a version of the future is answered with what there is', async () => {
    const client = await connect();
    client.writeFrame(header(ApiVersions.key, 99));
    const frame = await client.nextFrame();
    expect(frame.readInt32BE(0)).toBe(7);
    expect(frame.readInt16BE(4)).toBe(ErrorCode.UNSUPPORTED_VERSION);
    expect(frame.readInt32BE(6)).toBeGreaterThan(20);
  });

  it('with an array of two billion entries in twenty bytes costs nothing', () =>
    staysSmall(async () => {
      const claims = Buffer.concat([header(Metadata.key, 1), Buffer.from('7fffffff0001', 'hex')]);
      for (const client of await connectMany(50)) client.writeFrame(claims);
      for (const client of clients) await client.cutOff();
      await othersAreServed();
    }));
});

describe('a batch that is not as it says', () => {
  /** What says that a batch is refused for good, and not for a while. */
  const refusals: readonly number[] = [
    ErrorCode.CORRUPT_MESSAGE,
    ErrorCode.INVALID_RECORD,
    ErrorCode.MESSAGE_TOO_LARGE,
  ];
  const broken: Record<string, (batch: Buffer) => void> = {
    'a wrong CRC': (batch) => batch.writeUInt8(batch.readUInt8(17) ^ 1, 17),
    'a bit flipped in its records': (batch) => batch.writeUInt8(batch.readUInt8(70) ^ 0x10, 70),
    'a size that is too large': (batch) => batch.writeInt32BE(batch.readInt32BE(8) + 1, 8),
    'a size that is too small': (batch) => batch.writeInt32BE(batch.readInt32BE(8) - 1, 8),
    'a negative size': (batch) => batch.writeInt32BE(-1, 8),
    'a size of 2 GiB': (batch) => batch.writeInt32BE(2 ** 31 - 1, 8),
    'an unknown magic': (batch) => batch.writeInt8(9, 16),
  };

  it.each(Object.keys(broken))('for %s is refused, and nothing is kept', async (name) => {
    const before = await endOffset('plain');
    const client = await connect();
    const batch = batchOf('a record');
    broken[name]!(batch);
    const { errorCode, baseOffset } = await produce(client, 'plain', batch);
    expect(refusals).toContain(errorCode);
    expect(baseOffset).toBe(-1);
    expect(await endOffset('plain')).toBe(before);
    // The same connection goes on with what is right.
    expect(await produce(client, 'plain', batchOf('a record'))).toMatchObject({ errorCode: 0, baseOffset: before });
  });

  it.each(Object.keys(codecs))('for damaged %s is refused where the broker must look into it', async (name) => {
    const client = await connect();
    const payload = compress(codecs[name]!, Buffer.alloc(10_000, 'records'));
    payload.fill(0x5a, payload.length >> 1);
    for (const topic of topicsThatLookInto(name)) {
      const { errorCode } = await produce(client, topic, compressedBatch(codecs[name]!, payload));
      expect(refusals).toContain(errorCode);
    }
    expect(await endOffset('recompressed')).toBe(0);
    expect(await endOffset('compacted')).toBe(0);
  });
});

describe('a decompression bomb', () => {
  const times = (bytes: Buffer, count: number): Buffer => Buffer.concat(Array.from({ length: count }, () => bytes));
  /** Each less than a megabyte, as `max.message.bytes` wants it. */
  const bombs: Record<string, () => Buffer> = {
    gzip: () => times(gzipSync(Buffer.alloc(16 * MIB)), 60),
    zstd: () => times(zstdCompressSync(Buffer.alloc(64 * MIB)), 32),
    lz4: () => compress(Compression.LZ4, Buffer.alloc(200 * MIB)),
    // It only claims to be large: four gigabytes, as its preamble says.
    snappy: () => Buffer.from('ffffffff0f000000', 'hex'),
  };

  const cases = Object.keys(bombs).flatMap((name) => topicsThatLookInto(name).map((topic) => [name, topic] as const));

  it.each(cases)('of %s is refused by a topic that is %s', async (name, topic) => {
    const batch = compressedBatch(codecs[name]!, bombs[name]!());
    expect(batch.length).toBeLessThan(MIB);
    const attack = async (): Promise<void> => {
      const answers = (await connectMany(BOMBING_CLIENTS)).map(async (client) => {
        for (let n = 0; n < BOMBS_PER_CLIENT; n += 1) {
          const { errorCode, errorMessage } = await produce(client, topic, batch);
          expect(errorCode).toBe(ErrorCode.INVALID_RECORD);
          expect(errorMessage).toMatch(/more than \d+ bytes/);
        }
      });
      await Promise.all([othersAreServed(), ...answers]);
    };
    await staysSmall(async () => {
      for (let round = 0; round < BOMB_ROUNDS; round += 1) await attack();
    }, BOMB_GROWTH_BYTES_MAX);
    expect(await endOffset(topic)).toBe(0);
  });
});

describe('many connections', () => {
  it('that come and go, or stay without a word, are borne', () =>
    staysSmall(async () => {
      for (let round = 0; round < 5; round += 1) {
        for (const client of await connectMany(200)) if (round % 2 === 0) client.close();
        await othersAreServed();
      }
    }));
});

describe('a client that stands still', () => {
  // A broker of its own: elsewhere who is busy for a while, or is kept from going on by his machine, would be cut off for that.
  beforeAll(async () => {
    await end();
    await open({ 'connections.max.idle.ms': IDLE_MS_MAX });
  });

  it('in the middle of a request of 100 MB holds little, and is cut off when it is idle too long', () =>
    staysSmall(async () => {
      for (const client of await connectMany(200)) client.writeFrame(Buffer.alloc(20_000), 100_000_000);
      await othersAreServed();
      for (const client of clients) await client.cutOff();
    }));

  it('and never reads its answers holds little, and is cut off when it is idle too long', async () => {
    const value = Buffer.alloc(900_000, 'x');
    for (let n = 0; n < 3; n += 1) await good.send({ topic: 'plain', value });
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 10 * MIB }];
    const topics = [{ topic: 'plain', partitions }];
    const fetch = { maxWaitMs: 0, minBytes: 0, maxBytes: 10 * MIB, topics, forgottenTopicsData: [] };
    const cutOff = (): number => broker.output.split(/idle for \d+ ms/).length - 1;
    const cutOffBefore = cutOff();
    await staysSmall(async () => {
      for (const [n, client] of (await connectMany(16)).entries()) {
        client.socket.pause();
        for (let request = 0; request < 500; request += 1) {
          if (n % 2 === 0) client.post(Fetch, 11, fetch);
          else client.post(Metadata, 5, { topics: null, allowAutoTopicCreation: false });
        }
      }
      await othersAreServed();
      await expect.poll(cutOff, { timeout: PATIENCE_MS }).toBeGreaterThanOrEqual(cutOffBefore + clients.length);
      await othersAreServed();
    });
  });
});
