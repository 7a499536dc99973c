import { MemoryMetadataStore } from '@millrace/metadata';
import { ManualClock, seededRandom } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { RESOURCE_TYPE } from '../admin/config-admin.ts';
import { silentLogger } from '../shared/logger.ts';
import { makePersistentNodes } from '../store/registration.ts';
import { encodeConfig, paths } from '../store/znodes.ts';
import { newTopic, TestCluster } from '../testing/test-cluster.ts';
import { parseBrokerConfig } from './broker-config.ts';
import { type ConfigEntity, ConfigRepository } from './config-repository.ts';
import { describeBrokerConfigs, describeDefaultBrokerConfigs, describeTopicConfigs } from './describe.ts';
import { CONFIG_OPERATION } from './incremental-change.ts';

const { SET, DELETE, APPEND, SUBTRACT } = CONFIG_OPERATION;
const topic = { resourceType: RESOURCE_TYPE.TOPIC, resourceName: 't' };
const broker1 = { resourceType: RESOURCE_TYPE.BROKER, resourceName: '1' };
const allBrokers = { resourceType: RESOURCE_TYPE.BROKER, resourceName: '' };

async function clusterWithTopic(
  configs: Record<string, string> = {},
  properties: Record<string, string> = {},
): Promise<TestCluster> {
  const cluster = new TestCluster();
  await cluster.start(1, properties);
  await cluster.controller.topics.createTopics([newTopic('t', 1, 1, configs)], {
    timeoutMs: 1000,
    validateOnly: false,
  });
  await cluster.settle();
  return cluster;
}

/** A repository with a session of its own. */
async function repositoryOn(stores: MemoryMetadataStore, clock: ManualClock, brokerId: number) {
  const session = stores.openSession();
  const { config } = parseBrokerConfig({ 'broker.id': String(brokerId) });
  const configs = new ConfigRepository({
    store: session,
    config,
    clock,
    random: seededRandom(brokerId),
    logger: silentLogger,
  });
  await configs.start();
  return { session, configs };
}

const set = (name: string, value: string) => ({ name, configOperation: SET, value });

describe('configs that others change', () => {
  it('are known after the session has ended, and followed from there', async () => {
    const clock = new ManualClock();
    const stores = new MemoryMetadataStore({ clock });
    await makePersistentNodes(stores.openSession());
    const mine = await repositoryOn(stores, clock, 1);
    const other = await repositoryOn(stores, clock, 2);
    const heard: (string | undefined)[] = [];
    mine.configs.onTopicConfig((name) => heard.push(name));
    const change = (entity: ConfigEntity, properties: Record<string, string>) =>
      other.configs.change(entity, () => properties);
    await mine.configs.loadTopics(['t', 'same']);
    await mine.session.expireSession();
    await change({ type: 'topic', name: 't' }, { 'retention.ms': '5' });
    await change({ type: 'broker', level: 'default' }, { 'log.segment.bytes': '2000' });
    await mine.session.renewSession();
    await mine.configs.sessionRenewed();
    expect(mine.configs.logConfig('t')).toMatchObject({ retentionMs: 5, segmentBytes: 2000 });
    expect(heard).toEqual([undefined, 't']);
    await change({ type: 'topic', name: 't' }, { 'retention.ms': '6' });
    await clock.advanceAsync(1);
    expect(mine.configs.logConfig('t')).toMatchObject({ retentionMs: 6 });
  });
});

describe('a topic that is made anew while a broker starts', () => {
  it('has its own configs as soon as the broker has registered, though nobody notifies of them', async () => {
    const stores = new MemoryMetadataStore({ clock: new ManualClock() });
    const store = stores.openSession();
    await makePersistentNodes(store);
    for (const name of ['t', 'gone', 'same']) {
      await store.create(paths.topicConfig(name), encodeConfig({ 'retention.ms': '5' }));
    }
    const { configs } = await repositoryOn(stores, new ManualClock(), 1);
    const heard: (string | undefined)[] = [];
    configs.onTopicConfig((name) => heard.push(name));
    await configs.registered();
    for (const name of ['t', 'gone']) await store.delete(paths.topicConfig(name), 'any');
    await store.create(paths.topicConfig('t'), encodeConfig({ 'retention.ms': '9' }));
    expect(configs.logConfig('t')).toMatchObject({ retentionMs: 5 });
    await configs.registered();
    const now = ['t', 'gone', 'same'].map((name) => configs.topicOverrides(name)['retention.ms']);
    expect([now, heard.toSorted()]).toEqual([
      ['9', undefined, '5'],
      ['gone', 't'],
    ]);
  });
});

