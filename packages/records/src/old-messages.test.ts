import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecordBatchBuilder } from './batch-builder.ts';
import { checkBatch } from './batch-check.ts';
import {
  batchBaseOffset,
  batchCompression,
  batchSizeBytes,
  batchTimestampType,
  Compression,
  setBatchBaseOffset,
  setBatchLogAppendTime,
  TimestampType,
} from './batch-header.ts';
import { RecordsError } from './errors.ts';
import { convertDown, convertUp, isOldFormat, type OldMagic } from './old-messages.ts';
import { readRecords } from './read-records.ts';

interface Made {
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp: number;
}

function batchOf(records: readonly Made[], compression: Compression, baseOffset = 0): Buffer {
  const builder = new RecordBatchBuilder();
  for (const { key, value, timestamp } of records)
    builder.append(timestamp, key, value, [{ key: 'lost', value: Buffer.from('in old formats') }]);
  const batch = Buffer.from(builder.build({ compression }));
  setBatchBaseOffset(batch, 0, baseOffset);
  return batch;
}

const seen = (batch: Buffer): unknown[] =>
  readRecords(batch).map(({ key, value, timestamp, headers }) => ({
    key: key?.toString() ?? null,
    value: value?.toString() ?? null,
    timestamp,
    headers: headers.length,
  }));

const text = fc.option(fc.string({ maxLength: 300 }), { nil: null });
const made = fc.record({ key: text, value: text, timestamp: fc.integer({ min: 0, max: 2 ** 45 }) });
const OLD_CODECS = [Compression.NONE, Compression.GZIP, Compression.SNAPPY, Compression.LZ4];
const ALL = { fetchOffset: 0, outputBytesMax: 1e9 };

/** Offset, size, magic, attributes of the messages of a set. */
function messagesOf(set: Buffer): { offset: number; magic: number; attributes: number }[] {
  const found: { offset: number; magic: number; attributes: number }[] = [];
  for (let at = 0; at < set.length; at += 12 + set.readInt32BE(at + 8)) {
    found.push({ offset: Number(set.readBigInt64BE(at)), magic: set[at + 16]!, attributes: set[at + 17]! });
  }
  return found;
}

