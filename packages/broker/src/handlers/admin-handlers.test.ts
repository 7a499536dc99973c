import {
  AlterConfigs,
  type Api,
  CreatePartitions,
  CreateTopics,
  DeleteTopics,
  DescribeConfigs,
  decodeBody,
  ErrorCode,
  encodeBody,
  IncrementalAlterConfigs,
  ZERO_UUID,
} from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { NO_QUOTA } from '../quotas/request-quota.ts';
import { type ClusterBroker, newTopic, TestCluster } from '../testing/test-cluster.ts';
import { createTopics } from './19-create-topics.ts';
import { deleteTopics } from './20-delete-topics.ts';
import { describeConfigs } from './32-describe-configs.ts';
import { alterConfigs } from './33-alter-configs.ts';
import { createPartitions } from './37-create-partitions.ts';
import { incrementalAlterConfigs } from './44-incremental-alter-configs.ts';
import type { ApiHandler } from './handler.ts';
import type { BrokerServices } from './services.ts';

/** The rooms that these handlers use. */
function servicesOf(broker: ClusterBroker): BrokerServices {
  const services: Partial<BrokerServices> = {
    brokerId: broker.id,
    cluster: broker.image,
    config: broker.configs.current,
    configRepository: broker.configs,
    configAdmin: broker.configAdmin,
    controller: broker.controller,
    topicAdmin: broker.topics,
  };
  return services as BrokerServices;
}

/** Sends a request through its bytes, at this version, and reads the response from its bytes. */
async function call<Req, ReqInput, Res, ResInput>(
  broker: ClusterBroker,
  handler: ApiHandler<Req, ResInput>,
  api: Api<Req, Res, ReqInput, ResInput>,
  version: number,
  body: ReqInput,
): Promise<Res> {
  const request = decodeBody(api.request, version, encodeBody(api.request, version, body));
  const context = {
    version,
    broker: servicesOf(broker),
    releaseRequest: () => {},
    pause: () => undefined,
    quota: NO_QUOTA,
    authorize: () => undefined,
    isAllowed: () => true,
    isAllowedForAny: () => true,
  };
  const response = await handler.handle(request, context as unknown as Parameters<typeof handler.handle>[1]);
  if (response === null) throw new Error('there was no response');
  return decodeBody(api.response, version, encodeBody(api.response, version, response));
}

async function startOne(properties: Record<string, string> = {}): Promise<ClusterBroker> {
  return new TestCluster().start(1, properties);
}

const versionsOf = (handler: { minVersion: number; maxVersion: number }): number[] =>
  Array.from({ length: handler.maxVersion - handler.minVersion + 1 }, (_, index) => handler.minVersion + index);

describe('CreateTopics', () => {
  it.each(versionsOf(createTopics))('v%i answers for each topic on its own', async (version) => {
    const broker = await startOne();
    const configs = [{ name: 'retention.ms', value: '5' }];
    const topics = [
      { ...newTopic('good', 2), configs },
      newTopic('bad name', 1),
      newTopic('twice', 1),
      newTopic('twice', 1),
    ];
    const response = await call(broker, createTopics, CreateTopics, version, { topics, timeoutMs: 1000 });
    expect(response.topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      ['good', ErrorCode.NONE],
      ['bad name', ErrorCode.INVALID_TOPIC_EXCEPTION],
      ['twice', ErrorCode.INVALID_REQUEST],
    ]);
    const [good, bad] = response.topics;
    if (version >= 1) expect(bad?.errorMessage).toContain('Topic name is invalid');
    if (version >= 5) {
      expect(good).toMatchObject({ numPartitions: 2, replicationFactor: 1 });
      expect(good?.configs).toContainEqual(
        expect.objectContaining({
          name: 'retention.ms',
          value: '5',
          configSource: 1,
          readOnly: false,
          isSensitive: false,
        }),
      );
      expect(bad).toMatchObject({ numPartitions: -1, replicationFactor: -1, configs: [] });
    }
    if (version >= 7) expect(good?.topicId).toBe(broker.image.topic('good')?.id);
  });

  it('v7 creates nothing where it shall only check', async () => {
    const broker = await startOne();
    const request = { topics: [newTopic('t', 3)], timeoutMs: 1000, validateOnly: true };
    const response = await call(broker, createTopics, CreateTopics, 7, request);
    expect(response.topics).toEqual([expect.objectContaining({ errorCode: 0, numPartitions: 3, topicId: ZERO_UUID })]);
    expect(broker.image.topics.size).toBe(0);
  });

  it('is refused by a broker that is not the controller', async () => {
    const cluster = new TestCluster();
    await cluster.start(1);
    const second = await cluster.start(2);
    const created = await call(second, createTopics, CreateTopics, 5, { topics: [newTopic('t', 1)], timeoutMs: 1000 });
    expect(created.topics.map(({ errorCode }) => errorCode)).toEqual([ErrorCode.NOT_CONTROLLER]);
    const extended = await call(second, createPartitions, CreatePartitions, 1, {
      topics: [{ name: 't', count: 2, assignments: null }],
      timeoutMs: 1000,
      validateOnly: false,
    });
    expect(extended.results.map(({ errorCode }) => errorCode)).toEqual([ErrorCode.NOT_CONTROLLER]);
    const deleted = await call(second, deleteTopics, DeleteTopics, 1, { topicNames: ['t'], timeoutMs: 1000 });
    expect(deleted.responses.map(({ errorCode }) => errorCode)).toEqual([ErrorCode.NOT_CONTROLLER]);
  });
});

