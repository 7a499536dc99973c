/**
 * One Kafka connection: framing, correlation, TLS, SASL; and the listener that serves them.
 * @packageDocumentation
 */

export { Connection, type ConnectionStats } from './connection.ts';
export {
  type AdmittingListener,
  type Candidate,
  ConnectionAdmission,
  type ConnectionAdmissionOptions,
  type ConnectionLimits,
} from './connection-admission.ts';
export {
  ANONYMOUS_PRINCIPAL,
  type AuthenticationState,
  type ConnectionContext,
  type ListenerConnection,
  type RequestAdmission,
  type RequestHandler,
  type SecurityProtocol,
} from './connection-context.ts';
export type { ConnectionOptions, SendOptions, VersionRange } from './connection-options.ts';
export type { CloseEvent, ConnectEvent, RequestEvent } from './diagnostics.ts';
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
export { principalMapping } from './principal-mapping.ts';
export { ReconnectingConnection } from './reconnecting-connection.ts';
export {
  type FrameHolder,
  QUEUED_REQUEST_BYTES_MAX,
  QUEUED_REQUESTS_MAX,
  RequestMemory,
  type RequestMemoryStats,
} from './request-memory.ts';
export {
  QUEUED_RESPONSE_BYTES_MAX,
  type ResponseHolder,
  ResponseMemory,
  type ResponseMemoryStats,
} from './response-memory.ts';
export type {
  OauthBearerToken,
  SaslCustomOptions,
  SaslExchange,
  SaslOauthBearerOptions,
  SaslOptions,
  SaslPlainOptions,
  SaslScramOptions,
  Secret,
} from './sasl/mechanism.ts';
export { oauthBearerFrom, type TokenSource, tokenSourceFault } from './sasl/token-source.ts';
export { type TlsSettings, type TlsSource, tlsFault } from './tls-settings.ts';
