import { Admin } from '@millrace/admin';
import { startBroker } from '@millrace/testing';
import { expect, it } from 'vitest';
import type { Input } from '../api/contract.ts';
import { createConsole } from '../index.ts';
import { askConsole } from '../testing/ask-console.ts';

const CHANGE = 'POST /api/clusters/:cluster/brokers/:broker/configs';

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

it('changes a dynamic config of a broker, where it is still as it was seen, and no other', {
  timeout: 60_000,
}, async () => {
  const broker = await startBroker({});
  const at = { bootstrapServers: broker.bootstrapServers };
  const noted: object[] = [];
  const note = (fields: object): void => void noted.push(fields);
  const logger = { debug: () => undefined, info: note, warn: note, error: note };
  const served = await createConsole({ clusters: { local: at }, logger });
  await using admin = new Admin(at);
  try {
    const port = await served.listen({ port: 0 });
    const name = 'background.threads';
    const change = (part: Partial<Input<typeof CHANGE>>) =>
      askConsole({ port }, CHANGE, { cluster: 'local', broker: 1, set: {}, unset: [], ...part });
    const inCluster = async () => {
      const [described] = await admin.describeConfigs([{ type: 'broker', name: '1' }], { names: [name] });
      const [entry] = described?.entries ?? [];
      return [entry?.value, entry?.source];
    };
    const shown = async () => {
      const all = await askConsole({ port }, 'GET /api/clusters/:cluster/brokers/:broker/configs', {
        ...{ cluster: 'local', broker: 1 },
      });
      return all.find((each) => each.name === name);
    };
    const before = (await shown())?.value ?? null;
    expect(before).not.toBe('7');
    await change({ set: { [name]: '7' }, seen: { [name]: before } });
    await expect.poll(inCluster).toEqual(['7', 'dynamic-broker']);
    expect(await shown()).toMatchObject({ value: '7', source: 'dynamic-broker', isReadOnly: false });
    expect(noted).toMatchObject([{ audit: true, outcome: 'done', on: { broker: 1 }, names: [name] }]);
    // Somebody else has seen what was before.
    await expect(change({ set: { [name]: '5' }, seen: { [name]: before } })).rejects.toMatchObject({
      code: 'CONSOLE_CHANGED_MEANWHILE',
    });
    await expect(change({ set: { [name]: 'many' } })).rejects.toMatchObject({ status: 400 });
    await expect(change({ set: { 'broker.id': '9' } })).rejects.toMatchObject({ status: 400 });
    await expect(change({ broker: 9, set: { [name]: '5' } })).rejects.toMatchObject({ code: 'CONSOLE_NOT_FOUND' });
    expect(await inCluster()).toEqual(['7', 'dynamic-broker']);
    await change({ unset: [name], seen: { [name]: '7' } });
    await expect.poll(async () => (await inCluster())[0]).toBe(before);
  } finally {
    await served.close();
    await broker.close();
  }
});
