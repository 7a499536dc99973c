/** Settings of a broker that Kafka's own has left in the metadata store, or a tool of its has set, and what they come to here. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../shared/logger.ts';
import { encodeConfig, paths } from '../store/znodes.ts';
import { TestCluster } from '../testing/test-cluster.ts';
import { describeBrokerConfigs } from './describe.ts';

const OF_BROKER = { resourceType: 4, resourceName: '1' };
const SET = 0;
const DELETE = 1;
const NONE = { errorCode: 0, errorMessage: null };
const LISTENERS = { listeners: 'PLAINTEXT://:9999', 'advertised.listeners': 'PLAINTEXT://elsewhere:9999' };

interface Line {
  readonly level: string;
  readonly settings: unknown;
}

/** A broker into whose node somebody has written, and what it warns of. */
async function brokerWith(
  properties: Readonly<Record<string, string>>,
  file: Readonly<Record<string, string>> = {},
): Promise<{ cluster: TestCluster; lines: Line[] }> {
  const lines: Line[] = [];
  const note =
    (level: string) =>
    (fields: object): void => {
      const { settings, changed } = fields as { settings?: unknown; changed?: unknown };
      if (settings !== undefined || changed !== undefined) lines.push({ level, settings: settings ?? changed });
    };
  const logger = { ...silentLogger, info: note('changed'), warn: note('unheeded'), error: note('unsecured') };
  const cluster = new TestCluster(undefined, logger);
  for (const path of ['/config', '/config/brokers']) await cluster.store.create(path, Buffer.alloc(0));
  await cluster.store.create(paths.brokerConfig('1'), encodeConfig(properties));
  await cluster.start(1, file);
  return { cluster, lines };
}

describe('settings that Kafka’s brokers take over while they run, and these do not', () => {
  it('are warned of at the start and when they are set, and are not called changed', async () => {
    const { cluster, lines } = await brokerWith({ ...LISTENERS, 'log.retention.ms': '5' });
    expect(lines).toEqual([
      { level: 'unheeded', settings: ['listeners', 'advertised.listeners'] },
      { level: 'changed', settings: ['log.retention.ms'] },
    ]);
    lines.length = 0;
    const map = { 'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT' };
    await cluster.controller.configs.change({ type: 'broker', level: 'broker' }, (before) => ({ ...before, ...map }));
    expect(lines).toEqual([{ level: 'unheeded', settings: ['listener.security.protocol.map'] }]);
    expect(cluster.controller.configs.current.endpoints[0]?.port).toBe(9092);
  });

  it('are described as what holds, without a place where they do not count', async () => {
    const { cluster } = await brokerWith({ ...LISTENERS, 'log.retention.ms': 'soon' });
    const described = new Map(describeBrokerConfigs(cluster.controller.configs).map((each) => [each.name, each]));
    const sources = (name: string) => described.get(name)?.synonyms.map(({ source }) => source);
    expect([sources('listeners'), sources('advertised.listeners')]).toEqual([[5], []]);
    expect(described.get('listeners')?.value).toBe('PLAINTEXT://:9092');
    expect(described.get('log.retention.ms')?.synonyms.map(({ value }) => value)).not.toContain('soon');
  });

  it('cannot be set, can be deleted, and keep nobody from setting others', async () => {
    const { cluster } = await brokerWith(LISTENERS);
    const { configAdmin } = cluster.controller;
    const change = (name: string, configOperation: number, value: string | null) =>
      configAdmin.change(OF_BROKER, [{ name, configOperation, value }], false);
    expect(await change('log.retention.ms', SET, '7')).toEqual(NONE);
    expect(await change('listeners', SET, 'PLAINTEXT://:9998')).toMatchObject({ errorCode: 42 });
    for (const name of Object.keys(LISTENERS)) expect(await change(name, DELETE, null)).toEqual(NONE);
    expect(await cluster.readJson(paths.brokerConfig('1'))).toEqual({
      version: 1,
      config: { 'log.retention.ms': '7' },
    });
  });
});

