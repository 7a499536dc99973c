import { readFileSync } from 'node:fs';
import { ListOffsets } from '@millrace/protocol';
import { expect, it } from 'vitest';
import { KafkaClient as RealClient } from './kafka-client.ts';
import { ScriptedCluster } from './testing/scripted-cluster.ts';

it('does what the README shows', async () => {
  const cluster = await ScriptedCluster.start();
  cluster.setTopic('orders', [1]);
  cluster.on(ListOffsets, () => ({
    topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, errorCode: 0, timestamp: -1, offset: 42 }] }],
  }));
  const seen: unknown[] = [];
  /** The README's client, at the port of the cluster for tests. */
  class KafkaClient extends RealClient {
    constructor(options: ConstructorParameters<typeof RealClient>[0]) {
      super({ ...options, bootstrapServers: cluster.bootstrapServers });
    }
  }
  {
    // Begin of the example.
    const client = new KafkaClient({ bootstrapServers: 'localhost:9092', clientId: 'my-tool' });

    const [topic] = await client.topics(['orders']);
    const { leaderId } = await client.leaderFor('orders', 0);

    // To the leader, and to the new one when it has moved; the error code is that of the partition.
    const response = await client.sendToLeader(
      { topic: 'orders', partition: 0 },
      ListOffsets,
      { replicaId: -1, topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, timestamp: -1 }] }] },
      { errorOf: ({ topics }) => topics[0]?.partitions[0]?.errorCode ?? 0 },
    );
    await client.close();
    // End of the example.
    seen.push(topic?.name, leaderId, response.topics[0]?.partitions[0]?.offset);
  }
  expect(seen).toEqual(['orders', 1, 42]);
  await cluster.stop();

  const source = readFileSync(import.meta.filename, 'utf8');
  const example = /Begin of the example\.\n(.*?)\n *\/\/ End/s.exec(source)?.[1]?.replaceAll(/^ {4}/gm, '');
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  // What it imports, this test has from beside it.
  expect(/```ts\n(?:import [^\n]*\n)+\n(.*?)\n```/s.exec(readme)?.[1]).toBe(example);
});
