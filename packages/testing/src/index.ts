/**
 * A Kafka-compatible broker in process, for tests.
 * @packageDocumentation
 */
export { TestBrokerError, type TestBrokerErrorCode } from './errors.ts';
export type { Fault } from './faults.ts';
export type {
  ApiName,
  DropOptions,
  FaultOptions,
  NewClusterTopic,
  NewTestTopic,
  StartBrokerOptions,
  StartClusterOptions,
} from './options.ts';
export type { TestAcl, TestOperation, TestSecurity } from './security.ts';
export { startBroker, type TestBroker } from './test-broker.ts';
export { startCluster, type TestCluster } from './test-cluster.ts';