describe('the configs of topics', () => {
  it('are the topic’s own, then the broker’s', async () => {
    const cluster = await clusterWithTopic({ 'retention.ms': '5' }, { 'log.segment.bytes': '2000' });
    const { configs } = cluster.controller;
    expect(configs.logConfig('t')).toMatchObject({ retentionMs: 5, segmentBytes: 2000, flushMessages: 1 });
    expect(configs.logConfig('other')).toMatchObject({ retentionMs: 604_800_000, segmentBytes: 2000 });
  });

  it('change while the broker runs, on every broker, and survive a restart', async () => {
    const cluster = await clusterWithTopic({ 'retention.ms': '5', 'cleanup.policy': 'delete' });
    const second = await cluster.start(2);
    const heard: (string | undefined)[] = [];
    second.configs.onTopicConfig((name) => heard.push(name));
    const { configAdmin, configs } = cluster.controller;
    const operations = [
      set('retention.bytes', '7'),
      { name: 'retention.ms', configOperation: DELETE, value: null },
      { name: 'cleanup.policy', configOperation: APPEND, value: 'compact' },
    ];
    expect(await configAdmin.change(topic, operations, false)).toEqual({ errorCode: 0, errorMessage: null });
    const expected = { retentionMs: 604_800_000, retentionBytes: 7, cleanupPolicy: ['delete', 'compact'] };
    expect(configs.logConfig('t')).toMatchObject(expected);
    await cluster.settle();
    expect(heard).toEqual(['t']);
    expect(second.configs.logConfig('t')).toMatchObject(expected);
    expect(await cluster.readJson('/config/changes/config_change_0000000000')).toEqual({
      version: 2,
      entity_path: 'topics/t',
    });
    const subtract = { name: 'cleanup.policy', configOperation: SUBTRACT, value: 'delete' };
    await configAdmin.change(topic, [subtract], false);
    await cluster.kill(1);
    expect((await cluster.start(1)).configs.logConfig('t')).toMatchObject({
      retentionBytes: 7,
      cleanupPolicy: ['compact'],
    });
  });

  it('are replaced whole by the older request', async () => {
    const cluster = await clusterWithTopic({ 'retention.ms': '5' });
    const { configAdmin } = cluster.controller;
    expect((await configAdmin.replace(topic, [{ name: 'segment.ms', value: '9' }], false)).errorCode).toBe(0);
    expect(await cluster.readJson('/config/topics/t')).toEqual({ version: 1, config: { 'segment.ms': '9' } });
  });

  it('are only checked where that is asked for', async () => {
    const cluster = await clusterWithTopic();
    const { configAdmin } = cluster.controller;
    expect(await configAdmin.change(topic, [set('retention.ms', '9')], true)).toEqual({
      errorCode: 0,
      errorMessage: null,
    });
    expect((await configAdmin.change(topic, [set('retention.ms', 'x')], true)).errorCode).toBe(40);
    expect(await cluster.readJson('/config/topics/t')).toEqual({ version: 1, config: {} });
  });

  it.each([
    [topic, [set('nope', '1')], 40, 'Unknown topic config name: nope'],
    [
      topic,
      [set('retention.ms', '-2')],
      40,
      "Invalid config value for resource ConfigResource(type=TOPIC, name='t'): Invalid value -2 for configuration retention.ms: Value must be at least -1",
    ],
    [
      topic,
      [set('retention.ms', '1'), set('retention.ms', '2')],
      42,
      'Error due to duplicate config keys : retention.ms',
    ],
    [
      topic,
      [{ name: 'retention.ms', configOperation: SET, value: null }],
      42,
      'Null value not supported for : retention.ms',
    ],
    [
      topic,
      [{ name: 'retention.ms', configOperation: APPEND, value: '1' }],
      40,
      'Config value append is not allowed for config key: retention.ms',
    ],
    [
      topic,
      [{ name: 'retention.ms', configOperation: 9, value: '1' }],
      40,
      'Unknown operation 9 for key retention.ms.',
    ],
    [{ ...topic, resourceName: 'no' }, [set('retention.ms', '1')], 3, "The topic 'no' does not exist."],
    [
      { ...broker1, resourceName: '2' },
      [set('log.retention.ms', '1')],
      42,
      'Unexpected broker id, expected 1, but received 2',
    ],
    [{ ...broker1, resourceName: 'x' }, [set('log.retention.ms', '1')], 42, 'Node id must be an integer, but it is: x'],
    [
      { resourceType: 16, resourceName: 'm' },
      [set('a', '1')],
      42,
      'AlterConfigs is only supported for topics and brokers, but resource type is CLIENT_METRICS',
    ],
    [{ resourceType: 99, resourceName: 'z' }, [set('a', '1')], 42, 'Unknown resource type 99'],
    [
      topic,
      [set('remote.storage.enable', 'true')],
      40,
      "Invalid config value for resource ConfigResource(type=TOPIC, name='t'): Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.",
    ],
    [
      topic,
      [set('remote.log.copy.disable', 'true')],
      40,
      'It is invalid to set `remote.log.delete.on.disable` or `remote.log.copy.disable` without tiered storage.',
    ],
    [broker1, [set('log.dirs', '/x')], 42, 'Cannot update these configs dynamically: Set(log.dirs)'],
    [
      allBrokers,
      [set('log.retention.ms', 'x')],
      42,
      'Invalid value x for configuration log.retention.ms: Not a number of type LONG',
    ],
  ])('refuse %o: %o', async (resource, operations, errorCode, errorMessage) => {
    const cluster = await clusterWithTopic();
    expect(await cluster.controller.configAdmin.change(resource, operations, false)).toEqual({
      errorCode,
      errorMessage,
    });
  });
});

