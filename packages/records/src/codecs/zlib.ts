// By its default: a Node that is too old has no zstd, and is to be told so (node-version.ts) and not that a name is missing.
import zlib from 'node:zlib';
import { badCompression, tooLarge } from './codec-errors.ts';

/** gzip and zstd, both from Node's own zlib module. */

const { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } = zlib;

/** zlib collects its output in chunks of this size. Its own default of 16 KiB costs a call for every 16 KiB of a batch. */
const CHUNK_BYTES_MIN = 16 * 1024;
const CHUNK_BYTES_MAX = 256 * 1024;
const TYPICAL_RATIO = 4;

/** Compresses with gzip; levels 1 to 9, zlib's default when left out. */
export function gzipCompress(bytes: Uint8Array, level?: number): Buffer {
  return gzipSync(bytes, level === undefined ? {} : { level });
}

/** Decompresses one gzip member or several to `bytesMax` bytes at most. */
export function gzipDecompress(bytes: Buffer, bytesMax: number): Buffer {
  return bounded('gzip', bytesMax, () => gunzipSync(bytes, boundedOptions(bytes, bytesMax)));
}

/** Compresses with zstd; levels up to 22, zstd's default (3) when left out. */
export function zstdCompress(bytes: Uint8Array, level?: number): Buffer {
  return zstdCompressSync(bytes, level === undefined ? {} : { params: { [constants.ZSTD_c_compressionLevel]: level } });
}

/** Decompresses one zstd frame or several to `bytesMax` bytes at most. */
export function zstdDecompress(bytes: Buffer, bytesMax: number): Buffer {
  const first = zstdDecompressFrame(bytes, bytesMax);
  if (first.consumedBytes === bytes.length) return first.content;
  // Node stops after a frame, and says how far it has read. Kafka's clients write one frame, but several are valid.
  const contents = [first.content];
  let at = first.consumedBytes;
  let remainingBytes = bytesMax - first.content.length;
  while (at < bytes.length) {
    const { content, consumedBytes } = zstdDecompressFrame(bytes.subarray(at), remainingBytes);
    contents.push(content);
    at += consumedBytes;
    remainingBytes -= content.length;
  }
  return Buffer.concat(contents);
}

interface Frame {
  content: Buffer;
  consumedBytes: number;
}

function zstdDecompressFrame(bytes: Buffer, bytesMax: number): Frame {
  let consumedBytes = 0;
  const content = bounded('zstd', bytesMax, () => {
    const result = zstdDecompressSync(bytes, { ...boundedOptions(bytes, bytesMax), info: true });
    // The types say Buffer, but with `info` the result is this pair (Node's documentation of zlib options).
    const { buffer, engine } = result as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
    consumedBytes = engine.bytesWritten;
    return buffer;
  });
  if (consumedBytes === 0) throw badCompression('zstd', 'there is no frame where one should begin');
  return { content, consumedBytes };
}

function boundedOptions(bytes: Buffer, bytesMax: number): { maxOutputLength: number; chunkSize: number } {
  const chunkSize = Math.min(Math.max(bytes.length * TYPICAL_RATIO, CHUNK_BYTES_MIN), CHUNK_BYTES_MAX);
  return { maxOutputLength: Math.max(bytesMax, 1), chunkSize };
}

function bounded(codec: string, bytesMax: number, run: () => Buffer): Buffer {
  let content: Buffer;
  try {
    content = run();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(codec, bytesMax);
    throw badCompression(codec, (cause as Error).message, cause);
  }
  // zlib's smallest bound is one byte.
  if (content.length > bytesMax) throw tooLarge(codec, bytesMax);
  return content;
}
