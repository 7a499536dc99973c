/**
 * The cluster that tests of the console look at: brokers of ours in this process, or with `KAFKA_BOOTSTRAP=host:port` another that is running and
 * empty, such as Apache Kafka. Tests that take a broker away, or hold its answers, run on ours.
 */
import { Admin } from '@millrace/admin';
import { type NewClusterTopic, startBroker, type TestBroker } from '@millrace/testing';

/** Whether the tests look at a cluster elsewhere. */
export const isElsewhere: boolean = process.env['KAFKA_BOOTSTRAP'] !== undefined;

/** What is tried. */
export interface TriedCluster<B> {
  readonly bootstrapServers: string;
  /**
   * The brokers in this process.
   * @throws Error where the cluster is elsewhere: such a test is skipped there
   */
  readonly ours: B;
  close(): Promise<void>;
}

/**
 * @param start starts brokers of ours, which have the topics
 * @param topics what the cluster elsewhere is to have
 */
export async function openTriedCluster<B extends { readonly bootstrapServers: string; close(): Promise<void> }>(
  start: () => Promise<B>,
  topics: readonly (string | NewClusterTopic)[],
): Promise<TriedCluster<B>> {
  const bootstrapServers = process.env['KAFKA_BOOTSTRAP'];
  if (bootstrapServers === undefined) {
    const ours = await start();
    return { bootstrapServers: ours.bootstrapServers, ours, close: () => ours.close() };
  }
  await using admin = new Admin({ bootstrapServers });
  await admin.createTopics(
    topics.map((each) => (typeof each === 'string' ? { topic: each, partitions: 1 } : { partitions: 1, ...each })),
  );
  return {
    bootstrapServers,
    get ours(): B {
      throw new Error('The brokers are elsewhere: a test that takes one away is skipped there');
    },
    close: () => Promise.resolve(),
  };
}

/** One broker of ours with the topics, or the cluster elsewhere with them. */
export function openTriedBroker(topics: readonly (string | NewClusterTopic)[]): Promise<TriedCluster<TestBroker>> {
  return openTriedCluster(() => startBroker({ topics }), topics);
}
