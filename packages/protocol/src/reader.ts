import { ProtocolError } from './errors.ts';
import type { UnknownTag } from './field-types.ts';
import { ZERO_UUID } from './uuid.ts';

const TWO_TO_32 = 0x1_0000_0000;
/** Kafka's own limit, in old and in compact strings alike. */
const STRING_BYTES_MAX = 0x7fff;
/** The engine hashes longer strings by their length alone, so that maps and sets that have many as keys look at each for each. */
const HASHED_LENGTH_MAX = 16_383;
/** A request may have so many of those: no name is as long, and few values of configs are. */
const LONG_STRINGS_MAX = 64;
/** Up to this length a loop over ASCII characters beats the call into the engine's decoder. */
const SHORT_STRING_BYTES = 12;
/** What the engine's decoder puts in the place of bytes that are not UTF-8. */
const REPLACEMENT = '\ufffd';
/** What skipping one tagged field that nobody knows counts as decoded bytes; it bounds how many are looked at. */
const SKIPPED_TAG_BYTES = 64;

/** The most memory that one request's decoded form may take beside its bytes: 32 MiB, some 300,000 partitions. */
export const REQUEST_DECODED_BYTES_MAX: number = 32 * 1024 * 1024;
/** As much every request may take beside what its bytes let it, however short it is. */
const REQUEST_DECODED_BYTES_MIN = 64 * 1024;
/** A request's decoded form may take so many times its bytes: what thousands of the shortest names take that people give. */
const REQUEST_DECODED_FACTOR = 18;
/** So many times only up to this much in all; a longer request has names to match. */
const REQUEST_DECODED_BYTES_DENSE_MAX = 4 * 1024 * 1024;
const LONG_REQUEST_DECODED_FACTOR = 8;

/** About how much memory the decoded form of a request may take beside its bytes, by how many those are. */
export function requestDecodedBytesMax(
  frameBytes: number,
  decodedBytesMax: number = REQUEST_DECODED_BYTES_MAX,
  denseBytesMax: number = REQUEST_DECODED_BYTES_DENSE_MAX,
): number {
  const dense = Math.min(frameBytes * REQUEST_DECODED_FACTOR, denseBytesMax);
  const proportional = Math.max(dense, frameBytes * LONG_REQUEST_DECODED_FACTOR);
  return Math.min(REQUEST_DECODED_BYTES_MIN + proportional, decodedBytesMax);
}

/**
 * Reads the protocol's primitive types from a buffer, front to back.
 *
 * Every read checks the bounds first and throws a {@link ProtocolError} if the bytes are not there, so that a decoder can never
 * run past its input nor allocate more than the input justifies. Bytes and records are views of the buffer, not copies.
 */
export class Reader {
  private readonly buffer: Buffer;
  /** The position of the next byte to be read. */
  offset: number;
  private end: number;
  private readonly decodedBytesMax: number;
  private readonly fromStranger: boolean;
  private longStrings = 0;
  /** About how much memory the elements of the arrays take that were decoded, without the characters of strings. */
  decodedBytes = 0;

  /** @param decodedBytesMax What {@link decodedBytes} may become. Given: the bytes are from a stranger, see {@link ofRequest}. */
  constructor(buffer: Buffer, offset = 0, end: number = buffer.length, decodedBytesMax?: number) {
    this.buffer = buffer;
    this.offset = offset;
    this.end = end;
    this.decodedBytesMax = decodedBytesMax ?? 0;
    this.fromStranger = decodedBytesMax !== undefined;
  }

  /**
   * Reads the body of a request that a client sent, whoever it is:
   *
   * - Its decoded form may take 64 KiB and 18 times the frame's bytes, of that `denseBytesMax` (4 MiB) or 8 times the bytes, and at
   *   most `decodedBytesMax`.
   * - Text that is not UTF-8 is refused. What the engine makes of it takes up to three times the bytes, and could be stored but
   *   never written again.
   * - At most 64 of its strings may have more than 16,383 characters, for what tells names apart takes quadratic time with those.
   * - Tagged fields without a name are passed over instead of kept.
   * - A 64-bit integer beyond 2^53 becomes the nearest number instead of an error, so that an offset which no log has costs its
   *   partition an error and not the connection. Whoever stores such a value must check it.
   */
  static ofRequest(frame: Buffer, bodyOffset: number, decodedBytesMax?: number, denseBytesMax?: number): Reader {
    return new Reader(
      frame,
      bodyOffset,
      frame.length,
      requestDecodedBytesMax(frame.length, decodedBytesMax, denseBytesMax),
    );
  }

  /** How many bytes are left. */
  get remaining(): number {
    return this.end - this.offset;
  }

  /** Throws if bytes are left: then the message was longer than its definition says. */
  expectEnd(): void {
    if (this.offset !== this.end) {
      throw new ProtocolError('PROTOCOL_TRAILING_BYTES', `${this.remaining} bytes are left after the message.`);
    }
  }

