import {
  AlterUserScramCredentials,
  ApiVersions,
  CreateAcls,
  DeleteAcls,
  DescribeAcls,
  DescribeClientQuotas,
  DescribeProducers,
  ErrorCode,
  UpdateFeatures,
} from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BrokerUnderTest, batchOf, produceTo, type TestConnection } from '../testing/test-broker.ts';

let test: BrokerUnderTest;
let client: TestConnection;

beforeEach(async () => {
  test = await BrokerUnderTest.start();
  client = test.connect();
});
afterEach(() => test.stop());

describe('access rules without an authorizer', () => {
  const rule = { resourceType: 2, resourceName: 't', principal: 'User:a', host: '*', operation: 3, permissionType: 3 };
  const filter = {
    resourceTypeFilter: 1,
    resourceNameFilter: null,
    principalFilter: null,
    hostFilter: null,
    operation: 1,
    permissionType: 1,
  };

  it.each([0, 1, 2, 3])('are said to be off, never to be there, in version %i', async (version) => {
    expect(await client.ask(DescribeAcls, version, filter)).toMatchObject({
      errorCode: ErrorCode.SECURITY_DISABLED,
      errorMessage: 'No Authorizer is configured on the broker',
      resources: [],
    });
    const created = await client.ask(CreateAcls, version, { creations: [rule, rule] });
    expect(created.results.map(({ errorCode }) => errorCode)).toEqual([54, 54]);
    const deleted = await client.ask(DeleteAcls, version, { filters: [filter] });
    expect(deleted.filterResults).toMatchObject([{ errorCode: 54, matchingAcls: [] }]);
  });
});

describe('AlterUserScramCredentials', () => {
  const proof = { mechanism: 1, iterations: 4096, salt: Buffer.alloc(16, 1), saltedPassword: Buffer.alloc(32, 2) };

  it.each(['a\nb', 'a\u0000', '\u009b31m', 'a\u2028b'])(
    'gives nobody a password who is never let in: %j',
    async (name) => {
      const upsertions = [{ ...proof, name }];
      const { results } = await client.ask(AlterUserScramCredentials, 0, { deletions: [], upsertions });
      expect(results).toMatchObject([{ user: name, errorCode: ErrorCode.UNACCEPTABLE_CREDENTIAL }]);
      expect(test.broker.services.users.all.size).toBe(0);
    },
  );

  it('takes away the password of such a one, whom Kafka has let in', async () => {
    const name = 'a\nb';
    await test.broker.services.users.setPassword(name, ['SCRAM-SHA-256'], () => proof);
    const deletions = [{ name, mechanism: 1 }];
    const { results } = await client.ask(AlterUserScramCredentials, 0, { deletions, upsertions: [] });
    expect(results).toMatchObject([{ errorCode: ErrorCode.NONE }]);
    expect(test.broker.services.users.all.size).toBe(0);
  });
});

describe('DescribeClientQuotas', () => {
  const ask = async (...components: { entityType: string; matchType: number }[]) =>
    client.ask(DescribeClientQuotas, 1, {
      components: components.map((each) => ({ ...each, match: null })),
      strict: false,
    });

  it('finds no quotas', async () => {
    expect(await ask()).toMatchObject({ errorCode: 0, entries: [] });
    expect(await ask({ entityType: 'user', matchType: 2 }, { entityType: 'client-id', matchType: 1 })).toMatchObject({
      errorCode: 0,
      entries: [],
    });
    expect(await client.ask(DescribeClientQuotas, 0, { components: [], strict: true })).toMatchObject({ entries: [] });
  });

  it.each([
    [[{ entityType: 'user', matchType: 7 }], ErrorCode.INVALID_REQUEST, 'Unexpected match type: 7'],
    [[{ entityType: '', matchType: 2 }], ErrorCode.INVALID_REQUEST, 'empty filter component'],
    [[{ entityType: 'rack', matchType: 2 }], ErrorCode.UNSUPPORTED_VERSION, 'Custom entity type rack'],
    [
      [
        { entityType: 'user', matchType: 2 },
        { entityType: 'user', matchType: 2 },
      ],
      ErrorCode.INVALID_REQUEST,
      'Duplicate user filter',
    ],
    [
      [
        { entityType: 'ip', matchType: 2 },
        { entityType: 'user', matchType: 2 },
      ],
      ErrorCode.INVALID_REQUEST,
      'IP filter component',
    ],
  ])('refuses filters as Kafka does: %j', async (components, errorCode, message) => {
    expect(await ask(...components)).toMatchObject({
      errorCode,
      errorMessage: expect.stringContaining(message),
      entries: null,
    });
  });
});