describe('counts of threads', () => {
  const refused = (fault: string): string =>
    `Invalid value org.apache.kafka.common.config.ConfigException: ${fault} for configuration Invalid dynamic configuration`;
  const outOfBounds = (name: string, value: number, bound: string): string =>
    refused(`Dynamic thread count update validation failed for ${name}=${value}, value should ${bound}`);

  // What Apache Kafka 3.9.1 answers.
  it.each([
    ['num.io.threads', 8, [4, 5, 16], [3, 17]],
    ['num.network.threads', 3, [1, 2, 6], [0, 7]],
    ['num.replica.fetchers', 1, [1, 2], [0, 3]],
    ['num.recovery.threads.per.data.dir', 1, [1, 2], [0, 3]],
    ['background.threads', 10, [5, 20], [4, 21]],
  ])('%s change from %i by half or double at most', async (name, current, taken, [low, high]) => {
    const { configAdmin } = (await clusterWithTopic()).controller;
    for (const resource of [allBrokers, broker1]) {
      const answer = (value: number) => configAdmin.change(resource, [set(name, String(value))], true);
      for (const value of taken) expect((await answer(value)).errorCode).toBe(0);
      expect(await answer(high as number)).toEqual({
        errorCode: 42,
        errorMessage: outOfBounds(name, high as number, `not be greater than double the current value ${current}`),
      });
      const { errorCode, errorMessage } = await answer(low as number);
      expect(errorCode).toBe(42);
      if ((low as number) > 0) {
        expect(errorMessage).toBe(outOfBounds(name, low as number, `be at least half the current value ${current}`));
      }
    }
  });

  it('of the cleaner have words of their own', async () => {
    const { configAdmin } = (await clusterWithTopic({}, { 'log.cleaner.threads': '4' })).controller;
    const answer = async (value: number) =>
      (await configAdmin.change(allBrokers, [set('log.cleaner.threads', String(value))], true)).errorMessage;
    expect(await answer(8)).toBeNull();
    expect(await answer(2)).toBeNull();
    expect(await answer(9)).toBe(
      refused('Log cleaner threads cannot be increased to more than double the current value 4'),
    );
    expect(await answer(1)).toBe(
      refused('Log cleaner threads cannot be reduced to less than half the current value 4'),
    );
    expect(await answer(0)).toBe(refused('Log cleaner threads should be at least 1'));
  });

  it('are held against what is in force: a value that another hides does not count, and taking one away counts', async () => {
    const { configAdmin } = (await clusterWithTopic()).controller;
    const change = async (resource: typeof broker1, value: string | null): Promise<number> => {
      const operation = { name: 'num.io.threads', configOperation: value === null ? DELETE : SET, value };
      return (await configAdmin.change(resource, [operation], false)).errorCode;
    };
    expect(await change(broker1, '16')).toBe(0);
    expect(await change(broker1, '32')).toBe(0);
    expect(await change(allBrokers, '100')).toBe(0);
    // Without it the 100 would be in force, more than double.
    expect(await change(broker1, null)).toBe(42);
    expect(await change(allBrokers, '64')).toBe(0);
    expect(await change(broker1, null)).toBe(0);
    expect(await change(allBrokers, '8')).toBe(42);
  });
});

