import {
  anything,
  faultOf,
  holdsByName,
  INT32_MAX,
  orNull,
  required,
  type Shape,
  shown,
  topicNameRule,
  valueFault,
  wholeNumber,
} from '@millrace/client/internal';
import type { RecordHeaderInput } from '@millrace/records';
import type { RecordPart } from '@millrace/serdes';
import { invalidRecord, type ProducerError } from './errors.ts';

/**
 * The value of one header: bytes, or text that is written as UTF-8. A header comes back as bytes, so that numbers, booleans and dates
 * are refused rather than turned into text unasked: give `String(attempt)` or `date.toISOString()`.
 */
export type HeaderValue = string | Uint8Array | null;

/** Headers by name; an array repeats a name. */
export type HeadersByName =
  | Readonly<Record<string, HeaderValue | readonly HeaderValue[]>>
  | ReadonlyMap<string, HeaderValue | readonly HeaderValue[]>;

/**
 * The headers of a record: an object or a `Map` where names are unique (an array repeats a name), or a list where order between names
 * matters.
 *
 * @example `{ traceparent: '00-...', tag: ['a', 'b'] }`
 */
export type HeadersInput = HeadersByName | readonly RecordHeaderInput[];

/** A record to be sent. */
export interface ProducerRecord<K = string | Uint8Array, V = string | Uint8Array> {
  readonly topic: string;
  /** Decides the partition where none is named; records of one key keep their order. None by default. */
  readonly key?: K | null | undefined;
  /** `null` is a tombstone: it deletes the key from a compacted topic. `undefined` is an error, for it is a mistake more often than not. */
  readonly value: V | null;
  /** Overrules the partitioner. */
  readonly partition?: number | null | undefined;
  /** Milliseconds since the Unix epoch; now by default. A topic with LogAppendTime replaces it. */
  readonly timestamp?: number | null | undefined;
  readonly headers?: HeadersInput | null | undefined;
}

/** Where an acknowledged record is. */
export interface RecordMetadata {
  readonly topic: string;
  readonly partition: number;
  /**
   * -1 with `acks: 0`, and where the broker knew the batch as one that it has already but no longer where.
   */
  readonly offset: number;
  /** Milliseconds since the Unix epoch, as the topic stores it: the record's own, or the broker's with LogAppendTime. */
  readonly timestamp: number;
}

const aTime = wholeNumber(0, Number.MAX_SAFE_INTEGER);

const recordShape: Shape = {
  noun: 'field of a record',
  fields: {
    topic: required(topicNameRule),
    key: anything,
    value: required({
      expects: 'there (null writes a tombstone, which deletes the key)',
      accepts: (value) => value !== undefined,
    }),
    partition: orNull(wholeNumber(0)),
    timestamp: orNull({ ...aTime, expects: 'milliseconds since the Unix epoch, a whole number' }),
    headers: anything,
  },
  foreign: {
    messages: 'it is what kafkajs takes; here sendBatch takes a list of records, each with its topic',
    topicMessages: 'it is what kafkajs takes; here sendBatch takes a list of records, each with its topic',
    acks: 'it is an option of the producer',
    compression: 'it is an option of the producer',
    timeout: 'requestTimeoutMs is an option of the producer',
    offset: 'the broker gives a record its offset',
  },
};

/**
 * @throws ProducerError `PRODUCER_INVALID_RECORD` for a record that has a field that there is not, or a value of the wrong kind.
 * What a serializer, a partitioner or headers give is looked at where it comes.
 */
export function checkRecord(record: ProducerRecord<unknown, unknown>): void {
  if (isPlainlyRight(record)) return;
  const fault = faultOf(record, recordShape);
  if (fault === undefined) return;
  const topic: unknown = (record as ProducerRecord | null)?.topic;
  throw invalidRecord(typeof topic === 'string' ? topic : undefined, fault);
}

/** The same in the few steps that nearly every record takes; `false` says that the table has to be asked. */
function isPlainlyRight(record: ProducerRecord<unknown, unknown>): boolean {
  if (typeof record !== 'object' || record === null) return false;
  for (const name in record) {
    switch (name) {
      case 'topic':
      case 'key':
      case 'value':
      case 'partition':
      case 'timestamp':
      case 'headers':
        continue;
      default:
        return false;
    }
  }
  const { topic, value, partition, timestamp } = record;
  // What else a topic's name must be is looked at when the topic is asked for; a known one has been.
  if (typeof topic !== 'string' || topic === '' || value === undefined) return false;
  return (
    (partition === undefined ||
      partition === null ||
      (Number.isInteger(partition) && partition >= 0 && partition <= INT32_MAX)) &&
    (timestamp === undefined || timestamp === null || (Number.isSafeInteger(timestamp) && timestamp >= 0))
  );
}

