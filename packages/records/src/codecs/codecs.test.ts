import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { compressFrameSync, decompressFrameSync } from 'lz4-napi';
import { compressSync as rawSnappy } from 'snappy';
import { describe, expect, it } from 'vitest';
import { Compression } from '../batch-header.ts';
import { RecordsError } from '../errors.ts';
import { jsonLines, noise } from '../testing/test-records.ts';
import { compress, decompress } from './compress.ts';
import { xxh32 } from './xxh32.ts';

const NAMES = Object.entries(Compression).filter(([name]) => name !== 'NONE') as [string, Compression][];
const SIZES = [0, 1, 13, 1000, 32_767, 32_768, 65_535, 65_536, 65_537, 300_000];

describe.each(NAMES)('codec %s', (_, codec) => {
  it('gives back what it was given, at sizes around its blocks', () => {
    for (const size of SIZES) {
      for (const bytes of [jsonLines(size), noise(size), Buffer.alloc(size)]) {
        expect(decompress(codec, compress(codec, bytes), size).equals(bytes)).toBe(true);
      }
    }
  });

  it('stops at its bound with a typed error', () => {
    for (const bytes of [jsonLines(200_000), noise(200_000), Buffer.alloc(200_000)]) {
      const compressed = compress(codec, bytes);
      for (const bytesMax of [0, 1, 1000, 65_536, 199_999]) {
        expect(() => decompress(codec, compressed, bytesMax)).toThrow(
          expect.objectContaining({ code: 'RECORDS_TOO_LARGE', retriable: false }),
        );
      }
    }
  });

  it('keeps memory flat when a bomb of 512 MiB is refused', () => {
    const bomb = compress(codec, Buffer.alloc(512 * 1024 * 1024));
    const before = process.memoryUsage();
    expect(() => decompress(codec, bomb, 1024 * 1024)).toThrow(RecordsError);
    const after = process.memoryUsage();
    expect(after.external + after.arrayBuffers - before.external - before.arrayBuffers).toBeLessThan(16 * 1024 * 1024);
  });

  it('answers damage with a typed error, in bounded memory', () => {
    const compressed = compress(codec, jsonLines(100_000));
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), fc.nat(), (position, flip, cut) => {
        const damaged = Buffer.from(compressed);
        const at = position % damaged.length;
        damaged[at] = (damaged[at] as number) ^ flip;
        for (const bytes of [damaged, compressed.subarray(0, cut % compressed.length), damaged.subarray(at)]) {
          try {
            expect(decompress(codec, bytes, 200_000).length).toBeLessThanOrEqual(200_000);
          } catch (error) {
            expect(error).toBeInstanceOf(RecordsError);
          }
        }
      }),
    );
  });
});

describe('lz4 frames', () => {
  it('writes independent 64 KiB blocks without checksums, as Java wants them', () => {
    const frame = compress(Compression.LZ4, jsonLines(100_000));
    expect(frame.subarray(0, 7).toString('hex')).toBe('04224d18604082');
    expect(decompressFrameSync(frame).equals(jsonLines(100_000))).toBe(true);
    expect(decompressFrameSync(compress(Compression.LZ4, noise(100_000))).equals(noise(100_000))).toBe(true);
  });

  it('reads checksums of blocks and of the content, and refuses wrong ones', () => {
    const content = jsonLines(300_000);
    const frame = compressFrameSync(content, { contentChecksum: true, blockChecksums: true });
    expect(decompress(Compression.LZ4, frame, content.length).equals(content)).toBe(true);
    const damaged = Buffer.from(frame);
    damaged[damaged.length - 1] = (damaged[damaged.length - 1] as number) ^ 1;
    expect(() => decompress(Compression.LZ4, damaged, content.length)).toThrow(RecordsError);
  });

  it('reads several frames one after the other, and skips frames that are to be skipped', () => {
    const skippable = Buffer.from('502a4d1803000000aabbcc', 'hex');
    const frames = [
      compress(Compression.LZ4, Buffer.from('one ')),
      skippable,
      compress(Compression.LZ4, Buffer.from('two')),
    ];
    expect(decompress(Compression.LZ4, Buffer.concat(frames), 100).toString()).toBe('one two');
  });

  it('hashes as the xxHash specification does', () => {
    expect(xxh32(Buffer.alloc(0))).toBe(0x02cc5d05);
    expect(xxh32(Buffer.from('a'))).toBe(0x550d7456);
    expect(xxh32(Buffer.from('abc'))).toBe(0x32d153ff);
    expect(xxh32(Buffer.from('Nobody inspects the spammish repetition'))).toBe(0xe2293b2f);
  });
});

describe('snappy', () => {
  it('reads raw blocks, which librdkafka sends', () => {
    const content = jsonLines(100_000);
    expect(decompress(Compression.SNAPPY, rawSnappy(content), content.length).equals(content)).toBe(true);
  });

  it('writes the xerial framing, which Java and kafkajs send', () => {
    const framed = compress(Compression.SNAPPY, jsonLines(100_000));
    expect(framed.subarray(0, 16).toString('hex')).toBe('82534e41505059000000000100000001');
  });

  it('refuses a length that the block cannot become before anything is allocated', () => {
    const lie = Buffer.from('ffffffff0f00', 'hex');
    expect(() => decompress(Compression.SNAPPY, lie, 2 ** 33)).toThrow(
      expect.objectContaining({ code: 'RECORDS_BAD_COMPRESSION' }),
    );
  });
});

describe('zstd', () => {
  it('takes a level', () => {
    const content = jsonLines(100_000);
    const fast = compress(Compression.ZSTD, content, 1);
    const small = compress(Compression.ZSTD, content, 19);
    expect(small.length).toBeLessThan(fast.length);
    expect(decompress(Compression.ZSTD, Buffer.concat([fast, zstdCompressSync(content)]), 200_000).length).toBe(
      200_000,
    );
  });
});

describe('an unknown codec', () => {
  it('is refused with a typed error', () => {
    expect(() => decompress(5 as Compression, Buffer.alloc(1), 1)).toThrow(
      expect.objectContaining({ code: 'RECORDS_UNSUPPORTED' }),
    );
    expect(() => compress(7 as Compression, Buffer.alloc(1))).toThrow(RecordsError);
  });
});
