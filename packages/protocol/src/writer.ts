import { ProtocolError } from './errors.ts';
import type { RecordsInput, UnknownTag } from './field-types.ts';
import { ZERO_UUID } from './uuid.ts';

const TWO_TO_32 = 0x1_0000_0000;
const STRING_BYTES_MAX = 0x7fff;
const FRAME_BYTES_MAX = 0x7fff_ffff;
const INITIAL_BYTES = 256;
/** Up to this length a loop over ASCII characters beats the calls into the engine's encoder. */
const SHORT_STRING_CHARS = 32;
/** Record batches below this size are copied: one more chunk in the gathered write costs more than the copy. */
const GATHER_BYTES_MIN = 1024;

/**
 * Writes the protocol's primitive types into a buffer that grows.
 *
 * Record batches are not copied into it: the writer closes its current chunk, lists the caller's bytes as a chunk of their own, and
 * goes on. {@link Writer.chunks} gives all of them for one gathered write. A writer is used for one message.
 */
export class Writer {
  private buffer: Buffer;
  private position = 0;
  /** Where in the buffer the chunk begins that is still being written. */
  private chunkStart = 0;
  private readonly closedChunks: Uint8Array[] = [];
  private closedBytes = 0;

  /** @param initialBytes how much room to begin with; default 256. A good guess saves copying. */
  constructor(initialBytes: number = INITIAL_BYTES) {
    this.buffer = Buffer.allocUnsafe(initialBytes);
  }

  /** How many bytes have been written. */
  get sizeBytes(): number {
    return this.closedBytes + this.position - this.chunkStart;
  }

  /** Everything that was written, in order. Do not write after it. */
  chunks(): Uint8Array[] {
    this.closeChunk();
    return this.closedChunks;
  }

  /** Everything that was written as one buffer; copies only if record batches were gathered. */
  toBuffer(): Buffer {
    if (this.closedChunks.length === 0) return this.buffer.subarray(0, this.position);
    return Buffer.concat(this.chunks());
  }

  /** The chunks of a frame: writes the size of all that follows into the first four bytes, which must have been reserved. */
  frame(): Uint8Array[] {
    const sizeBytes = this.sizeBytes - 4;
    if (sizeBytes > FRAME_BYTES_MAX) {
      throw new ProtocolError(
        'PROTOCOL_FRAME_TOO_LARGE',
        `A frame of ${sizeBytes} bytes cannot be sent; send fewer records.`,
      );
    }
    const chunks = this.chunks();
    const first = chunks[0]!;
    first[0] = sizeBytes >>> 24;
    first[1] = sizeBytes >>> 16;
    first[2] = sizeBytes >>> 8;
    first[3] = sizeBytes;
    return chunks;
  }

  private closeChunk(): void {
    if (this.position > this.chunkStart) {
      this.closedChunks.push(this.buffer.subarray(this.chunkStart, this.position));
      this.closedBytes += this.position - this.chunkStart;
      this.chunkStart = this.position;
    }
  }

  /** Makes room and returns where it is. Closed chunks keep the buffer they are in; only the open one moves. */
  private reserve(bytes: number): number {
    let at = this.position;
    if (bytes > this.buffer.length - at) {
      this.grow(bytes);
      at = this.position;
    }
    this.position = at + bytes;
    return at;
  }

  private grow(bytes: number): void {
    const openBytes = this.position - this.chunkStart;
    const grown = Buffer.allocUnsafe(Math.max(INITIAL_BYTES, 2 * (openBytes + bytes)));
    this.buffer.copy(grown, 0, this.chunkStart, this.position);
    this.buffer = grown;
    this.position = openBytes;
    this.chunkStart = 0;
  }

  bool(value: boolean): void {
    const at = this.reserve(1);
    this.buffer[at] = value ? 1 : 0;
  }

  int8(value: number): void {
    if ((value << 24) >> 24 !== value) throw outOfRange('int8', value);
    const at = this.reserve(1);
    this.buffer[at] = value;
  }

  int16(value: number): void {
    if ((value << 16) >> 16 !== value) throw outOfRange('int16', value);
    const at = this.reserve(2);
    const b = this.buffer;
    b[at] = value >> 8;
    b[at + 1] = value;
  }

  uint16(value: number): void {
    if ((value & 0xffff) !== value) throw outOfRange('uint16', value);
    const at = this.reserve(2);
    const b = this.buffer;
    b[at] = value >> 8;
    b[at + 1] = value;
  }

  int32(value: number): void {
    if ((value | 0) !== value) throw outOfRange('int32', value);
    const at = this.reserve(4);
    const b = this.buffer;
    b[at] = value >> 24;
    b[at + 1] = value >> 16;
    b[at + 2] = value >> 8;
    b[at + 3] = value;
  }

  int64(value: number): void {
    if (!Number.isSafeInteger(value)) throw outOfRange('int64', value);
    const high = Math.floor(value / TWO_TO_32);
    const low = (value - high * TWO_TO_32) | 0;
    const at = this.reserve(8);
    const b = this.buffer;
    b[at] = high >> 24;
    b[at + 1] = high >> 16;
    b[at + 2] = high >> 8;
    b[at + 3] = high;
    b[at + 4] = low >> 24;
    b[at + 5] = low >> 16;
    b[at + 6] = low >> 8;
    b[at + 7] = low;
  }

  float64(value: number): void {
    if (typeof value !== 'number') throw outOfRange('float64', value);
    const at = this.reserve(8);
    this.buffer.writeDoubleBE(value, at);
  }