describe('DeleteTopics', () => {
  it.each(versionsOf(deleteTopics).filter((version) => version < 6))('v%i deletes by name', async (version) => {
    const broker = await startOne();
    await broker.topics.createTopics([newTopic('a', 1), newTopic('b', 1)], { timeoutMs: 1000, validateOnly: false });
    const topicNames = ['a', 'nope', 'b', 'b'];
    const { responses } = await call(broker, deleteTopics, DeleteTopics, version, { topicNames, timeoutMs: 1000 });
    expect(responses.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      ['a', ErrorCode.NONE],
      ['nope', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
      ['b', ErrorCode.INVALID_REQUEST],
      ['b', ErrorCode.INVALID_REQUEST],
    ]);
    expect([...broker.image.topics.keys()]).toEqual(['b']);
  });

  it('v6 deletes by name or by id', async () => {
    const broker = await startOne();
    await broker.topics.createTopics([newTopic('a', 1), newTopic('b', 1)], { timeoutMs: 1000, validateOnly: false });
    const [a, b] = ['a', 'b'].map((name) => broker.image.topic(name)?.id as string);
    const unknown = 'AAAAAAAAAAAAAAAAAAAAAQ';
    const topics = [
      { name: 'a', topicId: ZERO_UUID },
      { name: null, topicId: b as string },
      { name: null, topicId: unknown },
      { name: 'c', topicId: unknown },
    ];
    const { responses } = await call(broker, deleteTopics, DeleteTopics, 6, { topics, timeoutMs: 1000 });
    expect(responses).toMatchObject([
      { name: 'a', topicId: a, errorCode: ErrorCode.NONE },
      { name: 'b', topicId: b, errorCode: ErrorCode.NONE },
      { name: null, topicId: unknown, errorCode: ErrorCode.UNKNOWN_TOPIC_ID },
      { name: 'c', topicId: unknown, errorCode: ErrorCode.INVALID_REQUEST },
    ]);
    expect(broker.image.topics.size).toBe(0);
  });

  it.each([
    [2, ErrorCode.INVALID_REQUEST],
    [4, ErrorCode.TOPIC_DELETION_DISABLED],
  ])('v%i says that it is switched off', async (version, errorCode) => {
    const broker = await startOne({ 'delete.topic.enable': 'false' });
    const { responses } = await call(broker, deleteTopics, DeleteTopics, version, { topicNames: ['a'], timeoutMs: 1 });
    expect(responses).toMatchObject([{ name: 'a', errorCode }]);
  });
});

describe('CreatePartitions', () => {
  it.each(versionsOf(createPartitions))('v%i adds partitions', async (version) => {
    const broker = await startOne();
    await broker.topics.createTopics([newTopic('a', 1)], { timeoutMs: 1000, validateOnly: false });
    const topics = [
      { name: 'a', count: 3, assignments: null },
      { name: 'nope', count: 3, assignments: null },
      { name: 'twice', count: 3, assignments: null },
      { name: 'twice', count: 4, assignments: null },
    ];
    const body = { topics, timeoutMs: 1000, validateOnly: false };
    const { results } = await call(broker, createPartitions, CreatePartitions, version, body);
    expect(results).toMatchObject([
      { name: 'a', errorCode: ErrorCode.NONE, errorMessage: null },
      { name: 'nope', errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION },
      { name: 'twice', errorCode: ErrorCode.INVALID_REQUEST },
    ]);
    expect(broker.image.topic('a')?.partitions.length).toBe(3);
  });
});

