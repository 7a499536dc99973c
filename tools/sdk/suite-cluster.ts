/**
 * The cluster that the SDK suite runs against: a Millrace broker in this process, or with `KAFKA_BOOTSTRAP=host:port` any other, such as Apache
 * Kafka. Tests that need faults run only where the cluster can be made to fail.
 */
import { randomUUID } from 'node:crypto';
import { type StartBrokerOptions, startBroker, type TestBroker } from '@millrace/testing';

/** Where to connect, and the way to make trouble. */
export interface SuiteCluster {
  readonly bootstrapServers: string;
  /** Undefined for a cluster elsewhere. */
  readonly broker: TestBroker | undefined;
  close(): Promise<void>;
}

/** Whether the suite runs against a cluster elsewhere. */
export const isElsewhere: boolean = process.env.KAFKA_BOOTSTRAP !== undefined;

/** @param options of the broker in this process, where it is one */
export async function openSuiteCluster(options: StartBrokerOptions = {}): Promise<SuiteCluster> {
  const bootstrapServers = process.env.KAFKA_BOOTSTRAP;
  if (bootstrapServers !== undefined) return { bootstrapServers, broker: undefined, close: async () => {} };
  const broker = await startBroker(options);
  return { bootstrapServers: broker.bootstrapServers, broker, close: () => broker.close() };
}

/** A name that no other test has, since a cluster elsewhere keeps what tests leave. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomUUID().slice(0, 8)}`;
}