describe('the settings of brokers', () => {
  it('change while the broker runs, and with them the configs of topics', async () => {
    const cluster = await clusterWithTopic({ 'segment.bytes': '2000' }, { 'log.retention.ms': '100' });
    const { configAdmin, configs } = cluster.controller;
    const heard: (readonly string[])[] = [];
    configs.onBrokerConfig((_, changed) => heard.push(changed));
    await configAdmin.change(allBrokers, [set('log.retention.ms', '200'), set('message.max.bytes', '3000')], false);
    expect(configs.current.logRetentionMs).toBe(200);
    expect(configs.logConfig('t')).toMatchObject({ retentionMs: 200, maxMessageBytes: 3000, segmentBytes: 2000 });
    await configAdmin.change(broker1, [set('log.retention.ms', '300')], false);
    expect(configs.logConfig('t').retentionMs).toBe(300);
    await configAdmin.change(broker1, [{ name: 'log.retention.ms', configOperation: DELETE, value: null }], false);
    expect(configs.logConfig('t').retentionMs).toBe(200);
    expect(heard).toEqual([['log.retention.ms', 'message.max.bytes'], ['log.retention.ms'], ['log.retention.ms']]);
    const second = await cluster.start(2);
    expect(second.configs.current.messageMaxBytes).toBe(3000);
  });

  it('that somebody wrote past the checks do no harm', async () => {
    const cluster = new TestCluster();
    await cluster.start(1);
    await cluster.kill(1);
    const config = '{"version":1,"config":{"log.dirs":"/x","num.io.threads":"many","log.retention.ms":"7"}}';
    await cluster.store.create('/config/brokers/1', Buffer.from(config));
    const { configs } = await cluster.start(1);
    expect(configs.current).toMatchObject({ logDirs: ['data'], numIoThreads: 8, logRetentionMs: 7 });
  });

  it('drop notifications of changes once everybody has had time to see them', async () => {
    const cluster = await clusterWithTopic();
    const { configAdmin } = cluster.controller;
    await configAdmin.change(topic, [set('retention.ms', '1')], false);
    await cluster.settle();
    cluster.clock.advance(900_001);
    await configAdmin.change(topic, [set('retention.ms', '2')], false);
    await cluster.settle();
    expect(await cluster.store.children('/config/changes')).toEqual(['config_change_0000000001']);
  });
});