  private take(bytes: number): number {
    const at = this.offset;
    if (bytes > this.end - at) throw this.truncated(bytes);
    this.offset = at + bytes;
    return at;
  }

  private truncated(bytes: number): ProtocolError {
    return new ProtocolError(
      'PROTOCOL_TRUNCATED',
      `At byte ${this.offset} the message needs ${bytes} more bytes, but only ${this.remaining} are left.`,
    );
  }

  bool(): boolean {
    return this.buffer[this.take(1)] !== 0;
  }

  int8(): number {
    return (this.buffer[this.take(1)]! << 24) >> 24;
  }

  int16(): number {
    const at = this.take(2);
    const b = this.buffer;
    return ((b[at]! << 24) | (b[at + 1]! << 16)) >> 16;
  }

  uint16(): number {
    const at = this.take(2);
    const b = this.buffer;
    return (b[at]! << 8) | b[at + 1]!;
  }

  int32(): number {
    const at = this.take(4);
    const b = this.buffer;
    return (b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!;
  }

  int64(): number {
    const high = this.int32();
    const value = high * TWO_TO_32 + (this.int32() >>> 0);
    if (!Number.isSafeInteger(value) && !this.fromStranger) {
      throw new ProtocolError(
        'PROTOCOL_UNSAFE_INTEGER',
        `The 64-bit integer at byte ${this.offset - 8} (about ${value}) is beyond what a number holds exactly (2^53).`,
      );
    }
    return value;
  }

  float64(): number {
    return this.buffer.readDoubleBE(this.take(8));
  }

  /** A 16-byte UUID, in Kafka's spelling (22 characters of base64url). */
  uuid(): string {
    const at = this.take(16);
    const b = this.buffer;
    let bits = 0;
    for (let i = at; i < at + 16; i += 1) bits |= b[i]!;
    return bits === 0 ? ZERO_UUID : b.toString('base64url', at, at + 16);
  }

  /** An unsigned 32-bit integer in one to five bytes, low bits first. */
  uvarint(): number {
    const first = this.buffer[this.take(1)]!;
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let shift = 7; shift < 28; shift += 7) {
      const byte = this.buffer[this.take(1)]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    const last = this.buffer[this.take(1)]!;
    if (last > 0x0f) {
      throw new ProtocolError(
        'PROTOCOL_INVALID_VARINT',
        `The variable-length integer that ends at byte ${this.offset} has more than 32 bits.`,
      );
    }
    return (value | (last << 28)) >>> 0;
  }

  string(flexible: boolean): string {
    const length = flexible ? this.uvarint() - 1 : this.int16();
    if (length < 0) throw this.invalidLength('string', length);
    return this.text(length);
  }

  nullableString(flexible: boolean): string | null {
    const length = flexible ? this.uvarint() - 1 : this.int16();
    if (length === -1) return null;
    if (length < 0) throw this.invalidLength('string', length);
    return this.text(length);
  }

  /**
   * A nullable string in its old encoding, in which bytes that are not UTF-8 are replaced whoever sent them: a client's own name,
   * which old clients write in other encodings. Where it is stored its length must be looked at again.
   */
  nullableReplacedString(): string | null {
    const length = this.int16();
    if (length === -1) return null;
    if (length < 0) throw this.invalidLength('string', length);
    const at = this.take(length);
    return this.shortAscii(at, length) ?? this.buffer.toString('utf8', at, at + length);
  }

  private text(length: number): string {
    if (length > STRING_BYTES_MAX) {
      throw new ProtocolError(
        'PROTOCOL_STRING_TOO_LONG',
        `A string of ${length} bytes before byte ${this.offset}; ${STRING_BYTES_MAX} are allowed.`,
      );
    }
    const at = this.take(length);
    return this.shortAscii(at, length) ?? this.decodedText(at, length);
  }

  /** Undefined where the engine's decoder is needed, or faster. */
  private shortAscii(at: number, length: number): string | undefined {
    if (length > SHORT_STRING_BYTES) return undefined;
    const b = this.buffer;
    let text = '';
    for (let i = at; i < at + length; i += 1) {
      const byte = b[i]!;
      if (byte >= 0x80) return undefined;
      text += String.fromCharCode(byte);
    }
    return text;
  }

  /** Beyond ASCII the engine's decoder takes over. It replaces what is not UTF-8, as Java's does, which is refused to a stranger. */
  private decodedText(at: number, length: number): string {
    const text = this.buffer.toString('utf8', at, at + length);
    if (length > HASHED_LENGTH_MAX && this.fromStranger) this.countLong(text);
    if (this.fromStranger && text.includes(REPLACEMENT) && !this.isWritten(text, at, length)) {
      throw new ProtocolError('PROTOCOL_INVALID_TEXT', `The string of ${length} bytes at byte ${at} is not UTF-8.`);
    }
    return text;
  }

  private countLong(text: string): void {
    if (text.length <= HASHED_LENGTH_MAX) return;
    this.longStrings += 1;
    if (this.longStrings <= LONG_STRINGS_MAX) return;
    throw new ProtocolError(
      'PROTOCOL_STRING_TOO_LONG',
      `More than ${LONG_STRINGS_MAX} strings of more than ${HASHED_LENGTH_MAX} characters, the last before byte ${this.offset}.`,
    );
  }

  /** Whether the text is what is written there: a replacement character may have been sent as such. */
  private isWritten(text: string, at: number, length: number): boolean {
    return Buffer.from(text).equals(this.buffer.subarray(at, at + length));
  }

  bytes(flexible: boolean): Buffer {
    const length = flexible ? this.uvarint() - 1 : this.int32();
    if (length < 0) throw this.invalidLength('byte field', length);
    const at = this.take(length);
    return this.buffer.subarray(at, at + length);
  }

  nullableBytes(flexible: boolean): Buffer | null {
    const length = flexible ? this.uvarint() - 1 : this.int32();
    if (length === -1) return null;
    if (length < 0) throw this.invalidLength('byte field', length);
    const at = this.take(length);
    return this.buffer.subarray(at, at + length);
  }

  /**
   * The length of an array whose elements take at least `elementBytesMin` bytes each, and `decodedBytes` of memory once they are
   * decoded. It is refused if the bytes that are left cannot hold so many, or if they would take more memory than is allowed, so a
   * decoder may trust it.
   */
  arrayLength(flexible: boolean, elementBytesMin: number, decodedBytes: number): number {
    const length = this.nullableArrayLength(flexible, elementBytesMin, decodedBytes);
    if (length < 0) throw this.invalidLength('array', length);
    return length;
  }

  /** As {@link arrayLength}, with -1 for a null array. */
  nullableArrayLength(flexible: boolean, elementBytesMin: number, decodedBytes: number): number {
    const length = flexible ? this.uvarint() - 1 : this.int32();
    if (length < -1) throw this.invalidLength('array', length);
    if (length * elementBytesMin > this.end - this.offset) {
      throw new ProtocolError(
        'PROTOCOL_ARRAY_TOO_LONG',
        `The array at byte ${this.offset} claims ${length} elements of at least ${elementBytesMin} bytes, but only ${this.remaining} bytes are left.`,
      );
    }
    if (length > 0) this.charge(length * decodedBytes);
    return length;
  }

  private charge(decodedBytes: number): void {
    this.decodedBytes += decodedBytes;
    if (this.fromStranger && this.decodedBytes > this.decodedBytesMax) {
      throw new ProtocolError(
        'PROTOCOL_DECODED_TOO_LARGE',
        `Before byte ${this.offset} the message has arrays that would take about ${this.decodedBytes} bytes of memory; ` +
          `${this.decodedBytesMax} are allowed. Ask in several smaller requests.`,
      );
    }
  }

  /** The marker in front of a struct that may be null: true if the struct follows. */
  present(): boolean {
    return this.int8() >= 0;
  }

  private invalidLength(what: string, length: number): ProtocolError {
    return length === -1
      ? new ProtocolError('PROTOCOL_NULL_NOT_ALLOWED', `The ${what} before byte ${this.offset} is null, but cannot be.`)
      : new ProtocolError('PROTOCOL_INVALID_LENGTH', `The ${what} before byte ${this.offset} has length ${length}.`);
  }

  /** The number of tagged fields that follow. */
  tagCount(): number {
    const count = this.uvarint();
    // Each takes two bytes at least.
    if (count * 2 > this.end - this.offset) throw this.truncated(count * 2);
    if (count > 0) this.charge(count * SKIPPED_TAG_BYTES);
    return count;
  }

  /** The tagged fields of a struct that has no known ones. */
  unknownTags(): UnknownTag[] | undefined {
    let tags: UnknownTag[] | undefined;
    for (let n = this.tagCount(); n > 0; n -= 1) {
      const tag = this.uvarint();
      const limit = this.enterTag();
      tags = this.unknownTag(tags, tag);
      this.leaveTag(limit);
    }
    return tags;
  }

  /** Reads the size of a tagged field and confines reading to it. Returns what {@link leaveTag} needs. */
  enterTag(): number {
    const size = this.uvarint();
    if (size > this.end - this.offset) throw this.truncated(size);
    const limit = this.end;
    this.end = this.offset + size;
    return limit;
  }

  /** Ends what {@link enterTag} began. */
  leaveTag(limit: number): void {
    this.expectEnd();
    this.end = limit;
  }

  /** Keeps the tagged field that was entered as an unknown one; that of a stranger is passed over. */
  unknownTag(tags: UnknownTag[] | undefined, tag: number): UnknownTag[] | undefined {
    if (this.fromStranger) {
      this.offset = this.end;
      return undefined;
    }
    const unknown = { tag, data: this.buffer.subarray(this.offset, this.end) };
    this.offset = this.end;
    if (tags === undefined) return [unknown];
    tags.push(unknown);
    return tags;
  }
}
