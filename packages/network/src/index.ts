/**
 * One Kafka connection: framing, correlation, TLS, SASL; and the listener that serves them.
 * @packageDocumentation
 */
export {
  ANONYMOUS_PRINCIPAL,
  type ConnectionContext,
  type ListenerConnection,
  type RequestAdmission,
  type RequestHandler,
  type SecurityProtocol,
} from './connection-context.ts';
export {
  AuthenticationError,
  ConnectionError,
  type ConnectionErrorCode,
  KafkaError,
  ListenError,
  RequestAbortedError,
  RequestTimedOutError,
  TooManyRequestsError,
  UnexpectedResponseError,
  UnsupportedVersionError,
} from './errors.ts';
export { Listener, type ListenerOptions, type ListenerStats } from './listener.ts';
export { type Logger, silentLogger } from './logger.ts';
export { QUEUED_REQUEST_BYTES_MAX, RequestMemory, type RequestMemoryStats } from './request-memory.ts';