describe('DescribeProducers', () => {
  const ask = async (name: string, ...partitionIndexes: number[]) =>
    (await client.ask(DescribeProducers, 0, { topics: [{ name, partitionIndexes }] })).topics[0]?.partitions;

  it('tells the producers that a partition remembers, and none of those without idempotence', async () => {
    await test.createTopic('t');
    await produceTo(test, 't', batchOf(['a']));
    expect(await ask('t', 0)).toEqual([{ partitionIndex: 0, errorCode: 0, errorMessage: null, activeProducers: [] }]);
    await produceTo(test, 't', batchOf(['b', 'c'], { producerId: 7, producerEpoch: 2, baseSequence: 0 }));
    expect((await ask('t', 0))?.[0]?.activeProducers).toMatchObject([
      { producerId: 7, producerEpoch: 2, lastSequence: 1, currentTxnStartOffset: -1 },
    ]);
  });

  it('refuses partitions that are not here, and names that no topic has', async () => {
    await test.createTopic('t');
    const codes = async (name: string, partition: number) => (await ask(name, partition))?.[0]?.errorCode;
    expect(await codes('t', 9)).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    expect(await codes('missing', 0)).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    expect(await codes('a/b', 0)).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION);
  });
});

describe('ApiVersions', () => {
  it('tells consoles the version by a feature, and producers which transactions they may use', async () => {
    const answer = await client.ask(ApiVersions, 3, { clientSoftwareName: 'test', clientSoftwareVersion: '1' });
    expect(answer.finalizedFeatures).toEqual([
      { name: 'metadata.version', minVersionLevel: 21, maxVersionLevel: 21 },
      { name: 'transaction.version', minVersionLevel: 2, maxVersionLevel: 2 },
    ]);
    const metadata = { name: 'metadata.version', minVersion: 1, maxVersion: 21 };
    expect(answer.supportedFeatures).toEqual([metadata]);
    // It rises with every broker that comes or goes.
    expect(answer.finalizedFeaturesEpoch).toBe(1);
    const newer = await client.ask(ApiVersions, 4, { clientSoftwareName: 'test', clientSoftwareVersion: '1' });
    expect(newer.supportedFeatures).toEqual([metadata, { name: 'transaction.version', minVersion: 0, maxVersion: 2 }]);
  });
});

describe('UpdateFeatures', () => {
  const unsupported = 'Could not apply finalized feature update because the provided feature is not supported.';
  const tooLow = (level: number): string =>
    `Can not provide versionLevel: ${level} less than 1 without setting the SAFE downgradeType in the request.`;
  const missing = 'Can not delete non-existing finalized feature.';
  const unknownType = 'Received unknown upgrade type.';
  const nameless = 'Feature name can not be empty.';

  // As Apache Kafka 3.9.1 with ZooKeeper answers.
  it.each([
    [0, { feature: 'f', maxVersionLevel: 1 }, unsupported],
    [0, { feature: 'f', maxVersionLevel: 0 }, tooLow(0)],
    [0, { feature: 'f', maxVersionLevel: 0, allowDowngrade: true }, missing],
    [0, { feature: 'f', maxVersionLevel: 5, allowDowngrade: true }, unsupported],
    [0, { feature: '', maxVersionLevel: 1 }, nameless],
    ...[0, 4].flatMap((upgradeType) =>
      [-1, 0, 1].map((level) => [1, { feature: 'f', maxVersionLevel: level, upgradeType }, unknownType] as const),
    ),
    [1, { feature: 'f', maxVersionLevel: -1, upgradeType: 1 }, tooLow(-1)],
    [1, { feature: 'f', maxVersionLevel: 0, upgradeType: 1 }, tooLow(0)],
    [1, { feature: 'f', maxVersionLevel: 1, upgradeType: 1 }, unsupported],
    ...[2, 3].flatMap((upgradeType) =>
      [-1, 0].map((level) => [1, { feature: 'f', maxVersionLevel: level, upgradeType }, missing] as const),
    ),
    ...[2, 3].map((upgradeType) => [1, { feature: 'f', maxVersionLevel: 1, upgradeType }, unsupported] as const),
    [1, { feature: '', maxVersionLevel: 1, upgradeType: 9 }, nameless],
  ] as const)('refuses in version %i: %o', async (version, update, errorMessage) => {
    const { feature } = update;
    expect(await client.ask(UpdateFeatures, version, { featureUpdates: [update] })).toMatchObject({
      errorCode: 0,
      errorMessage: null,
      results: [{ feature, errorCode: ErrorCode.INVALID_REQUEST, errorMessage }],
    });
  });

  it('answers for each feature once, by what was asked of it first', async () => {
    const answer = await client.ask(UpdateFeatures, 1, {
      featureUpdates: [
        { feature: 'a', maxVersionLevel: 1 },
        { feature: 'b', maxVersionLevel: 0, upgradeType: 2 },
        { feature: 'a', maxVersionLevel: 0, upgradeType: 2 },
      ],
    });
    expect(answer.results.map(({ feature, errorMessage }) => [feature, errorMessage])).toEqual([
      ['a', unsupported],
      ['b', missing],
    ]);
    expect((await client.ask(UpdateFeatures, 1, { featureUpdates: [] })).results).toEqual([]);
  });
});
