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

/**
 * A serializer that has to wait, such as one that asks a schema registry. It says so with `async: true`: a promise from any other is
 * taken for a forgotten `await`. Records of one topic keep their order of `send`, whichever of them is ready first.
 */
export interface AsyncSerializer<T> {
  readonly async: true;
  /**
   * @returns the bytes, text that is written as UTF-8, or null for a null key or a tombstone; or a promise of one of them.
   * @throws SerdeError (or any error), as does a promise that is rejected with it; the send is then rejected.
   */
  serialize(
    value: T,
    topic: string,
    part: RecordPart,
  ): Uint8Array | string | null | PromiseLike<Uint8Array | string | null>;
}

/** A deserializer that has to wait, such as one that asks a schema registry. It says so with `async: true`. */
export interface AsyncDeserializer<T> {
  readonly async: true;
  /**
   * @param bytes a view into the fetched batch: copy what has to outlive the batch, and what is looked at after an `await`.
   * @throws SerdeError (or any error) for bytes that are not of this encoding, as does a promise that is rejected with it.
   */
  deserialize(bytes: Buffer, topic: string, part: RecordPart): T | PromiseLike<T>;
}

/** Both directions of one encoding, where one has to wait. What is written may be another type than what is read. */
export interface AsyncSerde<Read, Written = Read> extends AsyncSerializer<Written>, AsyncDeserializer<Read> {}

/** Both directions of one encoding. */
export interface Serde<T> extends Serializer<T>, Deserializer<T> {}
