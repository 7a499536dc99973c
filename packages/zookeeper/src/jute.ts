/**
 * ZooKeeper's serialisation (jute): big-endian numbers, and strings, buffers and vectors with an int32 in front that counts them, -1 for
 * null.
 */
import { ZooKeeperError } from './errors.ts';

const TWO_TO_32 = 2 ** 32;

/** A session's or an owner's id: 64 bits, of which all count. 16 hexadecimal digits. */
export type LongId = string;

export const NO_ID: LongId = '0'.repeat(16);

export class JuteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Bytes that are not read yet. */
  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  int(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  bool(): boolean {
    return this.#bytes[this.#take(1)] !== 0;
  }

  /** A transaction number or a time; what does not fit into a number exactly is refused. */
  long(): number {
    const at = this.#take(8);
    const value = this.#bytes.readInt32BE(at) * TWO_TO_32 + this.#bytes.readUInt32BE(at + 4);
    if (!Number.isSafeInteger(value)) throw malformed(`the number ${value} is larger than 2^53`);
    return value;
  }

  longId(): LongId {
    const at = this.#take(8);
    return this.#bytes.toString('hex', at, at + 8);
  }

  /** Null counts as empty. The bytes are a copy. */
  buffer(): Buffer {
    const length = this.int();
    if (length < 0) return Buffer.alloc(0);
    const at = this.#take(length);
    return Buffer.from(this.#bytes.subarray(at, at + length));
  }

  /** Null counts as empty. */
  string(): string {
    const length = this.int();
    if (length < 0) return '';
    const at = this.#take(length);
    return this.#bytes.toString('utf8', at, at + length);
  }

  /** @param leastBytes The least that an element takes, so that a count that cannot be true is refused before memory is taken for it. */
  vector<T>(leastBytes: number, element: () => T): T[] {
    const count = this.int();
    if (count < 0) return [];
    if (count * leastBytes > this.remaining) {
      throw malformed(`a list of ${count} is announced in ${this.remaining} bytes`);
    }
    return Array.from({ length: count }, element);
  }

  #take(length: number): number {
    if (length > this.remaining) throw malformed(`${length} bytes are announced where ${this.remaining} are left`);
    const at = this.#at;
    this.#at += length;
    return at;
  }
}

export class JuteWriter {
  #bytes = Buffer.allocUnsafe(256);
  /** The first four bytes are the frame's length. */
  #at = 4;

  int(value: number): this {
    this.#room(4);
    this.#at = this.#bytes.writeInt32BE(value, this.#at);
    return this;
  }

  bool(value: boolean): this {
    this.#room(1);
    this.#at = this.#bytes.writeUInt8(value ? 1 : 0, this.#at);
    return this;
  }

  long(value: number): this {
    this.#room(8);
    this.#at = this.#bytes.writeInt32BE(Math.floor(value / TWO_TO_32), this.#at);
    this.#at = this.#bytes.writeUInt32BE(value - Math.floor(value / TWO_TO_32) * TWO_TO_32, this.#at);
    return this;
  }

  longId(value: LongId): this {
    this.#room(8);
    this.#at += this.#bytes.write(value, this.#at, 'hex');
    return this;
  }

  /** Nothing is written as null, as Kafka's brokers do for nodes without content. */
  buffer(value: Uint8Array): this {
    if (value.length === 0) return this.int(-1);
    this.int(value.length).#room(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
    return this;
  }

  string(value: string): this {
    const length = Buffer.byteLength(value);
    this.int(length).#room(length);
    this.#at += this.#bytes.write(value, this.#at);
    return this;
  }

  vector<T>(values: readonly T[], element: (value: T) => void): this {
    this.int(values.length);
    for (const value of values) element(value);
    return this;
  }

  /** The frame, with its length in front. */
  frame(): Buffer {
    this.#bytes.writeInt32BE(this.#at - 4, 0);
    return this.#bytes.subarray(0, this.#at);
  }

  #room(length: number): void {
    const needed = this.#at + length;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}

/** What comes is no ZooKeeper. */
export function malformed(what: string): ZooKeeperError {
  return new ZooKeeperError(
    'ZOOKEEPER_MALFORMED_FRAME',
    `A frame cannot be read: ${what}. Is this a ZooKeeper server?`,
  );
}

/** Cuts a byte stream into frames of at most `bytesMax`. What arrives in many pieces is put together once. */
export class FrameCutter {
  readonly #bytesMax: number;
  #chunks: Buffer[] = [];
  #length = 0;
  /** Bytes that must be there before it pays to look again. */
  #awaited = 4;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Takes what a socket delivered. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /** The next whole frame, without its length. @throws ZooKeeperError for one that is too large, or has no length */
  next(): Buffer | undefined {
    if (this.#length < this.#awaited) return undefined;
    const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks, this.#length);
    const length = bytes.readInt32BE(0);
    if (length < 0 || length > this.#bytesMax) {
      const message = `A frame of ${length} bytes is announced; at most ${this.#bytesMax} are taken (jute.maxbuffer).`;
      throw new ZooKeeperError('ZOOKEEPER_FRAME_TOO_LARGE', message);
    }
    const isWhole = bytes.length >= 4 + length;
    const rest = isWhole ? bytes.subarray(4 + length) : bytes;
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#length = rest.length;
    this.#awaited = isWhole ? 4 : 4 + length;
    return isWhole ? bytes.subarray(4, 4 + length) : undefined;
  }
}