describe('settings that secure a Kafka broker’s listeners, and not these', () => {
  const AUTH = 'listener.name.plaintext.ssl.client.auth';
  const JAAS = 'listener.name.plaintext.plain.sasl.jaas.config';

  it.each([
    [AUTH, 'required'],
    ['listener.name.plaintext.sasl.enabled.mechanisms', 'PLAIN'],
    ['listener.name.plaintext.ssl.principal.mapping.rules', 'RULE:a/b/'],
    [JAAS, 'encoded'],
    ['ssl.client.auth', 'required'],
    ['sasl.enabled.mechanisms', 'PLAIN'],
  ])('keep a broker from starting that does not take them over, with what to do: %s', async (name, value) => {
    await expect(brokerWith({ 'log.retention.ms': '5', [name]: value })).rejects.toMatchObject({
      code: 'BROKER_SETTINGS_UNHEEDED',
      message: expect.stringMatching(
        `\\(/config/brokers/1\\) are not honoured: ${name}\\..* Set them in the file of settings`,
      ),
    });
  });

  it.each([
    ['of a listener that is not there', { 'listener.name.other.ssl.client.auth': 'required' }],
    ['that asks for nothing', { 'ssl.client.auth': 'none' }],
  ])('do not, where it is one %s', async (_, properties) => {
    const { lines } = await brokerWith(properties as Record<string, string>);
    expect(lines).toEqual([{ level: 'unheeded', settings: Object.keys(properties) }]);
  });

  it('do not, where the file says the same', async () => {
    const file = { listeners: 'SASL_PLAINTEXT://a:9092', 'sasl.enabled.mechanisms': 'SCRAM-SHA-512' };
    const { lines } = await brokerWith({ 'sasl.enabled.mechanisms': 'SCRAM-SHA-512' }, file);
    expect(lines).toEqual([]);
    const weaker = { ...file, 'sasl.enabled.mechanisms': 'SCRAM-SHA-256,SCRAM-SHA-512' };
    await expect(brokerWith({ 'sasl.enabled.mechanisms': 'SCRAM-SHA-512' }, weaker)).rejects.toThrow('not honoured');
  });

  it('are an error in the log of a broker that runs, and not called changed', async () => {
    const { cluster, lines } = await brokerWith({});
    const entity = { type: 'broker', level: 'broker' } as const;
    await cluster.controller.configs.change(entity, (before) => ({
      ...before,
      [AUTH]: 'required',
      'log.retention.ms': '5',
    }));
    expect(lines).toEqual([
      { level: 'unsecured', settings: [AUTH] },
      { level: 'changed', settings: ['log.retention.ms'] },
    ]);
    lines.length = 0;
    await cluster.controller.configs.change(entity, ({ [AUTH]: _, ...others }) => others);
    expect(lines).toEqual([]);
  });
});

describe('notifications of changed configs', () => {
  it.each([
    ['the first form', { version: 1, entity_type: 'brokers', entity_name: '1' }],
    ['the second form', { version: 2, entity_path: 'brokers/1' }],
  ])('are understood in %s', async (_, note) => {
    const { cluster } = await brokerWith({});
    const { configs } = cluster.controller;
    const heard: string[] = [];
    configs.onEntity(async (path) => void heard.push(path));
    await cluster.store.set(paths.brokerConfig('1'), encodeConfig({ 'log.retention.ms': '9' }), 'any');
    const other = { type: 'create', path: paths.configChangePrefix, options: { sequential: true } } as const;
    await cluster.store.multi([
      { ...other, data: Buffer.from('{"version":1,"entity_type":"topics"}') },
      { ...other, data: Buffer.from(JSON.stringify(note)) },
    ]);
    await cluster.settle();
    expect([heard, configs.current.topicDefaults.retentionMs]).toEqual([['brokers/1'], 9]);
  });
});
