/** A header of a record that was read. */
export interface RecordHeader {
  readonly key: string;
  /** A view into the batch; null where the header has a key only. */
  readonly value: Buffer | null;
}

/** A header of a record to be written; strings become UTF-8. */
export interface RecordHeaderInput {
  readonly key: string | Uint8Array;
  readonly value?: string | Uint8Array | null | undefined;
}

/** A record that was read. Its bytes are views into the batch (or into what the batch held compressed), never copies. */
export interface KafkaRecord {
  readonly offset: number;
  /** Milliseconds since the Unix epoch; the batch's maximum where the broker stamped it; -1 for none. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** Decoded when first asked for. */
  readonly headers: readonly RecordHeader[];
}
