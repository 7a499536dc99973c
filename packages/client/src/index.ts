/**
 * A connection to a Kafka cluster: bootstrap, metadata, routing, retry. What producer, consumer and admin stand on.
 * @packageDocumentation
 */
export {
  AuthenticationError,
  ConnectionError,
  KafkaError,
  type OauthBearerToken,
  oauthBearerFrom,
  RequestAbortedError,
  RequestTimedOutError,
  type SaslExchange,
  type SaslOptions,
  type Secret,
  type TlsSettings,
  type TlsSource,
  type TokenSource,
  TooManyRequestsError,
  tlsFault,
  tokenSourceFault,
  UnexpectedResponseError,
  UnsupportedVersionError,
} from '@millrace/network';
export { type Logger, silentLogger } from '@millrace/ports';
export { type Address, formatAddress } from './address.ts';
export { Backoff, type BackoffSettings, backoffMs } from './backoff.ts';
export type { CoordinatorType } from './coordinators.ts';
export {
  AbortedError,
  ApiTimedOutError,
  BrokerError,
  brokerError,
  ClientClosedError,
  InvalidArgumentError,
  InvalidOptionError,
  NoBrokerError,
} from './errors.ts';
export {
  KafkaClient,
  type OperationOptions,
  type PartitionsByLeader,
  type RoutedSendOptions,
} from './kafka-client.ts';
export type { BrokerNode, LeaderHint, PartitionMetadata, TopicMetadata } from './metadata-cache.ts';
export type { ClientOptions, ClientSettings } from './options.ts';
export type { TopicPartition } from './partitions.ts';
export type { Attempt, RetryPolicy } from './retry.ts';
