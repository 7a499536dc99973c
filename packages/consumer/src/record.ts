import { type RecordCursor, type RecordHeader, readHeaders } from '@millrace/records';
import type { AsyncDeserializer, Deserializer } from '@millrace/serdes';
import { type ConsumerError, deserializerFailed } from './errors.ts';
import type { TopicPartition } from './options.ts';
import { plainHeaders, plainValue } from './showing.ts';

/** What makes keys and values of bytes; undefined leaves them buffers. */
export interface RecordDecoders {
  readonly key: Deserializer<unknown> | AsyncDeserializer<unknown> | undefined;
  readonly value: Deserializer<unknown> | AsyncDeserializer<unknown> | undefined;
}

/** Whether keys or values have to be waited for before a record is handed out. */
export function haveToWait({ key, value }: RecordDecoders): boolean {
  return isAsync(key) || isAsync(value);
}

function isAsync(
  deserializer: Deserializer<unknown> | AsyncDeserializer<unknown> | undefined,
): deserializer is AsyncDeserializer<unknown> {
  return deserializer !== undefined && 'async' in deserializer && deserializer.async === true;
}

/** What asynchronous deserializers failed with: told to whoever asks for the key or value, as with the others. */
const failures = new WeakMap<object, Partial<Record<'key' | 'value', ConsumerError>>>();

/**
 * Has the asynchronous deserializers of a record decode it; what they fail with is thrown where key or value are asked for. Called
 * again, it decodes what has failed before.
 */
export let decodeRecord: (record: ConsumerRecord<unknown, unknown>) => Promise<void>;

/** What the records of one batch have in common. */
export interface RecordSource {
  readonly topic: string;
  readonly partition: number;
  /** The epoch of the leader that wrote the batch; -1 where it is not known. */
  readonly leaderEpoch: number;
  readonly isTransactional: boolean;
  readonly decoders: RecordDecoders;
}

/**
 * A record that has come and has not been made: where its parts lie in `data`. It tells of that record during the call that it is given to;
 * what it tells of afterwards is another one's.
 */
export interface UnmadeRecord {
  /** The decompressed batch, or the buffer that holds it: the same object for all records of one batch. */
  readonly data: Buffer;
  readonly offset: number;
  /** Milliseconds since the Unix epoch; -1 for none. */
  readonly timestamp: number;
  /** Where the key begins in `data`; the value, and the names and values of the headers, come behind it, up to `end`. */
  readonly keyStart: number;
  /** Bytes of the key; -1 for null. */
  readonly keyBytes: number;
  /** Where the value begins in `data`. */
  readonly valueStart: number;
  /** Bytes of the value; -1 for null. */
  readonly valueBytes: number;
  /** Where the record ends in `data`. */
  readonly end: number;
}

/** Says whether a record is wanted, before it is made. */
export type IsWanted = (record: UnmadeRecord, place: TopicPartition) => boolean;

const NOT_AWAITED = new TypeError('the deserializer is asynchronous, and the record was not waited for');
const FORGOTTEN_AWAIT = new TypeError(
  'the deserializer returned a promise; one that has to wait says so with `async: true` (AsyncDeserializer)',
);

/** Not decoded yet. A key may decode to anything, undefined and null included. */
const UNDECODED = Symbol('undecoded');

/**
 * A record that was read. It keeps positions in the fetched batch and decodes key, value and headers when they are first asked
 * for, so what nobody looks at costs nothing. A record that is kept keeps the batch that it came with in memory.
 */
export class ConsumerRecord<K = Buffer, V = Buffer> {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds since the Unix epoch; -1 for none. */
  readonly timestamp: number;
  readonly #source: RecordSource;
  readonly #cursorData: Buffer;
  readonly #keyStart: number;
  readonly #keyBytes: number;
  readonly #valueStart: number;
  readonly #valueBytes: number;
  readonly #headersStart: number;
  readonly #end: number;
  #key: unknown = UNDECODED;
  #value: unknown = UNDECODED;
  #headers: readonly RecordHeader[] | undefined = undefined;

  /** Made by the consumer: a copy of where `cursor` stands. */
  constructor(source: RecordSource, cursor: RecordCursor) {
    this.topic = source.topic;
    this.partition = source.partition;
    this.offset = cursor.offset;
    this.timestamp = cursor.timestamp;
    this.#source = source;
    this.#cursorData = cursor.data;
    this.#keyStart = cursor.keyStart;
    this.#keyBytes = cursor.keyBytes;
    this.#valueStart = cursor.valueStart;
    this.#valueBytes = cursor.valueBytes;
    this.#headersStart = cursor.headersStart;
    this.#end = cursor.end;
  }

