import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BatchFault, checkBatch } from './batch-check.ts';
import {
  batchBaseOffset,
  batchBaseSequence,
  batchCompression,
  batchIsTransactional,
  batchLastSequence,
  batchLeaderEpoch,
  batchProducerEpoch,
  batchProducerId,
  batchSizeBytes,
  Compression,
} from './batch-header.ts';
import { decompress } from './codecs/compress.ts';
import { ControlRecordType, readEndTxnMarker } from './control-batch.ts';
import { readRecords } from './read-records.ts';
import { decompressBatch } from './recompress.ts';
import { checkRecords } from './record-check.ts';

interface Fixture {
  origin: string;
  batches: Record<string, string>;
}

function load(client: string): Fixture {
  return JSON.parse(readFileSync(new URL(`../fixtures/${client}.json`, import.meta.url), 'utf8')) as Fixture;
}

const CLIENTS = ['java', 'librdkafka', 'kafkajs', 'platformatic'];
const START = 1_700_000_000_000;

const cases = CLIENTS.flatMap((client) => {
  const { batches } = load(client);
  return Object.entries(batches).map(([name, base64]) => ({ client, name, batch: Buffer.from(base64, 'base64') }));
});

function named(prefix: string): typeof cases {
  return cases.filter(({ name }) => name.startsWith(prefix));
}

function javaBatch(name: string): Buffer {
  return Buffer.from(load('java').batches[name] as string, 'base64');
}

/** The seven records of the small batches; `early` and `null` headers are Java's alone. */
function smallRecords(client: string): unknown[] {
  const isJava = client === 'java';
  const far = client === 'platformatic' ? START + 2 : START + 2 ** 31 + 5;
  const nullHeader = isJava ? [['null', undefined]] : [];
  return [
    [START, 'key-0', 'value-0', []],
    [START + 1, undefined, 'no key', []],
    [START + 1, 'tombstone', undefined, []],
    [far, '', '', []],
    [isJava ? 1 : START + 2, 'early', 'ünï € 🚀', []],
    [START + 2, 'headers', 'x', [['a', '1'], ['empty', ''], ...nullHeader, ['ünï', '€']]],
    [START + 3, 'long', '0123456789'.repeat(20), []],
  ];
}

function contents(batch: Buffer): unknown[] {
  return readRecords(batch).map(({ timestamp, key, value, headers }) => [
    timestamp,
    key?.toString(),
    value?.toString(),
    headers.map((header) => [header.key, header.value?.toString()]),
  ]);
}

describe('batches that other clients wrote', () => {
  it.each(named('small-').concat(named('lines-')))('$client $name passes every check', ({ name, batch }) => {
    expect(checkBatch(batch, 0, { contiguousOffsets: true })).toBeUndefined();
    expect(checkRecords(batch, { contiguousOffsets: true })).toEqual([]);
    expect(batchSizeBytes(batch, 0)).toBe(batch.length);
    const codec = name.slice(name.indexOf('-') + 1).toUpperCase() as keyof typeof Compression;
    expect(batchCompression(batch, 0)).toBe(Compression[codec]);
    expect(checkBatch(decompressBatch(batch), 0, { contiguousOffsets: true })).toBeUndefined();
  });

  it.each(named('small-'))('$client $name holds what was sent', ({ client, batch }) => {
    expect(contents(batch)).toEqual(smallRecords(client));
  });

  it.each(named('lines-'))('$client $name holds 300 lines', ({ client, batch }) => {
    const records = readRecords(batch);
    expect(records.map(({ key, value }) => `${key}=${value}`)).toEqual(
      Array.from({ length: 300 }, (_, i) => `key-${i}=${`line ${i} `.repeat(60)}`),
    );
    const headers = client === 'librdkafka' ? [{ key: 'a', value: Buffer.from('1') }] : [];
    expect(records.every((record) => JSON.stringify(record.headers) === JSON.stringify(headers))).toBe(true);
  });
});

describe("Java's other batches", () => {
  it('stamped by the broker: one timestamp for all', () => {
    expect(new Set(readRecords(javaBatch('append-time')).map((record) => record.timestamp))).toEqual(
      new Set([START + 77]),
    );
  });

  it('message sets of magic 0 and 1 are recognised and refused', () => {
    expect(checkBatch(javaBatch('magic-0'), 0)).toBe(BatchFault.OLD_MAGIC);
    expect(checkBatch(javaBatch('magic-1'), 0)).toBe(BatchFault.OLD_MAGIC);
  });

  it('markers say how a transaction ended', () => {
    for (const [name, type] of [
      ['marker-commit', ControlRecordType.COMMIT],
      ['marker-abort', ControlRecordType.ABORT],
    ] as const) {
      const batch = javaBatch(name);
      expect(checkBatch(batch, 0)).toBeUndefined();
      expect(readEndTxnMarker(batch)).toEqual({ type, coordinatorEpoch: 9 });
      expect([batchBaseOffset(batch, 0), batchLeaderEpoch(batch, 0)]).toEqual([42, 3]);
      expect([batchProducerId(batch, 0), batchProducerEpoch(batch, 0)]).toEqual([4001, 7]);
    }
  });

  it('sequences wrap within a batch', () => {
    const batch = javaBatch('transactional');
    expect([batchBaseSequence(batch, 0), batchLastSequence(batch, 0)]).toEqual([2 ** 31 - 2, 0]);
    expect(batchIsTransactional(batch, 0)).toBe(true);
  });
});

describe('lz4 frames that other libraries wrote', () => {
  const text = Array.from(
    { length: 1000 },
    (_, i) => `line ${i} of a text whose blocks look alike, so that links between blocks are used\n`,
  ).join('');

  it.each(Object.entries(load('lz4-frames').batches))('%s', (_, base64) => {
    const frame = Buffer.from(base64, 'base64');
    expect(decompress(Compression.LZ4, frame, text.length).toString()).toBe(text);
    expect(() => decompress(Compression.LZ4, frame, text.length - 1)).toThrow(
      expect.objectContaining({ code: 'RECORDS_TOO_LARGE' }),
    );
  });
});
