/**
 * Messages that carry their own version: the records of internal topics and what the members of a consumer group tell each
 * other. An int16 with the version stands in front of the message.
 */
import { decodeNamed, encodeNamed, expectEnd } from './body.ts';
import { unsupportedVersion } from './errors.ts';
import type { Message } from './message.ts';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

/** Encodes a message with its version in front. */
export function encodeVersioned<T, Input>(message: Message<T, Input>, version: number, body: Input): Buffer {
  const writer = new Writer();
  writer.int16(version);
  encodeNamed(message, writer, version, body);
  return writer.toBuffer();
}

/**
 * Decodes a message with its version in front. ConsumerProtocol messages of a newer version than is known are read as the newest
 * known one, and what they add is skipped; for all others an unknown version is an error.
 * @param start - where the message begins in `bytes`, and `end` where it ends: spares a view of each where there are many
 * @throws ProtocolError if the version is not known, or the bytes are malformed or too long.
 */
export function decodeVersioned<T>(
  message: Message<T, never>,
  bytes: Buffer,
  start: number = 0,
  end: number = bytes.length,
): T {
  const reader = new Reader(bytes, start, end);
  let version = reader.int16();
  if (version > message.maxVersion && message.newerReadAsHighest) version = message.maxVersion;
  if (version < message.minVersion || version > message.maxVersion) {
    throw unsupportedVersion(message.name, version, message.minVersion, message.maxVersion);
  }
  const body = decodeNamed(message, reader, version);
  if (!message.newerReadAsHighest) expectEnd(message, reader, version);
  return body;
}

/** The version in front of a message: the key of a record in `__consumer_offsets` tells its type by it. */
export function versionOf(bytes: Buffer): number {
  return new Reader(bytes).int16();
}
