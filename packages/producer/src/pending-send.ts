import type { ProducerRecord, RecordMetadata } from './record.ts';

/** A record's key or value as it is written. */
export type Content = Uint8Array | string | null;

/** A send that cannot go into a batch at once: it waits for its topic, for a serializer or for room. */
export interface PendingSend<K, V> {
  readonly record: ProducerRecord<K, V>;
  readonly resolve: ((metadata: RecordMetadata) => void) | undefined;
  readonly reject: (error: Error) => void;
  /** `Clock.monotonic` of the call of `send`: from then on the delivery timeout counts. */
  readonly sinceMs: number;
  /** What asynchronous serializers have made of the record; undefined where that is still to be done. */
  serialized: { readonly key: Content; readonly value: Content } | undefined;
}

/** Sends to one topic that wait for the same thing, in the order of the calls. */
export interface TopicLine<K, V> {
  readonly length: number;
  join(send: PendingSend<K, V>): void;
  /** Resolves when those who stand here now have gone on or have been told that they will not. */
  settled(): Promise<void>;
  /** Turns everybody away. */
  close(error: Error): void;
}
