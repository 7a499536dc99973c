/** Which half of a record is being converted. */
export type RecordPart = 'key' | 'value';

/**
 * Turns a value into the bytes of a record's key or value.
 *
 * A `null` never reaches a serializer: it is written as a null key, or as a tombstone.
 */
export interface Serializer<T> {
  /**
   * @returns the bytes, or a string that is written as UTF-8 straight into the batch, without a buffer in between.
   * The producer has taken the bytes when `send` returns, so a buffer may be used again.
   * @throws SerdeError (or any error) for a value that has no form in this encoding; the send is then rejected.
   */
  serialize(value: T, topic: string, part: RecordPart): Uint8Array | string;
}

/** Turns the bytes of a record's key or value back into a value; `null` never reaches it. */
export interface Deserializer<T> {
  /**
   * @param bytes a view into the fetched batch: copy what has to outlive the batch.
   * @throws SerdeError (or any error) for bytes that are not of this encoding.
   */
  deserialize(bytes: Buffer, topic: string, part: RecordPart): T;
}

/** Both directions of one encoding. */
export interface Serde<T> extends Serializer<T>, Deserializer<T> {}
