/** What can go wrong in a conversion: the stable part of a {@link SerdeError}. */
export type SerdeErrorCode = 'SERDE_VALUE_UNSUPPORTED' | 'SERDE_BYTES_MALFORMED' | 'SERDE_SCHEMA_ASYNC';

/** A value that cannot be written in an encoding, or bytes that are not of it. Never retriable. */
export class SerdeError extends Error {
  readonly code: SerdeErrorCode;
  readonly retriable = false;

  constructor(code: SerdeErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'SerdeError';
    this.code = code;
  }
}

/** Whether something has to be awaited. */
export function isPromiseLike<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

export function unsupportedValue(
  encoding: string,
  topic: string,
  part: string,
  why: string,
  cause?: unknown,
): SerdeError {
  return new SerdeError(
    'SERDE_VALUE_UNSUPPORTED',
    `Cannot write the ${part} of a record for topic '${topic}' as ${encoding}: ${why}`,
    {
      cause,
    },
  );
}

export function malformedBytes(
  encoding: string,
  topic: string,
  part: string,
  why: string,
  cause?: unknown,
): SerdeError {
  return new SerdeError(
    'SERDE_BYTES_MALFORMED',
    `the ${part} of a record of topic '${topic}' is not ${encoding}: ${why}; was it written by a producer with another serializer?`,
    { cause },
  );
}
