import { Compression } from '../batch-header.ts';

/**
 * Whether bytes begin as those of a codec do: a look at a few of them, which tells what was never compressed, or by another codec,
 * from what may be right. That all of it can be decompressed is told by doing it alone.
 */
export function beginsAs(codec: Compression, b: Buffer, start: number, end: number): boolean {
  switch (codec) {
    case Compression.GZIP:
      // Two bytes of magic, deflate, and no reserved flag (RFC 1952).
      return (
        end - start >= 18 && b[start] === 0x1f && b[start + 1] === 0x8b && b[start + 2] === 8 && b[start + 3]! < 0x20
      );
    case Compression.SNAPPY:
      // The xerial framing, or a raw block, of whose length any byte may be the first.
      return end > start;
    case Compression.LZ4:
      return end - start >= 7 && isFrame(b.readUInt32LE(start), LZ4_MAGIC);
    case Compression.ZSTD:
      return end - start >= 5 && isFrame(b.readUInt32LE(start), ZSTD_MAGIC);
    default:
      return true;
  }
}

const LZ4_MAGIC = 0x184d_2204;
const ZSTD_MAGIC = 0xfd2f_b528;
/** Both formats have frames that are passed over, under the same sixteen numbers. */
const SKIPPABLE_MAGIC = 0x184d_2a50;

function isFrame(word: number, magic: number): boolean {
  return word === magic || (word & 0xffff_fff0) >>> 0 === SKIPPABLE_MAGIC;
}