  /** A UUID in Kafka's spelling (22 characters of base64url). */
  uuid(value: string): void {
    const at = this.reserve(16);
    if (value === ZERO_UUID) {
      this.buffer.fill(0, at, at + 16);
      return;
    }
    const isUuid = typeof value === 'string' && value.length === 22;
    if (!isUuid || this.buffer.write(value, at, 16, 'base64url') !== 16) throw outOfRange('uuid', value);
  }

  /** An unsigned 32-bit integer in one to five bytes, low bits first. */
  uvarint(value: number): void {
    if (value >>> 0 !== value) throw outOfRange('unsigned varint', value);
    let at = this.reserve(uvarintBytes(value));
    const b = this.buffer;
    let rest = value;
    while (rest > 0x7f) {
      b[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    b[at] = rest;
  }

  string(value: string, flexible: boolean): void {
    if (typeof value !== 'string') throw outOfRange('string', value);
    if (value.length <= SHORT_STRING_CHARS && this.shortAscii(value, flexible)) return;
    const length = Buffer.byteLength(value);
    if (length > STRING_BYTES_MAX) {
      throw new ProtocolError(
        'PROTOCOL_STRING_TOO_LONG',
        `A string of ${length} bytes ("${value.slice(0, 40)}...") cannot be encoded; ${STRING_BYTES_MAX} are allowed.`,
      );
    }
    if (flexible) this.uvarint(length + 1);
    else this.int16(length);
    const at = this.reserve(length);
    this.buffer.write(value, at, length, 'utf8');
  }

  /** Writes the string if all of it is ASCII, so that its length in bytes is its length; otherwise takes back what it wrote. */
  private shortAscii(value: string, flexible: boolean): boolean {
    const length = value.length;
    let at = this.reserve(length + (flexible ? 1 : 2));
    const b = this.buffer;
    if (flexible) {
      b[at++] = length + 1;
    } else {
      b[at++] = 0;
      b[at++] = length;
    }
    for (let i = 0; i < length; i += 1) {
      const char = value.charCodeAt(i);
      if (char > 0x7f) {
        this.position -= length + (flexible ? 1 : 2);
        return false;
      }
      b[at + i] = char;
    }
    return true;
  }

  nullableString(value: string | null | undefined, flexible: boolean): void {
    if (value !== null && value !== undefined) this.string(value, flexible);
    else if (flexible) this.uvarint(0);
    else this.int16(-1);
  }

  /** A byte field, copied into the message. */
  bytes(value: Uint8Array, flexible: boolean): void {
    if (!(value instanceof Uint8Array)) throw outOfRange('bytes', value);
    this.arrayLength(value.length, flexible);
    this.copy(value);
  }

  nullableBytes(value: Uint8Array | null | undefined, flexible: boolean): void {
    if (value !== null && value !== undefined) this.bytes(value, flexible);
    else this.arrayLength(-1, flexible);
  }

  /** Record batches, gathered: the bytes are not copied and must not change until they have been sent. */
  records(value: RecordsInput | undefined, flexible: boolean): void {
    if (value === null || value === undefined) {
      this.arrayLength(-1, flexible);
    } else if (value instanceof Uint8Array) {
      this.arrayLength(value.length, flexible);
      this.gather(value);
    } else {
      let sizeBytes = 0;
      for (let i = 0; i < value.length; i += 1) sizeBytes += value[i]!.length;
      this.arrayLength(sizeBytes, flexible);
      for (let i = 0; i < value.length; i += 1) this.gather(value[i]!);
    }
  }

  private gather(bytes: Uint8Array): void {
    if (bytes.length < GATHER_BYTES_MIN) {
      this.copy(bytes);
      return;
    }
    this.closeChunk();
    this.closedChunks.push(bytes);
    this.closedBytes += bytes.length;
  }

  private copy(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.buffer.set(bytes, at);
  }

  /** The length in front of an array or of bytes; -1 says null. */
  arrayLength(length: number, flexible: boolean): void {
    if (flexible) this.uvarint(length + 1);
    else this.int32(length);
  }

  /** Begins a tagged field. Returns what {@link endTag} needs. */
  beginTag(tag: number): number {
    this.uvarint(tag);
    this.reserve(1);
    return this.position - this.chunkStart;
  }

  /** Ends a tagged field: writes its size in front, and moves the field if the size takes more than the byte kept for it. */
  endTag(begin: number): void {
    const sizeBytes = this.position - this.chunkStart - begin;
    const extraBytes = uvarintBytes(sizeBytes) - 1;
    if (extraBytes > 0) {
      this.reserve(extraBytes);
      const from = this.chunkStart + begin;
      this.buffer.copyWithin(from + extraBytes, from, from + sizeBytes);
    }
    const end = this.position;
    this.position = this.chunkStart + begin - 1;
    this.uvarint(sizeBytes);
    this.position = end;
  }

  /** The tagged fields of a struct that has no known ones. */
  unknownTags(tags: readonly UnknownTag[] | undefined): void {
    if (tags === undefined) {
      this.uvarint(0);
      return;
    }
    this.uvarint(tags.length);
    this.unknownTagsBelow(tags, 0, Number.POSITIVE_INFINITY);
  }

  /** Writes those unknown tags from `from` on whose number is below `tag`, since tags travel in order. Returns the next. */
  unknownTagsBelow(tags: readonly UnknownTag[] | undefined, from: number, tag: number): number {
    let next = from;
    while (tags !== undefined && next < tags.length && tags[next]!.tag < tag) {
      const unknown = tags[next++]!;
      this.uvarint(unknown.tag);
      this.uvarint(unknown.data.length);
      this.copy(unknown.data);
    }
    return next;
  }
}

function uvarintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}

function outOfRange(type: string, value: unknown): ProtocolError {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : String(value);
  return new ProtocolError('PROTOCOL_VALUE_OUT_OF_RANGE', `${shown} cannot be encoded as ${type}.`);
}
