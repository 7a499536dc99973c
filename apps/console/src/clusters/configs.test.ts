import { Admin } from '@millrace/admin';
import { startBroker } from '@millrace/testing';
import { expect, it } from 'vitest';
import { createConsole } from '../index.ts';
import { askConsole } from '../testing/ask-console.ts';

it('tells what a new topic may be told, where there is none yet as where there are some, and nothing that another was told', async () => {
  const broker = await startBroker({});
  const at = { bootstrapServers: broker.bootstrapServers };
  const served = await createConsole({ clusters: { empty: at, filled: at } });
  await using admin = new Admin(at);
  try {
    const port = await served.listen({ port: 0 });
    const ask = (cluster: string) => askConsole({ port }, 'GET /api/clusters/:cluster/new-topic-configs', { cluster });
    const inEmpty = await ask('empty');
    await admin.createTopics([{ topic: 'own', configs: { 'retention.ms': '77', 'cleanup.policy': 'compact' } }]);
    const all = await ask('filled');
    const [described] = await admin.describeConfigs([{ type: 'topic', name: 'own' }]);
    expect(all.map(({ name }) => name)).toEqual(described?.entries.map(({ name }) => name));
    for (const configs of [inEmpty, all]) {
      expect(configs.find(({ name }) => name === 'retention.ms')).toMatchObject({
        type: 'long',
        byDefault: '604800000',
        documentation: expect.stringMatching(/\w+/),
      });
      expect(configs.find(({ name }) => name === 'cleanup.policy')?.byDefault).toBe('delete');
    }
    // What brokers tell of a topic that there is not is what they tell of one that there is.
    const known = new Set(all.map(({ name }) => name));
    expect(inEmpty.filter(({ name }) => !known.has(name))).toEqual([]);
    expect(inEmpty.length).toBeGreaterThanOrEqual(20);
  } finally {
    await served.close();
    await broker.close();
  }
});
