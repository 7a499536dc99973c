/**
 * The broker's core: request handlers, replica manager, group coordinator, controller.
 * @packageDocumentation
 */

export { Broker, type BrokerOptions, type BrokerStartOptions } from './broker.ts';
export type { BrokerHealth } from './broker-health.ts';
export type { BrokerEndpoint } from './cluster/broker-channel.ts';
export type { PeerAddress, PeerLane, PeerSendOptions, Peers } from './cluster/peers.ts';
export {
  type BrokerConfig,
  type ConfigProblem,
  type ConfigWarning,
  type ParseBrokerConfigOptions,
  type ParsedBrokerConfig,
  parseBrokerConfig,
} from './config/broker-config.ts';
export { brokerConfigTable } from './config/broker-definitions.ts';
export type { ConfigDefinition, ConfigTable } from './config/definition.ts';
export type { ListenerCertificates } from './config/listener-changes.ts';
export type {
  ListenerSecurity,
  MechanismSettings,
  NamedLogin,
  SaslSettings,
  SslSettings,
} from './config/listener-security.ts';
export { topicDefinitions } from './config/topic-definitions.ts';
export type { BrokerServices } from './handlers/services.ts';
export { BrokerFault, type BrokerFaultCode } from './shared/errors.ts';
export { javaAddress } from './shared/hosts.ts';
export type { LogLevelControl } from './shared/log-level.ts';
export { type Logger, silentLogger } from './shared/logger.ts';
export { type Counter, type Histogram, type MetricLabels, type Metrics, noMetrics } from './shared/metrics.ts';
export { isRefusal, Refusal } from './shared/refusal.ts';
export { type Adoption, type AdoptOptions, adoptLogs } from './store/adopt-logs.ts';
export { takeBrokerId } from './store/broker-id.ts';
export type { FoundLog } from './store/found-logs.ts';
export { assertLogsKnown, type LogsKnownOptions } from './store/logs-known.ts';
export { registeredSession } from './store/registered-session.ts';
export { type HeldReplicas, replicaHolders } from './store/replica-holders.ts';