describe('the description of configs', () => {
  it('tells where a topic’s values come from, as Kafka does', async () => {
    const cluster = await clusterWithTopic(
      { 'retention.ms': '5' },
      { 'log.segment.bytes': '2000', 'log.retention.hours': '1' },
    );
    const { configAdmin, configs } = cluster.controller;
    await configAdmin.change(allBrokers, [set('log.index.interval.bytes', '10')], false);
    await configAdmin.change(broker1, [set('log.index.interval.bytes', '11')], false);
    const described = new Map(
      describeTopicConfigs(configs, configs.topicOverrides('t')).map((entry) => [entry.name, entry]),
    );
    expect(described.get('retention.ms')).toMatchObject({
      value: '5',
      source: 1,
      readOnly: false,
      isSensitive: false,
      type: 5,
      // Kafka leaves out what stands under another name than the first synonym's.
      synonyms: [{ name: 'retention.ms', value: '5', source: 1 }],
    });
    expect(described.get('segment.bytes')).toMatchObject({
      value: '2000',
      source: 4,
      type: 3,
      synonyms: [
        { name: 'log.segment.bytes', value: '2000', source: 4 },
        { name: 'log.segment.bytes', value: '1073741824', source: 5 },
      ],
    });
    expect(described.get('index.interval.bytes')).toMatchObject({
      value: '11',
      source: 2,
      synonyms: [
        { name: 'log.index.interval.bytes', value: '11', source: 2 },
        { name: 'log.index.interval.bytes', value: '10', source: 3 },
        { name: 'log.index.interval.bytes', value: '4096', source: 5 },
      ],
    });
    expect(described.get('flush.messages')).toMatchObject({ value: '1', source: 5 });
    expect(described.get('max.compaction.lag.ms')?.value).toBe('9223372036854775807');
    expect(described.get('min.cleanable.dirty.ratio')?.value).toBe('0.5');
    expect(described.get('cleanup.policy')).toMatchObject({ value: 'delete', type: 7 });
    expect(described.get('leader.replication.throttled.replicas')).toMatchObject({
      value: '',
      source: 5,
      synonyms: [],
    });
  });

  it('tells a broker’s settings, hides secrets, and says what cannot be changed', async () => {
    const own = { listeners: 'SSL://:9092', 'ssl.keystore.password': 'secret', 'num.partitions': '3' };
    const cluster = await clusterWithTopic({}, own);
    const { configAdmin, configs } = cluster.controller;
    await configAdmin.change(allBrokers, [set('log.retention.ms', '9'), set('plugin.setting', 'x')], false);
    const described = new Map(describeBrokerConfigs(configs).map((entry) => [entry.name, entry]));
    expect(described.get('ssl.keystore.password')).toMatchObject({
      value: null,
      isSensitive: true,
      source: 4,
      readOnly: true,
    });
    expect(described.get('ssl.keystore.password')?.synonyms).toEqual([
      { name: 'ssl.keystore.password', value: null, source: 4 },
    ]);
    expect(described.get('broker.id')).toMatchObject({ value: '1', readOnly: true });
    expect(described.get('listeners')).toMatchObject({ type: 2 });
    expect(described.get('remote.log.reader.threads')).toMatchObject({
      value: '10',
      type: 3,
      source: 5,
      readOnly: true,
    });
    expect(described.get('log.cleaner.threads')).toMatchObject({ value: '1', readOnly: false });
    expect(described.has('group.coordinator.new.enable')).toBe(false);
    const throttle = 'leader.replication.throttled.rate';
    expect(described.has(throttle)).toBe(false);
    await configAdmin.change(broker1, [set(throttle, '1000')], false);
    const throttled = describeBrokerConfigs(configs).find(({ name }) => name === throttle);
    expect(throttled).toMatchObject({ value: '1000', source: 2 });
    expect(described.get('log.dirs')).toMatchObject({ value: null });
    expect(described.get('num.partitions')).toMatchObject({ value: '3', source: 4 });
    expect(described.get('inter.broker.protocol.version')).toMatchObject({ value: '3.9-IV0' });
    expect(described.get('log.retention.ms')).toMatchObject({ value: '9', source: 3, readOnly: false });
    expect(described.get('log.retention.hours')).toMatchObject({ value: '168', source: 5 });
    expect(described.get('plugin.setting')).toMatchObject({ value: null, isSensitive: true, type: 0, source: 3 });
    expect(describeDefaultBrokerConfigs(configs).map(({ name, value, source }) => [name, value, source])).toEqual([
      ['log.retention.ms', '9', 3],
      ['plugin.setting', null, 3],
    ]);
  });
});
