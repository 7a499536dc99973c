/** What can go wrong between bytes and messages. The codes are stable: programs may compare them. */
export type ProtocolErrorCode =
  /** The bytes end before the message does. */
  | 'PROTOCOL_TRUNCATED'
  /** A length is negative where the field cannot be null, or below -1. */
  | 'PROTOCOL_INVALID_LENGTH'
  /** A field that cannot be null in this version is null. */
  | 'PROTOCOL_NULL_NOT_ALLOWED'
  /** An array claims more elements than the bytes that follow can hold. */
  | 'PROTOCOL_ARRAY_TOO_LONG'
  /** A string is longer than the protocol allows (32,767 bytes). */
  | 'PROTOCOL_STRING_TOO_LONG'
  /** A string of a request is not UTF-8. */
  | 'PROTOCOL_INVALID_TEXT'
  /** A request's arrays would take more memory than is allowed beside its bytes. */
  | 'PROTOCOL_DECODED_TOO_LARGE'
  /** A variable-length integer does not end where it must. */
  | 'PROTOCOL_INVALID_VARINT'
  /** A 64-bit integer cannot be held by a number exactly. */
  | 'PROTOCOL_UNSAFE_INTEGER'
  /** A value does not fit the type of its field. */
  | 'PROTOCOL_VALUE_OUT_OF_RANGE'
  /** A field has a value, but this version of the message has no room for it. */
  | 'PROTOCOL_FIELD_NOT_IN_VERSION'
  /** The message does not exist in this version. */
  | 'PROTOCOL_UNSUPPORTED_VERSION'
  /** No API has this key. */
  | 'PROTOCOL_UNKNOWN_API'
  /** Bytes are left after the message. */
  | 'PROTOCOL_TRAILING_BYTES'
  /** A frame would be larger than its 31-bit size can say. */
  | 'PROTOCOL_FRAME_TOO_LARGE';

/**
 * Thrown when bytes are not a valid message, or a value cannot be written as one.
 *
 * Never retriable: the same bytes fail the same way. On a connection it means that the peer is broken or is no Kafka peer,
 * and that the connection must be closed, because the start of the next message cannot be known.
 */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly code: ProtocolErrorCode;
  readonly retriable = false;

  constructor(code: ProtocolErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Says that a message has no such version. */
export function unsupportedVersion(message: string, version: number, min: number, max: number): ProtocolError {
  return new ProtocolError(
    'PROTOCOL_UNSUPPORTED_VERSION',
    `${message} has no version ${version}; versions ${min} to ${max} exist. Negotiate with ApiVersions first.`,
  );
}

/** Says that a field was given which this version cannot carry. */
export function fieldNotInVersion(field: string, version: number): ProtocolError {
  return new ProtocolError(
    'PROTOCOL_FIELD_NOT_IN_VERSION',
    `${field} was given a value, but version ${version} of the message has no such field. Leave it out or use a newer version.`,
  );
}
