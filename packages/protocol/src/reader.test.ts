import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from './errors.ts';
import { encodeRequest } from './frames.ts';
import { DescribeConfigs, DescribeGroups, ListOffsets, Metadata, OffsetFetch } from './generated/index.ts';
import type { AnyApi } from './message.ts';
import { REQUEST_DECODED_BYTES_MAX, Reader } from './reader.ts';
import { ZERO_UUID } from './uuid.ts';

function reader(hex: string): Reader {
  return new Reader(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
  return 'no error';
}

describe('integers', () => {
  it('are big-endian and signed', () => {
    expect(reader('80').int8()).toBe(-128);
    expect(reader('ff fe').int16()).toBe(-2);
    expect(reader('ff fe').uint16()).toBe(65534);
    expect(reader('80 00 00 00').int32()).toBe(-2147483648);
  });

  it('of 64 bits are exact wherever a number is', () => {
    expect(reader('00 00 00 01 00 00 00 00').int64()).toBe(2 ** 32);
    expect(reader('ff ff ff ff ff ff ff ff').int64()).toBe(-1);
    expect(reader('ff ff ff ff 00 00 00 00').int64()).toBe(-(2 ** 32));
    expect(reader('00 1f ff ff ff ff ff ff').int64()).toBe(Number.MAX_SAFE_INTEGER);
    expect(reader('ff e0 00 00 00 00 00 01').int64()).toBe(Number.MIN_SAFE_INTEGER);
  });

  it('of 64 bits agree with BigInt, or are refused', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.nat(62), (any, shift) => {
        const value = any >> BigInt(shift);
        const bytes = Buffer.alloc(8);
        bytes.writeBigInt64BE(value);
        const read = (): number => new Reader(bytes).int64();
        if (Number.isSafeInteger(Number(value))) expect(BigInt(read())).toBe(value);
        else expect(codeOf(read)).toBe('PROTOCOL_UNSAFE_INTEGER');
      }),
    );
  });

  it('of variable length take one to five bytes', () => {
    expect(reader('00').uvarint()).toBe(0);
    expect(reader('7f').uvarint()).toBe(127);
    expect(reader('80 01').uvarint()).toBe(128);
    expect(reader('ac 02').uvarint()).toBe(300);
    expect(reader('ff ff ff ff 0f').uvarint()).toBe(2 ** 32 - 1);
  });

  it('of variable length with more than 32 bits are refused', () => {
    expect(codeOf(() => reader('ff ff ff ff 1f').uvarint())).toBe('PROTOCOL_INVALID_VARINT');
    expect(codeOf(() => reader('80 80 80 80 80 01').uvarint())).toBe('PROTOCOL_INVALID_VARINT');
  });
});

describe('strings', () => {
  it('have an int16 in front, or one more than their length in flexible versions', () => {
    expect(reader('00 02 68 69').string(false)).toBe('hi');
    expect(reader('03 68 69').string(true)).toBe('hi');
    expect(reader('ff ff').nullableString(false)).toBeNull();
    expect(reader('00').nullableString(true)).toBeNull();
  });

  it('are UTF-8, short and long', () => {
    for (const text of ['', 'é', '水車', '🌊', 'a'.repeat(300), '水'.repeat(300)]) {
      const bytes = Buffer.from(text);
      const size = Buffer.alloc(2);
      size.writeInt16BE(bytes.length);
      expect(new Reader(Buffer.concat([size, bytes])).string(false)).toBe(text);
    }
  });

  it('that are not UTF-8 are read with replacement characters, as Java does', () => {
    expect(reader('00 03 61 ff 62').string(false)).toBe('a\ufffdb');
  });

  it('are refused when null where they cannot be, of negative length, too long or cut off', () => {
    expect(codeOf(() => reader('ff ff').string(false))).toBe('PROTOCOL_NULL_NOT_ALLOWED');
    expect(codeOf(() => reader('ff fe').nullableString(false))).toBe('PROTOCOL_INVALID_LENGTH');
    expect(codeOf(() => reader('81 80 02').string(true))).toBe('PROTOCOL_STRING_TOO_LONG');
    expect(codeOf(() => reader('00 05 61').string(false))).toBe('PROTOCOL_TRUNCATED');
  });
});

describe('bytes', () => {
  it('are a view of the buffer, not a copy', () => {
    const buffer = Buffer.from('00000002aabb', 'hex');
    const bytes = new Reader(buffer).bytes(false);
    expect(bytes).toEqual(Buffer.from('aabb', 'hex'));
    expect(bytes.buffer).toBe(buffer.buffer);
    expect(bytes.byteOffset).toBe(buffer.byteOffset + 4);
  });

  it('are refused when cut off, however large they claim to be', () => {
    expect(codeOf(() => reader('7f ff ff ff 00').bytes(false))).toBe('PROTOCOL_TRUNCATED');
    expect(codeOf(() => reader('ff ff ff ff 0f 00').nullableBytes(true))).toBe('PROTOCOL_TRUNCATED');
  });
});

