import type { RecordHeaderInput } from '@millrace/records';

/** The value of one header; strings are written as UTF-8. */
export type HeaderValue = string | Uint8Array | null;

/**
 * The headers of a record. As an object where names are unique (an array repeats a name), or as a list where order between names matters.
 *
 * @example `{ traceparent: '00-...', tag: ['a', 'b'] }`
 */
export type HeadersInput =
  | Readonly<Record<string, HeaderValue | readonly HeaderValue[]>>
  | readonly RecordHeaderInput[];

/** A record to be sent. */
export interface ProducerRecord<K = string | Uint8Array, V = string | Uint8Array> {
  readonly topic: string;
  /** Decides the partition where none is named; records of one key keep their order. None by default. */
  readonly key?: K | null | undefined;
  /** `null` is a tombstone: it deletes the key from a compacted topic. */
  readonly value: V | null;
  /** Overrules the partitioner. */
  readonly partition?: number | undefined;
  /** Milliseconds since the Unix epoch; now by default. A topic with LogAppendTime replaces it. */
  readonly timestamp?: number | undefined;
  readonly headers?: HeadersInput | undefined;
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

/** Headers as the batch builder takes them; undefined where there are none. */
export function headerList(headers: HeadersInput | undefined): readonly RecordHeaderInput[] | undefined {
  if (headers === undefined || Array.isArray(headers)) return headers as readonly RecordHeaderInput[] | undefined;
  const list: RecordHeaderInput[] = [];
  for (const [key, value] of Object.entries(headers as Record<string, HeaderValue | readonly HeaderValue[]>)) {
    if (Array.isArray(value)) {
      for (const each of value) list.push({ key, value: each });
    } else {
      list.push({ key, value: value as HeaderValue });
    }
  }
  return list;
}