describe('message sets of magic 0 and 1', () => {
  it('become a batch with the same records, in the same codec, and back', () => {
    fc.assert(
      fc.property(
        fc.array(made, { minLength: 1, maxLength: 50 }),
        fc.constantFrom(...OLD_CODECS),
        fc.constantFrom<OldMagic[]>(0, 1),
        fc.nat(2 ** 40),
        (records, compression, magic, baseOffset) => {
          const set = convertDown(batchOf(records, compression, baseOffset), { ...ALL, magic });
          expect(isOldFormat(set)).toBe(true);
          const messages = messagesOf(set);
          expect(messages.at(-1)!.offset).toBe(baseOffset + records.length - 1);
          expect(messages.every((message) => message.magic === magic && message.attributes === compression)).toBe(true);
          expect(messages).toHaveLength(compression === Compression.NONE ? records.length : 1);
          const batch = convertUp(set);
          expect(checkBatch(batch, 0, { contiguousOffsets: true })).toBeUndefined();
          expect([batchCompression(batch, 0), batchBaseOffset(batch, 0)]).toEqual([compression, 0]);
          expect(seen(batch)).toEqual(
            records.map(({ timestamp, ...rest }) => ({ ...rest, timestamp: magic === 0 ? -1 : timestamp, headers: 0 })),
          );
        },
      ),
    );
  });

  it('of librdkafka with broker.version.fallback=0.8.2 are read in every codec, lz4 with the header checksum of that time', () => {
    // Three records, k1 to k3 with v1 to v3; produced with kcat and taken from the wire.
    for (const [name, hex] of Object.entries(FROM_LIBRDKAFKA)) {
      const records = readRecords(convertUp(Buffer.from(hex, 'hex')));
      const pairs = records.map(({ key, value }) => `${key} ${value}`);
      expect([name, ...pairs]).toEqual([name, 'k1 v1', 'k2 v2', 'k3 v3']);
    }
  });

  it('have offsets that count from the first within a compressed message of magic 1, and the last one outside', () => {
    const records = [1, 2, 3].map((n) => ({ key: null, value: `${n}`, timestamp: n }));
    const set = convertDown(batchOf(records, Compression.GZIP, 70), { ...ALL, magic: 1 });
    expect(messagesOf(set)).toEqual([{ offset: 72, magic: 1, attributes: 1 }]);
    expect(Number(set.readBigInt64BE(18))).toBe(3);
  });

  it('leave out what lies before the offset asked for, where that is not compressed', () => {
    const records = [1, 2, 3].map((n) => ({ key: null, value: `${n}`, timestamp: n }));
    const convert = (compression: Compression): number[] =>
      messagesOf(convertDown(batchOf(records, compression, 5), { ...ALL, fetchOffset: 6, magic: 1 })).map(
        ({ offset }) => offset,
      );
    expect(convert(Compression.NONE)).toEqual([6, 7]);
    expect(convert(Compression.LZ4)).toEqual([7]);
  });

  it('tell that a broker has stamped them; of what a producer sends the timestamp alone counts', () => {
    const batch = batchOf([{ key: 'k', value: 'v', timestamp: 5 }], Compression.NONE);
    setBatchLogAppendTime(batch, 0, 99);
    const set = convertDown(batch, { ...ALL, magic: 1 });
    expect(messagesOf(set)[0]!.attributes).toBe(8);
    expect(Number(set.readBigInt64BE(18))).toBe(99);
    expect(batchTimestampType(convertUp(set), 0)).toBe(TimestampType.CREATE_TIME);
  });

  it('hold no more than was asked for, the first batch excepted, and end before what cannot be converted', () => {
    const batch = (compression: Compression, offset: number): Buffer =>
      batchOf([{ key: 'k', value: 'v'.repeat(500), timestamp: 1 }], compression, offset);
    const plain = [0, 1, 2, 3].map((offset) => batch(Compression.NONE, offset));
    const offsetsOf = (batches: Buffer[], outputBytesMax: number): number[] =>
      messagesOf(convertDown(Buffer.concat(batches), { magic: 1, fetchOffset: 0, outputBytesMax })).map(
        (m) => m.offset,
      );
    expect(offsetsOf(plain, 1)).toEqual([0]);
    expect(offsetsOf(plain, 1200)).toEqual([0, 1]);
    expect(offsetsOf([plain[0]!, batch(Compression.ZSTD, 1), plain[2]!], 1e6)).toEqual([0]);
    expect(() => offsetsOf([batch(Compression.ZSTD, 0)], 1e6)).toThrow(
      expect.objectContaining({ code: 'RECORDS_UNSUPPORTED' }),
    );
  });

  it('are nothing where there are only control batches', () => {
    const builder = new RecordBatchBuilder();
    builder.append(1, Buffer.alloc(4), Buffer.alloc(6));
    const control = builder.build({ isControl: true, isTransactional: true, producerId: 1, producerEpoch: 0 });
    expect(convertDown(control, { ...ALL, magic: 0 })).toHaveLength(0);
  });

  it('with any damage are refused with a typed error, in bounded memory', () => {
    for (const compression of OLD_CODECS) {
      const records = Array.from({ length: 20 }, (_, n) => ({ key: `${n}`, value: 'v'.repeat(n * 10), timestamp: n }));
      const set = convertDown(batchOf(records, compression), { ...ALL, magic: 1 });
      fc.assert(
        fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), fc.nat(), (position, flip, cut) => {
          const damaged = Buffer.from(set);
          // An offset is under no CRC, and a producer's do not count.
          const firstBytes = 12 + set.readInt32BE(8);
          damaged[8 + (position % (firstBytes - 8))]! ^= flip;
          expect(() => convertUp(damaged)).toThrow(RecordsError);
          const part = set.subarray(0, cut % set.length);
          if (compression !== Compression.NONE) expect(() => convertUp(part)).toThrow(RecordsError);
        }),
      );
      expect(() => convertUp(Buffer.alloc(0))).toThrow(RecordsError);
    }
    const bomb = convertDown(batchOf([{ key: null, value: 'x'.repeat(1_000_000), timestamp: 1 }], Compression.GZIP), {
      ...ALL,
      magic: 1,
    });
    expect(() => convertUp(bomb, 10_000)).toThrow(expect.objectContaining({ code: 'RECORDS_TOO_LARGE' }));
    expect(batchSizeBytes(convertUp(bomb), 0)).toBeGreaterThan(0);
  });
});

const FROM_LIBRDKAFKA: Readonly<Record<string, string>> = {
  none: '00000000000000000000001257e7496e0000000000026b31000000027631000000000000000100000012ff0602490000000000026b320000000276320000000000000002000000122e76396b0000000000026b33000000027633',
  gzip: '000000000000000000000050fd3f2c630001ffffffff000000421f8b080000000000000363608003a1f0e79e79601653b621882c3384ca308264ffb3317942658dc0b24650592690ac5e99653654d6182c6b0c00c76601815a000000',
  snappy:
    '0000000000000000000000568f8471a20002ffffffff000000485a00001901101257e7496e050f1c026b31000000027601060101200100000012ff060249010d0c00026b32051e010601010002011e442e76396b0000000000026b33000000027633',
  lz4: '0000000000000000000000673025b2aa0003ffffffff0000005904224d1860401a4a00000016000100511257e7496e0f0080026b3100000002760600000200900100000012ff0602490d004000026b3206001076060000020010021e00402e76396b0d00a000026b3300000002763300000000',
};
