/**
 * The errors of the client side. `code` is stable and meant for programs; the message says what was attempted, on what,
 * what happened and what to do.
 */

/** The root of every error that the Millrace SDKs throw on purpose. */
export class KafkaError extends Error {
  override name = 'KafkaError';
  /** Stable, upper case: `KAFKA_...` for errors a broker answered, `NETWORK_...` and `CLIENT_...` for those found here. */
  readonly code: string;
  /** Whether the same attempt may succeed later. */
  readonly retriable: boolean;
  /** The number a broker answered with, when it did. */
  readonly errorCode: number | undefined;

  constructor(
    message: string,
    details: { code: string; retriable: boolean; errorCode?: number | undefined; cause?: unknown },
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = details.code;
    this.retriable = details.retriable;
    this.errorCode = details.errorCode;
  }
}

/**
 * What went wrong with a connection. All but `NETWORK_TLS_FAILED` may pass with time. `NETWORK_CREDENTIALS_FAILED`: a function that was to
 * give certificates, a password or a token failed; its error is the cause.
 */
export type ConnectionErrorCode =
  | 'NETWORK_CONNECT_FAILED'
  | 'NETWORK_CONNECT_TIMED_OUT'
  | 'NETWORK_TLS_FAILED'
  | 'NETWORK_CREDENTIALS_FAILED'
  | 'NETWORK_CONNECTION_LOST'
  | 'NETWORK_CONNECTION_CLOSED'
  | 'NETWORK_BROKER_UNRESPONSIVE';

/** A connection could not be made, or was lost. Requests in flight may or may not have been carried out. */
export class ConnectionError extends KafkaError {
  override name = 'ConnectionError';
  constructor(code: ConnectionErrorCode, message: string, cause?: unknown) {
    super(message, { code, retriable: code !== 'NETWORK_TLS_FAILED', cause });
  }
}

/** No response came in time. The broker may still carry the request out; its response is dropped when it comes. */
export class RequestTimedOutError extends KafkaError {
  override name = 'RequestTimedOutError';
  constructor(message: string) {
    super(message, { code: 'NETWORK_REQUEST_TIMED_OUT', retriable: true });
  }
}

/** More requests wait for one connection than it may hold back. */
export class TooManyRequestsError extends KafkaError {
  override name = 'TooManyRequestsError';
  constructor(message: string) {
    super(message, { code: 'NETWORK_TOO_MANY_REQUESTS', retriable: true });
  }
}

/** The caller's `AbortSignal` fired; its reason is the `cause`. */
export class RequestAbortedError extends KafkaError {
  override name = 'RequestAbortedError';
  constructor(message: string, cause: unknown) {
    super(message, { code: 'NETWORK_REQUEST_ABORTED', retriable: false, cause });
  }
}

/** The peer sent what no Kafka broker sends: a response out of order or to nothing, a frame too large, bytes that do not decode. */
export class UnexpectedResponseError extends KafkaError {
  override name = 'UnexpectedResponseError';
  /** @param foreign Whether the peer is no Kafka broker at all, so that trying again does not help. */
  constructor(message: string, cause?: unknown, foreign: boolean = false) {
    super(message, { code: 'NETWORK_UNEXPECTED_RESPONSE', retriable: !foreign, cause });
  }
}

/** Broker and client have no version of an API in common, or the broker does not serve it. */
export class UnsupportedVersionError extends KafkaError {
  override name = 'UnsupportedVersionError';
  constructor(message: string) {
    super(message, { code: 'NETWORK_UNSUPPORTED_VERSION', retriable: false, errorCode: 35 });
  }
}

/** The broker refused the credentials or the mechanism, or could not prove that it knows the password. */
export class AuthenticationError extends KafkaError {
  override name = 'AuthenticationError';
  constructor(message: string, details: { errorCode?: number | undefined; cause?: unknown } = {}) {
    super(message, { code: 'NETWORK_AUTHENTICATION_FAILED', retriable: false, ...details });
  }
}

/** A listener could not be opened. */
export class ListenError extends KafkaError {
  override name = 'ListenError';
  constructor(code: 'NETWORK_ADDRESS_IN_USE' | 'NETWORK_LISTEN_FAILED', message: string, cause: unknown) {
    super(message, { code, retriable: false, cause });
  }
}
