import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

/**
 * A message of the protocol in all its versions.
 *
 * `T` is what decoding gives, with every field present; `Input` is what encoding takes, in which a field may be left out
 * that has a default, may be null, or does not exist in every version.
 */
export interface Message<T, Input = T> {
  /** The name in Kafka's specifications, such as `ProduceRequest`. */
  readonly name: string;
  readonly minVersion: number;
  readonly maxVersion: number;
  /** The first version with compact encodings and tagged fields; `Infinity` where there is none. */
  readonly flexibleSince: number;
  /** A version above `maxVersion` is read as `maxVersion`, and what follows the known fields is skipped. */
  readonly newerReadAsHighest: boolean;
  /**
   * Appends the message to the writer.
   * @throws ProtocolError if the version does not exist, a value does not fit its field, or a field that is not ignorable has a
   *   value which this version cannot carry.
   */
  encode(writer: Writer, body: Input, version: number): void;
  /**
   * As {@link Message.encode}, yielding behind each element of an array, so that a long answer can give up its turn of the event loop. Only
   * responses that hold arrays of structs have it.
   */
  encodeInTurns?(writer: Writer, body: Input, version: number): Generator<void, void>;
  /**
   * Reads the message and leaves the reader behind it. Buffers in the result are views of the reader's buffer.
   * @throws ProtocolError if the bytes are not such a message.
   */
  decode(reader: Reader, version: number): T;
}

/** One API of the protocol: its key, its versions, its request and its response. */
export interface Api<Req, Res, ReqInput = Req, ResInput = Res> {
  readonly key: number;
  /** The name as Kafka spells it, such as `ListOffsets`. */
  readonly name: string;
  readonly minVersion: number;
  /** The highest version the codec knows. A broker advertises what it implements, which may be less. */
  readonly maxVersion: number;
  /** The first version with compact encodings and tagged fields; `Infinity` where there is none. */
  readonly flexibleSince: number;
  readonly request: Message<Req, ReqInput>;
  readonly response: Message<Res, ResInput>;
}

/** An API whose message types are not known at compile time. */
export type AnyApi = Api<unknown, unknown>;

/** A message whose type is not known at compile time. */
export type AnyMessage = Message<unknown>;
