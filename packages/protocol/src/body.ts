import { ProtocolError } from './errors.ts';
import type { Message } from './message.ts';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

/** Encodes a message without any header. */
export function encodeBody<T, Input>(message: Message<T, Input>, version: number, body: Input): Buffer {
  const writer = new Writer();
  encodeNamed(message, writer, version, body);
  return writer.toBuffer();
}

/**
 * Decodes a message without any header; the bytes must end with it.
 * @throws ProtocolError if the bytes are not such a message or are longer than it.
 */
export function decodeBody<T>(message: Message<T, never>, version: number, bytes: Buffer, offset = 0): T {
  const reader = new Reader(bytes, offset);
  const body = decodeNamed(message, reader, version);
  if (!message.newerReadAsHighest) expectEnd(message, reader, version);
  return body;
}

/** Encodes, and says in an error which message it was. */
export function encodeNamed<T, Input>(message: Message<T, Input>, writer: Writer, version: number, body: Input): void {
  try {
    message.encode(writer, body, version);
  } catch (cause) {
    throw named(cause, `Encoding ${message.name} version ${version}`);
  }
}

/** As {@link encodeNamed}, yielding behind each element where the message can. */
export function* encodeNamedInTurns<T, Input>(
  message: Message<T, Input>,
  writer: Writer,
  version: number,
  body: Input,
): Generator<void, void> {
  try {
    if (message.encodeInTurns === undefined) message.encode(writer, body, version);
    else yield* message.encodeInTurns(writer, body, version);
  } catch (cause) {
    throw named(cause, `Encoding ${message.name} version ${version}`);
  }
}

/** Decodes, and says in an error which message it was. */
export function decodeNamed<T>(message: Message<T, never>, reader: Reader, version: number): T {
  try {
    return message.decode(reader, version);
  } catch (cause) {
    throw named(cause, `Decoding ${message.name} version ${version}`);
  }
}

/** Throws if bytes are left, and says after which message. */
export function expectEnd(message: Message<unknown, never>, reader: Reader, version: number): void {
  try {
    reader.expectEnd();
  } catch (cause) {
    throw named(cause, `Decoding ${message.name} version ${version}`);
  }
}

function named(cause: unknown, attempt: string): unknown {
  if (!(cause instanceof ProtocolError)) return cause;
  return new ProtocolError(cause.code, `${attempt}: ${cause.message}`, { cause });
}
