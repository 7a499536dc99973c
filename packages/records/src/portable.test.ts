import { crc32c as nativeCrc32c } from '@node-rs/crc32';
import fc from 'fast-check';
import { compressFrameSync, decompressFrameSync } from 'lz4-napi';
import { compressSync as rawSnappy, uncompressSync as rawUnsnappy } from 'snappy';
import { describe, expect, it } from 'vitest';

// Before anything is loaded that would load native code.
process.env['MILLRACE_NO_NATIVE'] = '1';
const { Compression } = await import('./batch-header.ts');
const { compress, decompress } = await import('./codecs/compress.ts');
const { crc32c } = await import('./crc32c.ts');
const { crc32cPortable } = await import('./crc32c-portable.ts');
const { RecordsError } = await import('./errors.ts');
const { jsonLines, noise } = await import('./testing/test-records.ts');

/** Bytes with matches near and far, short and long, overlapping ones too. */
const bytes = fc
  .array(
    fc.oneof(
      fc.record({ fresh: fc.uint8Array({ maxLength: 200 }) }),
      fc.record({ back: fc.nat(70_000), length: fc.nat(3000) }),
      fc.record({ byte: fc.nat(255), times: fc.nat(70_000) }),
    ),
    { maxLength: 20 },
  )
  .map((parts) => {
    let out = Buffer.alloc(0);
    for (const part of parts) {
      if ('fresh' in part) out = Buffer.concat([out, part.fresh]);
      else if ('byte' in part) out = Buffer.concat([out, Buffer.alloc(part.times, part.byte)]);
      else if (out.length > 0) {
        const from = out.length - 1 - (part.back % out.length);
        out = Buffer.concat([out, out.subarray(from, from + part.length)]);
      }
    }
    return out;
  });

const SIZES = [0, 1, 4, 12, 13, 14, 1000, 32_767, 32_768, 65_535, 65_536, 65_537, 300_000];

describe('without native code', () => {
  it('sums as with it, whatever the place in memory, in one go and in pieces', () => {
    expect(crc32c).not.toBe(nativeCrc32c);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(16), fc.nat(400), (content, shift, cut) => {
        const memory = new Uint8Array(content.length + shift);
        memory.set(content, shift);
        const view = memory.subarray(shift);
        expect(crc32c(view)).toBe(nativeCrc32c(view));
        expect(crc32cPortable(view.subarray(cut), crc32cPortable(view.subarray(0, cut)))).toBe(nativeCrc32c(view));
      }),
      { numRuns: 500 },
    );
  });

  it('writes lz4 and snappy that the native libraries read, and reads what they write', () => {
    const check = (content: Buffer): void => {
      const lz4 = compress(Compression.LZ4, content);
      expect(decompressFrameSync(lz4).equals(content)).toBe(true);
      expect(decompress(Compression.LZ4, lz4, content.length).equals(content)).toBe(true);
      expect(decompress(Compression.LZ4, compressFrameSync(content), content.length).equals(content)).toBe(true);
      const snappy = compress(Compression.SNAPPY, content);
      expect(decompress(Compression.SNAPPY, snappy, content.length).equals(content)).toBe(true);
      expect(decompress(Compression.SNAPPY, rawSnappy(content), content.length).equals(content)).toBe(true);
      const blocks: Buffer[] = [];
      for (let at = 16; at < snappy.length; at += 4 + snappy.readInt32BE(at)) {
        const block = snappy.subarray(at + 4, at + 4 + snappy.readInt32BE(at));
        // a Buffer is what was asked for
        blocks.push(rawUnsnappy(block, { asBuffer: true }) as Buffer);
      }
      expect(Buffer.concat(blocks).equals(content)).toBe(true);
    };
    for (const size of SIZES) for (const content of [jsonLines(size), noise(size), Buffer.alloc(size)]) check(content);
    fc.assert(fc.property(bytes, check));
  });

  it('compresses about as far', () => {
    const content = jsonLines(300_000);
    expect(compress(Compression.LZ4, content).length).toBeLessThan(compressFrameSync(content).length * 1.2);
    expect(compress(Compression.SNAPPY, content).length).toBeLessThan(rawSnappy(content).length * 1.2);
  });

  it('reads linked blocks of lz4, which point into those before', () => {
    const content = jsonLines(400_000);
    // the type of the option is a const enum of the library, which types that are stripped cannot name
    const linked = compressFrameSync(content, { blockMode: 0 } as unknown as Parameters<typeof compressFrameSync>[1]);
    expect(decompress(Compression.LZ4, linked, content.length).equals(content)).toBe(true);
  });

  it.each([
    ['lz4', Compression.LZ4],
    ['snappy', Compression.SNAPPY],
  ])('stops at its bound and answers damage with a typed error: %s', (_, codec) => {
    for (const content of [jsonLines(200_000), noise(200_000), Buffer.alloc(200_000)]) {
      const compressed = compress(codec, content);
      for (const bytesMax of [0, 1, 1000, 65_536, 199_999]) {
        expect(() => decompress(codec, compressed, bytesMax)).toThrow(
          expect.objectContaining({ code: 'RECORDS_TOO_LARGE' }),
        );
      }
    }
    const compressed = compress(codec, jsonLines(100_000));
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), fc.nat(), (position, flip, cut) => {
        const damaged = Buffer.from(compressed);
        const at = position % damaged.length;
        damaged[at] = damaged[at]! ^ flip;
        for (const input of [damaged, compressed.subarray(0, cut % compressed.length), damaged.subarray(at)]) {
          try {
            expect(decompress(codec, input, 200_000).length).toBeLessThanOrEqual(200_000);
          } catch (error) {
            expect(error).toBeInstanceOf(RecordsError);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