describe('DescribeConfigs', () => {
  const resource = (resourceType: number, resourceName: string, configurationKeys: string[] | null = null) => ({
    resourceType,
    resourceName,
    configurationKeys,
  });

  it.each(versionsOf(describeConfigs))('v%i tells a topic’s and a broker’s configs', async (version) => {
    const broker = await startOne({ 'log.segment.bytes': '2000' });
    const topic = newTopic('t', 1, 1, { 'retention.ms': '5' });
    await broker.topics.createTopics([topic], { timeoutMs: 1000, validateOnly: false });
    const resources = [
      resource(2, 't', ['retention.ms', 'segment.bytes', 'no.such']),
      resource(4, '1', ['log.segment.bytes']),
      resource(4, ''),
      resource(2, 'nope'),
      resource(2, 'not valid'),
      resource(8, '1'),
      resource(8, '2'),
      resource(16, 'm'),
    ];
    const body = {
      resources,
      ...(version >= 1 ? { includeSynonyms: true } : {}),
      ...(version >= 3 ? { includeDocumentation: true } : {}),
    };
    const { results } = await call(broker, describeConfigs, DescribeConfigs, version, body);
    expect(results.map(({ errorCode, resourceName }) => [resourceName, errorCode])).toEqual([
      ['t', ErrorCode.NONE],
      ['1', ErrorCode.NONE],
      ['', ErrorCode.NONE],
      ['nope', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
      ['not valid', ErrorCode.INVALID_TOPIC_EXCEPTION],
      ['1', ErrorCode.NONE],
      ['2', ErrorCode.INVALID_REQUEST],
      ['m', ErrorCode.INVALID_REQUEST],
    ]);
    const [root, ...noOthers] = results[5]?.configs ?? [];
    expect(root).toMatchObject({ name: 'root', value: 'INFO', readOnly: false, isSensitive: false });
    if (version >= 1) expect(root).toMatchObject({ configSource: 6, synonyms: [] });
    expect(noOthers).toEqual([]);
    const [retention, segment, ...others] = results[0]?.configs ?? [];
    expect(others).toEqual([]);
    expect(retention).toMatchObject({ name: 'retention.ms', value: '5', readOnly: false, isSensitive: false });
    expect(results[1]?.configs[0]).toMatchObject({ name: 'log.segment.bytes', value: '2000', readOnly: false });
    if (version === 0) expect([retention?.isDefault, segment?.isDefault]).toEqual([false, false]);
    if (version >= 1) {
      expect(segment).toMatchObject({ configSource: 4 });
      expect(segment?.synonyms).toMatchObject([
        { name: 'log.segment.bytes', value: '2000', source: 4 },
        { name: 'log.segment.bytes', value: '1073741824', source: 5 },
      ]);
    }
    if (version >= 3) {
      expect(segment?.configType).toBe(3);
      expect(segment?.documentation).not.toBe('');
    }
  });

  it.each([true, false])(
    'has an empty text with levels of loggers, as Kafka, whether texts are wanted (%s)',
    async (wanted) => {
      const broker = await startOne();
      const body = { resources: [resource(8, '1')], includeDocumentation: wanted };
      const { results } = await call(broker, describeConfigs, DescribeConfigs, 4, body);
      expect(results[0]?.configs.map(({ name, documentation }) => [name, documentation])).toEqual([['root', '']]);
    },
  );

  it('leaves out synonyms and documentation where nobody asks for them', async () => {
    const broker = await startOne();
    const { results } = await call(broker, describeConfigs, DescribeConfigs, 4, { resources: [resource(4, '1')] });
    expect(results[0]?.configs.length).toBeGreaterThan(100);
    expect(
      results[0]?.configs.every(({ synonyms, documentation }) => synonyms.length === 0 && documentation === null),
    ).toBe(true);
  });
});

describe('AlterConfigs and IncrementalAlterConfigs', () => {
  it.each(versionsOf(alterConfigs))('AlterConfigs v%i replaces what is set', async (version) => {
    const broker = await startOne();
    const topic = newTopic('t', 1, 1, { 'retention.ms': '5' });
    await broker.topics.createTopics([topic], { timeoutMs: 1000, validateOnly: false });
    const configs = [{ name: 'segment.ms', value: '9' }];
    const resources = [
      { resourceType: 2, resourceName: 't', configs },
      { resourceType: 2, resourceName: 'nope', configs },
      { resourceType: 4, resourceName: '1', configs: [] },
      { resourceType: 4, resourceName: '1', configs: [] },
    ];
    const { responses } = await call(broker, alterConfigs, AlterConfigs, version, { resources, validateOnly: false });
    expect(responses).toMatchObject([
      { resourceType: 2, resourceName: 't', errorCode: ErrorCode.NONE, errorMessage: null },
      { resourceType: 2, resourceName: 'nope', errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION },
      { resourceType: 4, resourceName: '1', errorCode: ErrorCode.INVALID_REQUEST },
    ]);
    expect(broker.configs.topicOverrides('t')).toEqual({ 'segment.ms': '9' });
  });

  it.each(versionsOf(incrementalAlterConfigs))(
    'IncrementalAlterConfigs v%i changes single configs',
    async (version) => {
      const broker = await startOne();
      const topic = newTopic('t', 1, 1, { 'retention.ms': '5' });
      await broker.topics.createTopics([topic], { timeoutMs: 1000, validateOnly: false });
      const configs = [
        { name: 'segment.ms', configOperation: 0, value: '9' },
        { name: 'retention.ms', configOperation: 1, value: null },
      ];
      const body = { resources: [{ resourceType: 2, resourceName: 't', configs }], validateOnly: false };
      const { responses } = await call(broker, incrementalAlterConfigs, IncrementalAlterConfigs, version, body);
      expect(responses).toMatchObject([{ resourceType: 2, resourceName: 't', errorCode: ErrorCode.NONE }]);
      expect(broker.configs.topicOverrides('t')).toEqual({ 'segment.ms': '9' });
    },
  );
});

describe('a request for very many topics', () => {
  it('is refused as a whole, as Kafka refuses more than 10,000 partitions in one request', async () => {
    const broker = await startOne();
    const topics = Array.from({ length: 10_001 }, (_, n) => newTopic(`topic-${n}`, 1));
    const { topics: answers } = await call(broker, createTopics, CreateTopics, 7, { topics, timeoutMs: 1000 });
    expect(new Set(answers.map(({ errorCode }) => errorCode))).toEqual(new Set([ErrorCode.POLICY_VIOLATION]));
    expect(broker.image.topics.size).toBe(0);
  });
});

describe('a request that names one thing very often', () => {
  it('is told of its configs once', async () => {
    const broker = await startOne();
    await broker.topics.createTopics([newTopic('t', 1)], { timeoutMs: 1000, validateOnly: false });
    const resources = Array.from({ length: 1000 }, () => ({
      resourceType: 2,
      resourceName: 't',
      configurationKeys: null,
    }));
    const { results } = await call(broker, describeConfigs, DescribeConfigs, 4, { resources });
    expect(results.map(({ errorCode }) => errorCode)).toEqual([
      ErrorCode.NONE,
      ...Array.from({ length: 999 }, () => ErrorCode.INVALID_REQUEST),
    ]);
  });

  it('has its duplicate configs refused in a message that is not as long as the request', async () => {
    const broker = await startOne();
    await broker.topics.createTopics([newTopic('t', 1)], { timeoutMs: 1000, validateOnly: false });
    const once = Array.from({ length: 500 }, (_, n) => ({ name: `key.${n}`, configOperation: 0, value: '1' }));
    const resources = [{ resourceType: 2, resourceName: 't', configs: [...once, ...once] }];
    const body = { resources, validateOnly: false };
    const { responses } = await call(broker, incrementalAlterConfigs, IncrementalAlterConfigs, 1, body);
    expect(responses[0]).toMatchObject({ errorCode: ErrorCode.INVALID_REQUEST });
    expect(responses[0]?.errorMessage).toContain('key.0');
    expect(responses[0]?.errorMessage?.length).toBeLessThan(1000);
  });

  it('has no more configs of a resource looked at than there could be', async () => {
    const broker = await startOne();
    const configs = Array.from({ length: 1001 }, (_, n) => ({ name: `key.${n}`, configOperation: 0, value: '1' }));
    const resources = [{ resourceType: 4, resourceName: '', configs }];
    const refused = {
      errorCode: ErrorCode.INVALID_REQUEST,
      errorMessage: 'At most 1000 configs of a resource can be set at once, and these are 1001.',
    };
    const body = { resources, validateOnly: false };
    const { responses } = await call(broker, incrementalAlterConfigs, IncrementalAlterConfigs, 1, body);
    expect(responses[0]).toMatchObject(refused);
    const replaced = await call(broker, alterConfigs, AlterConfigs, 2, body);
    expect(replaced.responses[0]).toMatchObject(refused);
    expect(broker.configs.dynamic.properties('default')).toEqual({});
  });

  it('has each of its resources altered, or none of those that come twice', async () => {
    const broker = await startOne();
    const names = ['a', 'b', 'c'];
    await broker.topics.createTopics(
      names.map((name) => newTopic(name, 1)),
      { timeoutMs: 1000, validateOnly: false },
    );
    const configs = [{ name: 'retention.ms', configOperation: 0, value: '5000' }];
    const resources = ['a', 'b', 'c', 'b'].map((resourceName) => ({ resourceType: 2, resourceName, configs }));
    const body = { resources, validateOnly: false };
    const { responses } = await call(broker, incrementalAlterConfigs, IncrementalAlterConfigs, 1, body);
    expect(responses.map(({ resourceName, errorCode }) => [resourceName, errorCode])).toEqual([
      ['a', ErrorCode.NONE],
      ['b', ErrorCode.INVALID_REQUEST],
      ['c', ErrorCode.NONE],
    ]);
    expect(names.map((name) => broker.configs.topicOverrides(name)['retention.ms'])).toEqual([
      '5000',
      undefined,
      '5000',
    ]);
  });
});