  /** @throws ConsumerError `CONSUMER_DESERIALIZER_FAILED` */
  get key(): K | null {
    if (this.#key === UNDECODED) this.#key = this.#decode('key', this.rawKey);
    return this.#key as K | null;
  }

  /**
   * Null is a tombstone: the key was deleted.
   * @throws ConsumerError `CONSUMER_DESERIALIZER_FAILED`
   */
  get value(): V | null {
    if (this.#value === UNDECODED) this.#value = this.#decode('value', this.rawValue);
    return this.#value as V | null;
  }

  /** The key's bytes: a view into the batch. */
  get rawKey(): Buffer | null {
    return this.#keyBytes < 0 ? null : this.#cursorData.subarray(this.#keyStart, this.#keyStart + this.#keyBytes);
  }

  /** The value's bytes: a view into the batch. */
  get rawValue(): Buffer | null {
    if (this.#valueBytes < 0) return null;
    return this.#cursorData.subarray(this.#valueStart, this.#valueStart + this.#valueBytes);
  }

  /** In the order in which they were sent; a name may occur more than once. Values are views into the batch. */
  get headers(): readonly RecordHeader[] {
    this.#headers ??= readHeaders(this.#cursorData, this.#headersStart, this.#end);
    return this.#headers;
  }

  /** The value of the last header of that name; undefined where there is none. Headers are bytes; most hold UTF-8. */
  header(name: string): Buffer | null | undefined {
    return this.headers.findLast((header) => header.key === name)?.value;
  }

  /** The epoch of the leader that wrote the record; -1 where it is not known. */
  get leaderEpoch(): number {
    return this.#source.leaderEpoch;
  }

  /** It was sent in a transaction: which of them were committed, `isolationLevel` says. */
  get isTransactional(): boolean {
    return this.#source.isTransactional;
  }

  /** Bytes of key and value. */
  get sizeBytes(): number {
    return Math.max(this.#keyBytes, 0) + Math.max(this.#valueBytes, 0);
  }

  /** For people and their logs: bytes as text where they are UTF-8. Never throws: what cannot be decoded is shown as it came. */
  toJSON(): object {
    const { topic, partition, offset, timestamp } = this;
    const key = this.#shown('key', this.rawKey);
    const value = this.#shown('value', this.rawValue);
    return { topic, partition, offset, timestamp, key, value, headers: plainHeaders(this.headers) };
  }

  /** What `console.log` shows. */
  [Symbol.for('nodejs.util.inspect.custom')](
    _depth: number,
    options: object,
    inspect: (...given: unknown[]) => string,
  ) {
    return `ConsumerRecord ${inspect(this.toJSON(), options)}`;
  }

  static {
    decodeRecord = (record) => record.#decodeAll();
  }

  async #decodeAll(): Promise<void> {
    failures.delete(this);
    const { key, value } = this.#source.decoders;
    const { rawKey, rawValue } = this;
    if (this.#key === UNDECODED && isAsync(key)) this.#key = await this.#decodeAsync('key', rawKey, key);
    if (this.#value === UNDECODED && isAsync(value)) this.#value = await this.#decodeAsync('value', rawValue, value);
  }

  async #decodeAsync(
    part: 'key' | 'value',
    bytes: Buffer | null,
    deserializer: AsyncDeserializer<unknown>,
  ): Promise<unknown> {
    if (bytes === null) return null;
    try {
      return await deserializer.deserialize(bytes, this.topic, part);
    } catch (cause) {
      const error = deserializerFailed(part, this, cause, true);
      failures.set(this, { ...failures.get(this), [part]: error });
      return UNDECODED;
    }
  }

  #shown(part: 'key' | 'value', bytes: Buffer | null): unknown {
    try {
      return plainValue(part === 'key' ? this.key : this.value);
    } catch {
      return plainValue(bytes);
    }
  }

  #decode(part: 'key' | 'value', bytes: Buffer | null): unknown {
    const deserializer = this.#source.decoders[part];
    if (bytes === null || deserializer === undefined) return bytes;
    if (isAsync(deserializer)) throw failures.get(this)?.[part] ?? deserializerFailed(part, this, NOT_AWAITED, false);
    let decoded: unknown;
    try {
      decoded = deserializer.deserialize(bytes, this.topic, part);
    } catch (cause) {
      throw deserializerFailed(part, this, cause, false);
    }
    if (decoded instanceof Promise) {
      decoded.catch(() => {});
      throw deserializerFailed(part, this, FORGOTTEN_AWAIT, false);
    }
    return decoded;
  }
}