/** @throws ProducerError `PRODUCER_INVALID_RECORD` for a name that no broker can be asked about. */
export function checkTopic(topic: string): void {
  const fault = valueFault(topic, required(topicNameRule), 'topic');
  if (fault !== undefined) throw invalidRecord(undefined, fault);
}

/**
 * Headers as the batch builder takes them; undefined where there are none.
 * @throws ProducerError `PRODUCER_INVALID_RECORD` for a header that is neither text nor bytes nor null
 */
export function headerList(
  topic: string,
  headers: HeadersInput | null | undefined,
): readonly RecordHeaderInput[] | undefined {
  if (headers === undefined || headers === null) return undefined;
  if (Array.isArray(headers)) {
    checkHeaders(topic, headers);
    return headers;
  }
  if (typeof headers !== 'object' || !(headers instanceof Map || holdsByName(headers))) throw noHeaders(topic, headers);
  const list: RecordHeaderInput[] = [];
  if (headers instanceof Map) {
    for (const [key, value] of headers) addHeader(list, topic, key, value);
  } else {
    const byName = headers as Readonly<Record<string, unknown>>;
    for (const key of Object.keys(byName)) addHeader(list, topic, key, byName[key]);
  }
  return list;
}

function noHeaders(topic: string, given: unknown): ProducerError {
  const isIterable = typeof given === 'object' && given !== null && Symbol.iterator in given;
  const mend = isIterable ? ': give Object.fromEntries(...) of it if it holds names and values' : '';
  return invalidRecord(
    topic,
    `headers must be an object, a Map or a list of { key, value }, not ${shown(given)}${mend}`,
  );
}

function addHeader(list: RecordHeaderInput[], topic: string, key: unknown, value: unknown): void {
  if (typeof key !== 'string') throw invalidRecord(topic, `a header's name must be text, not ${shown(key)}`);
  if (typeof value === 'string') list.push({ key, value });
  else if (Array.isArray(value)) for (const each of value) list.push({ key, value: headerValue(topic, key, each) });
  else list.push({ key, value: headerValue(topic, key, value) });
}

/** @throws ProducerError `PRODUCER_INVALID_RECORD` where one of a list is no header */
export function checkHeaders(topic: string, headers: unknown): asserts headers is readonly RecordHeaderInput[] {
  if (!Array.isArray(headers)) throw invalidRecord(topic, `a list of headers must be an array, not ${shown(headers)}`);
  for (const header of headers) {
    const { key, value } = isHeader(header) ? header : notAHeader(topic, header);
    if (typeof key !== 'string' && !(key instanceof Uint8Array)) {
      throw invalidRecord(topic, `a header's key must be text or bytes, not ${shown(key)}`);
    }
    if (value !== undefined) headerValue(topic, String(key), value);
  }
}

function isHeader(header: unknown): header is { key: unknown; value: unknown } {
  return typeof header === 'object' && header !== null && 'key' in header;
}

function notAHeader(topic: string, header: unknown): never {
  throw invalidRecord(topic, `a list of headers must hold { key, value }, not ${shown(header)}`);
}

/** Bytes that were handed on to a worker (`transfer`) are there no more. */
function isGone(bytes: unknown): boolean {
  return (
    bytes instanceof Uint8Array && bytes.length === 0 && (bytes.buffer as { detached?: boolean }).detached === true
  );
}

const GONE = 'bytes whose ArrayBuffer was transferred: give a copy, or do not transfer it';

function headerValue(topic: string, name: string, value: unknown): HeaderValue {
  if (isGone(value)) throw invalidRecord(topic, `header '${name}' must be text, bytes or null, not ${GONE}`);
  if (typeof value === 'string' || value === null || value instanceof Uint8Array) return value;
  const mend = value instanceof Date ? 'date.toISOString()' : 'String(...)';
  const hint = value === undefined ? 'leave it out, or give null' : `give ${mend} if text is what you want to read`;
  throw invalidRecord(topic, `header '${name}' must be text, bytes or null, not ${shown(value)}: ${hint}`);
}

/**
 * What a serializer gave, or a key or value where there is none, as the batch builder takes it.
 * @throws ProducerError `PRODUCER_INVALID_RECORD`
 */
export function recordBytes(
  content: unknown,
  topic: string,
  part: RecordPart,
  serialized: boolean,
): Uint8Array | string | null {
  const isContent = typeof content === 'string' || content instanceof Uint8Array || content === null;
  if (isContent && !isGone(content)) return content;
  const [what, mend] = serialized
    ? [`what ${part}Serializer returns`, 'a serializer gives text, bytes, null, or a promise of one']
    : [`the ${part}`, `set ${part}Serializer for values of your own`];
  const given = isContent ? GONE : `${shown(content)}: ${mend}`;
  throw invalidRecord(topic, `${what} must be text, bytes or null, not ${given}`);
}
