/**
 * A Kafka-compatible broker in process, for tests.
 * @packageDocumentation
 */
export { TestBrokerError, type TestBrokerErrorCode } from './errors.ts';
export type { ApiName, Fault, FaultOptions } from './faults.ts';
export type { TestAcl, TestOperation, TestSecurity } from './security.ts';
export { type NewTestTopic, type StartBrokerOptions, startBroker, type TestBroker } from './test-broker.ts';
export { type NewClusterTopic, type StartClusterOptions, startCluster, type TestCluster } from './test-cluster.ts';