describe('array lengths', () => {
  it('are believed only if the bytes that follow can hold so many elements', () => {
    expect(reader('00 00 00 02 00 00 00 00 00 00 00 00').arrayLength(false, 4, 8)).toBe(2);
    expect(codeOf(() => reader('00 00 00 03 00 00 00 00 00 00 00 00').arrayLength(false, 4, 8))).toBe(
      'PROTOCOL_ARRAY_TOO_LONG',
    );
    expect(codeOf(() => reader('7f ff ff ff').arrayLength(false, 1, 8))).toBe('PROTOCOL_ARRAY_TOO_LONG');
    expect(codeOf(() => reader('ff ff ff ff 0f').arrayLength(true, 1, 8))).toBe('PROTOCOL_ARRAY_TOO_LONG');
  });

  it('are -1 for null where that is allowed', () => {
    expect(reader('ff ff ff ff').nullableArrayLength(false, 4, 8)).toBe(-1);
    expect(reader('00').nullableArrayLength(true, 4, 8)).toBe(-1);
    expect(codeOf(() => reader('ff ff ff ff').arrayLength(false, 4, 8))).toBe('PROTOCOL_NULL_NOT_ALLOWED');
    expect(codeOf(() => reader('ff ff ff fe').nullableArrayLength(false, 4, 8))).toBe('PROTOCOL_INVALID_LENGTH');
  });
});

describe('UUIDs', () => {
  it('read as Kafka prints them', () => {
    expect(reader('00000000 00000000 00000000 00000000').uuid()).toBe(ZERO_UUID);
    // Kafka reserves this one for the metadata topic and prints it so (org.apache.kafka.common.Uuid).
    expect(reader('00000000 00000000 00000000 00000001').uuid()).toBe('AAAAAAAAAAAAAAAAAAAAAQ');
  });
});

describe('tagged fields', () => {
  it('that nobody knows are kept', () => {
    expect(reader('02 05 01 aa 07 02 bb cc').unknownTags()).toEqual([
      { tag: 5, data: Buffer.from('aa', 'hex') },
      { tag: 7, data: Buffer.from('bbcc', 'hex') },
    ]);
    expect(reader('00').unknownTags()).toBeUndefined();
  });

  it('confine what is read in them', () => {
    const tagged = reader('01 aa bb');
    const limit = tagged.enterTag();
    expect(codeOf(() => tagged.int16())).toBe('PROTOCOL_TRUNCATED');
    tagged.int8();
    tagged.leaveTag(limit);
    expect(tagged.remaining).toBe(1);
  });

  it('must be read to their end', () => {
    const tagged = reader('02 aa bb');
    const limit = tagged.enterTag();
    tagged.int8();
    expect(codeOf(() => tagged.leaveTag(limit))).toBe('PROTOCOL_TRAILING_BYTES');
  });

  it('in absurd numbers end with the bytes', () => {
    expect(codeOf(() => reader('ff ff ff ff 0f 01 00').unknownTags())).toBe('PROTOCOL_TRUNCATED');
  });
});

