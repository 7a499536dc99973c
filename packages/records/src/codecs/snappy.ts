import { badCompression, tooLarge } from './codec-errors.ts';
import { lazily, loadNative, type NativeSnappy } from './native.ts';
import { snappyCompressBlock, snappyDecompressBlock } from './snappy-block.ts';

/**
 * Snappy as Kafka clients write it. Java and kafkajs wrap raw blocks in the framing of the xerial library: a magic of 8 bytes,
 * a version and a compatible version (int32 each), then blocks of 32 KiB with an int32 length in front. librdkafka sends one
 * raw block. Both are read; the framing is written.
 */

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;
const XERIAL_VERSION = 1;
/** What the xerial library cuts its input into. */
const BLOCK_BYTES = 32 * 1024;
/** A copy of three bytes yields 64 at most, so a raw block never becomes more than this many times its size. */
const EXPANSION_MAX = 22;

const native = lazily(() => loadNative<NativeSnappy>('snappy'));

/** Compresses into the xerial framing. */
export function snappyCompress(bytes: Uint8Array): Buffer {
  const header = Buffer.alloc(XERIAL_HEADER_BYTES);
  XERIAL_MAGIC.copy(header);
  header.writeInt32BE(XERIAL_VERSION, 8);
  header.writeInt32BE(XERIAL_VERSION, 12);
  const pieces: Uint8Array[] = [header];
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    const plain = bytes.subarray(at, at + BLOCK_BYTES);
    const block = native()?.compressSync(plain) ?? snappyCompressBlock(plain);
    const length = Buffer.alloc(4);
    length.writeInt32BE(block.length);
    pieces.push(length, block);
  }
  return Buffer.concat(pieces);
}

/** Decompresses raw snappy or the xerial framing to `bytesMax` bytes at most. */
export function snappyDecompress(bytes: Buffer, bytesMax: number): Buffer {
  return isXerial(bytes) ? decompressXerial(bytes, bytesMax) : decompressBlock(bytes, bytesMax);
}

function isXerial(bytes: Buffer): boolean {
  return bytes.length >= XERIAL_HEADER_BYTES && bytes.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC);
}

function decompressXerial(bytes: Buffer, bytesMax: number): Buffer {
  const blocks: Buffer[] = [];
  let totalBytes = 0;
  let at = XERIAL_HEADER_BYTES;
  while (at < bytes.length) {
    if (bytes.length - at < 4) throw badCompression('snappy', 'the framing ends within a length');
    const lengthBytes = bytes.readInt32BE(at);
    at += 4;
    if (lengthBytes < 0 || lengthBytes > bytes.length - at) {
      throw badCompression('snappy', `a block of ${lengthBytes} bytes leads out of the batch`);
    }
    const block = decompressBlock(bytes.subarray(at, at + lengthBytes), bytesMax - totalBytes);
    blocks.push(block);
    totalBytes += block.length;
    at += lengthBytes;
  }
  return blocks.length === 1 ? (blocks[0] as Buffer) : Buffer.concat(blocks, totalBytes);
}

function decompressBlock(block: Buffer, bytesMax: number): Buffer {
  // The block says first what it becomes, and the library allocates by it: so that is looked at before the library is asked.
  const claimedBytes = claimedLength(block);
  if (claimedBytes > bytesMax) throw tooLarge('snappy', bytesMax);
  if (claimedBytes > block.length * EXPANSION_MAX) {
    throw badCompression('snappy', `a block of ${block.length} bytes says that it becomes ${claimedBytes}`);
  }
  const library = native();
  if (library === undefined) {
    const plain = snappyDecompressBlock(block, claimedBytes);
    if (plain === undefined) throw badCompression('snappy', 'a block is damaged');
    return plain;
  }
  try {
    // a Buffer is what was asked for
    return library.uncompressSync(block, { asBuffer: true }) as Buffer;
  } catch (cause) {
    throw badCompression('snappy', 'a block is damaged', cause);
  }
}

/** The uncompressed length that stands, as an unsigned varint, at the start of a raw block. */
function claimedLength(block: Buffer): number {
  let length = 0;
  for (let i = 0; i < 5; i += 1) {
    const byte = block[i];
    if (byte === undefined) break;
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return length;
  }
  throw badCompression('snappy', 'a block does not begin with its length');
}