describe('the request of a stranger', () => {
  const ofRequest = (hex: string): Reader => Reader.ofRequest(Buffer.from(hex.replaceAll(' ', ''), 'hex'), 0);

  it('may have few strings so long that the engine hashes them by their length alone, and any number of shorter ones', () => {
    const strings = (count: number, length: number): Reader => {
      const size = Buffer.alloc(2);
      size.writeInt16BE(length);
      return Reader.ofRequest(Buffer.concat(Array(count).fill(Buffer.concat([size, Buffer.alloc(length, 'a')]))), 0);
    };
    const readAll = (reader: Reader): void => {
      while (reader.remaining > 0) reader.string(false);
    };
    readAll(strings(1000, 16_383));
    readAll(strings(64, 32_767));
    expect(codeOf(() => readAll(strings(65, 16_384)))).toBe('PROTOCOL_STRING_TOO_LONG');
  });

  it('is refused where its text is not UTF-8, short or long, and read where it holds a replacement character as such', () => {
    expect(codeOf(() => ofRequest('00 03 61 ff 62').string(false))).toBe('PROTOCOL_INVALID_TEXT');
    expect(codeOf(() => ofRequest('00 03 ed a0 80').string(false))).toBe('PROTOCOL_INVALID_TEXT');
    expect(codeOf(() => ofRequest(`00 20 ${'ff'.repeat(32)}`).string(false))).toBe('PROTOCOL_INVALID_TEXT');
    expect(ofRequest('00 03 ef bf bd').string(false)).toBe('\ufffd');
    expect(ofRequest('00 04 c3 a9 61 62').string(false)).toBe('éab');
  });

  it('gives text that encodes again to the bytes it came from, or none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const size = Buffer.alloc(2);
        size.writeInt16BE(bytes.length);
        let text: string;
        try {
          text = Reader.ofRequest(Buffer.concat([size, bytes]), 0).string(false);
        } catch (error) {
          expect(error).toHaveProperty('code', 'PROTOCOL_INVALID_TEXT');
          return;
        }
        expect(Buffer.from(text)).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it('has its 64-bit integers beyond 2^53 rounded instead of refused', () => {
    expect(ofRequest('7f ff ff ff ff ff ff ff').int64()).toBe(2 ** 63);
    expect(ofRequest('80 00 00 00 00 00 00 00').int64()).toBe(-(2 ** 63));
    expect(ofRequest('00 1f ff ff ff ff ff ff').int64()).toBe(Number.MAX_SAFE_INTEGER);
  });

  it('has tagged fields that nobody knows passed over', () => {
    const tagged = ofRequest('02 05 01 aa 07 02 bb cc 2a');
    expect(tagged.unknownTags()).toBeUndefined();
    expect(tagged.int8()).toBe(42);
  });

  it('may take 64 KiB of memory and 18 times its bytes, in arrays of arrays too', () => {
    const frame = Buffer.alloc(1024);
    frame.writeInt32BE(1000);
    expect(Reader.ofRequest(frame, 0).arrayLength(false, 1, 83)).toBe(1000);
    expect(codeOf(() => Reader.ofRequest(frame, 0).arrayLength(false, 1, 84))).toBe('PROTOCOL_DECODED_TOO_LARGE');
    const twice = Buffer.concat([frame.subarray(0, 4), frame]);
    const reader = Reader.ofRequest(twice, 0);
    reader.arrayLength(false, 1, 80);
    expect(codeOf(() => reader.arrayLength(false, 1, 80))).toBe('PROTOCOL_DECODED_TOO_LARGE');
  });

  it.each([
    [100_000, 65_536 + 1_800_000],
    [400_000, 65_536 + 4 * 2 ** 20],
    [2 ** 20, 65_536 + 8 * 2 ** 20],
    [3_000_000, 65_536 + 24_000_000],
    [10_000_000, REQUEST_DECODED_BYTES_MAX],
  ])('of %d bytes may take %d of memory', (bytes, most) => {
    const frame = Buffer.alloc(bytes);
    frame.writeInt32BE(1);
    expect(Reader.ofRequest(frame, 0).arrayLength(false, 1, most)).toBe(1);
    expect(codeOf(() => Reader.ofRequest(frame, 0).arrayLength(false, 1, most + 1))).toBe('PROTOCOL_DECODED_TOO_LARGE');
  });

  it.each([100, 600, 2000, 10_000])('has room for %d of the shortest names that people give', (count) => {
    const names = (letter: string): string[] => Array.from({ length: count }, (_, at) => `${letter}${at}`);
    const taken = <T extends AnyApi>(api: T, version: number, body: object): unknown => {
      const frame = Buffer.concat(encodeRequest(api, version, { correlationId: 1, clientId: '' }, body));
      return api.request.decode(Reader.ofRequest(frame, version >= api.flexibleSince ? 15 : 14), version);
    };
    const topics = names('t');
    for (const version of [1, 8, 9]) {
      const auto = version < 4 ? {} : { allowAutoTopicCreation: false };
      const body = { topics: topics.map((name) => ({ name })), ...auto };
      expect(taken(Metadata, version, body)).toHaveProperty('topics.length', count);
    }
    expect(taken(DescribeGroups, 5, { groups: names('g') })).toHaveProperty('groups.length', count);
    const fetched = {
      groupId: 'g',
      topics: topics.map((name) => ({ name, partitionIndexes: [0] })),
      requireStable: true,
    };
    expect(taken(OffsetFetch, 7, fetched)).toHaveProperty('topics.length', count);
    const resources = topics.map((resourceName) => ({ resourceType: 2, resourceName, configurationKeys: null }));
    expect(taken(DescribeConfigs, 4, { resources })).toHaveProperty('resources.length', count);
    const partitions = [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -1 }];
    const listed = { replicaId: -1, isolationLevel: 0, topics: topics.map((name) => ({ name, partitions })) };
    expect(taken(ListOffsets, 7, listed)).toHaveProperty('topics.length', count);
  });

  it('has no room for as many empty names as its bytes hold', () => {
    const body = { topics: Array.from({ length: 33_000 }, () => ({ name: '' })), allowAutoTopicCreation: false };
    const frame = Buffer.concat(encodeRequest(Metadata, 9, { correlationId: 1, clientId: '' }, body));
    expect(codeOf(() => Metadata.request.decode(Reader.ofRequest(frame, 15), 9))).toBe('PROTOCOL_DECODED_TOO_LARGE');
  });

  it('may have no more tagged fields than its memory holds', () => {
    const frame = Buffer.alloc(100_003);
    frame.set([0xa0, 0x9c, 0x01]);
    expect(codeOf(() => Reader.ofRequest(frame, 0).unknownTags())).toBe('no error');
    frame.set([0xd0, 0x86, 0x03]);
    expect(codeOf(() => Reader.ofRequest(frame, 0).unknownTags())).toBe('PROTOCOL_DECODED_TOO_LARGE');
    expect(new Reader(frame).unknownTags()).toHaveLength(50_000);
  });
});
