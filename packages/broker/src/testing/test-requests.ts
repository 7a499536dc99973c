/** The requests whose answers were recorded from Apache Kafka 3.9.1 for every set of rights, by API key and what they ask. */
import { ZERO_UUID } from '@millrace/protocol';
import { batchOf } from './test-broker.ts';

const UNKNOWN_ID = 'AAAAAAAAAAAAAAAAAAAAEA';

/** What bodies are made of, of a broker in a test or of one that runs. */
export interface MatrixWorld {
  readonly topicId: string;
  /** Of the topic that is deleted and made anew. */
  readonly deletedTopicId: string;
  readonly version: number;
  /** Another at every request, for names that must be new. */
  readonly count: number;
  /** The secret of a token that somebody has. */
  tokenOf(owner: 'User:alice' | 'User:bob'): Buffer;
}

type Body = Readonly<Record<string, unknown>>;
type Make = (world: MatrixWorld) => Body;

const produce =
  (topics: readonly string[], records: () => Buffer, transactionalId: string | null = null): Make =>
  ({ version }) => ({
    ...(version >= 3 ? { transactionalId } : {}),
    acks: 1,
    timeoutMs: 1000,
    topicData: topics.map((name) => ({ name, partitionData: [{ index: 0, records: records() }] })),
  });
const transactional = (): Buffer =>
  batchOf(['a'], { isTransactional: true, producerId: 999_999, producerEpoch: 0, baseSequence: 0 });
const idempotent = (): Buffer => batchOf(['a'], { producerId: 999_999, producerEpoch: 0, baseSequence: 0 });

const fetch =
  (topic: string, replicaId: number): Make =>
  ({ version, topicId }) => {
    const id = topic === 'a-topic' ? topicId : UNKNOWN_ID;
    const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 };
    return {
      ...(version >= 15 ? { replicaState: { replicaId, replicaEpoch: -1 } } : { replicaId }),
      maxWaitMs: 0,
      minBytes: 0,
      topics: [{ ...(version >= 13 ? { topicId: id } : { topic }), partitions: [partition] }],
      forgottenTopicsData: [],
    };
  };

const listOffsets =
  (name: string): Make =>
  ({ version }) => ({
    replicaId: -1,
    topics: [
      { name, partitions: [{ partitionIndex: 0, timestamp: -1, ...(version === 0 ? { maxNumOffsets: 1 } : {}) }] },
    ],
  });

const metadata =
  (names: readonly string[] | null, creates = false): Make =>
  ({ version, count }) => ({
    topics:
      names === null ? (version === 0 ? [] : null) : names.map((name) => ({ name: name.replace('N', String(count)) })),
    ...(version >= 4 ? { allowAutoTopicCreation: creates } : {}),
    ...(version >= 8 ? { includeTopicAuthorizedOperations: true } : {}),
    ...(version >= 8 && version <= 10 ? { includeClusterAuthorizedOperations: true } : {}),
  });
const metadataById =
  (id: (world: MatrixWorld) => string): Make =>
  (world) => ({
    topics: [{ name: null, topicId: id(world) }],
    allowAutoTopicCreation: false,
    includeTopicAuthorizedOperations: false,
  });

const command = { controllerId: 0, controllerEpoch: 0 };
const commit =
  (...topics: string[]): Make =>
  ({ version }) => ({
    groupId: 'a-group',
    ...(version >= 1 ? { generationIdOrMemberEpoch: -1, memberId: '' } : {}),
    topics: topics.map((name) => ({
      name,
      partitions: [{ partitionIndex: 0, committedOffset: 0, committedMetadata: '' }],
    })),
  });
const offsets =
  (named: boolean): Make =>
  ({ version }) => {
    const topics = named ? ['a-topic', 'a-missing'].map((name) => ({ name, partitionIndexes: [0] })) : null;
    return version >= 8
      ? { groups: [{ groupId: 'a-group', topics }], requireStable: false }
      : { groupId: 'a-group', topics };
  };
const coordinator =
  (keyType: number, keys: readonly string[]): Make =>
  ({ version }) =>
    version >= 4 ? { keyType, coordinatorKeys: keys } : { key: keys[0], ...(version >= 1 ? { keyType } : {}) };

const resource = (resourceType: number, resourceName: string): Body => ({ resourceType, resourceName });
const describeConfigs =
  (type: number, name: string, config: string): Make =>
  ({ version }) => ({
    resources: [{ ...resource(type, name), configurationKeys: [config] }],
    ...(version >= 1 ? { includeSynonyms: false } : {}),
  });
const alter =
  (type: number, name: string): Make =>
  () => ({ resources: [{ ...resource(type, name), configs: [] }], validateOnly: true });
const deleteTopics =
  (...names: string[]): Make =>
  ({ version }) =>
    version >= 6
      ? { topics: names.map((name) => ({ name, topicId: ZERO_UUID })), timeoutMs: 1000 }
      : { topicNames: names, timeoutMs: 1000 };
const deleteById =
  (id: (world: MatrixWorld) => string): Make =>
  (world) => ({
    topics: [{ name: null, topicId: id(world) }],
    timeoutMs: 1000,
  });
const createTopics =
  (name: string): Make =>
  ({ version, count }) => ({
    topics: [
      { name: name.replace('N', String(count)), numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] },
    ],
    timeoutMs: 1000,
    ...(version >= 1 ? { validateOnly: false } : {}),
  });
const records =
  (name: string): Make =>
  () => ({ topics: [{ name, partitions: [{ partitionIndex: 0, offset: 0 }] }], timeoutMs: 1000 });
const partitions =
  (name: string): Make =>
  () => ({ topics: [{ name, count: 2, assignments: null }], timeoutMs: 1000, validateOnly: true });
const producerId =
  (transactionalId: string | null): Make =>
  () => ({ transactionalId, transactionTimeoutMs: 60_000 });
const epoch =
  (topic: string): Make =>
  ({ version }) => ({
    ...(version >= 3 ? { replicaId: -1 } : {}),
    topics: [{ topic, partitions: [{ partition: 0, leaderEpoch: 0 }] }],
  });
const anyAcl = { resourceTypeFilter: 1, operation: 1, permissionType: 1 };
const aclOf = (principal: string): Body => ({
  resourceType: 2,
  resourceName: 'a-acl',
  principal,
  host: '*',
  operation: 3,
  permissionType: 3,
});
const member = { groupId: 'a-group', memberId: 'nobody' };

const stranger = { producerId: 999_999, producerEpoch: 0 };
const addPartitions =
  (...names: string[]): Make =>
  ({ version }) => {
    const topics = names.map((name) => ({ name, partitions: [0] }));
    if (version >= 4) return { transactions: [{ transactionalId: 'a-txn', ...stranger, verifyOnly: false, topics }] };
    return {
      v3AndBelowTransactionalId: 'a-txn',
      v3AndBelowProducerId: stranger.producerId,
      v3AndBelowProducerEpoch: stranger.producerEpoch,
      v3AndBelowTopics: topics,
    };
  };
const marker: Make = () => ({
  markers: [
    {
      ...stranger,
      transactionResult: false,
      topics: [{ name: 'a-topic', partitionIndexes: [0] }],
      coordinatorEpoch: 0,
    },
  ],
});

/** By API key, then by what is asked. */
export const matrixRequests: ReadonlyMap<number, Readonly<Record<string, Make>>> = new Map<
  number,
  Readonly<Record<string, Make>>
>([
  [
    0,
    {
      'existing topic, acks 1': produce(['a-topic'], () => batchOf(['a'])),
      'missing topic': produce(['a-missing'], () => batchOf(['a'])),
      'two topics': produce(['a-topic', 'a-missing'], () => batchOf(['a'])),
      'idempotent batch': produce(['a-topic'], idempotent),
      'transactional batch': produce(['a-topic'], transactional, 'a-txn'),
      'transactional batch, null transactional id': produce(['a-topic'], transactional),
    },
  ],
  [
    1,
    {
      'consumer, existing topic': fetch('a-topic', -1),
      'consumer, missing topic or unknown id': fetch('a-missing', -1),
      'replica, existing topic': fetch('a-topic', 5),
    },
  ],
  [2, { 'existing topic': listOffsets('a-topic'), 'missing topic': listOffsets('a-missing') }],
  [
    3,
    {
      'all topics': metadata(null),
      'all topics (empty list)': metadata(null),
      'existing topic by name': metadata(['a-topic']),
      'missing topic by name, no auto-creation': metadata(['a-missing']),
      'missing topic by name, auto-creation': metadata(['a-auto-N'], true),
      'existing topic by id': metadataById(({ topicId }) => topicId),
      'unknown topic id': metadataById(() => UNKNOWN_ID),
    },
  ],
  [4, { 'controller epoch 0': () => ({ ...command, liveLeaders: [], topicStates: [] }) }],
  [5, { 'controller epoch 0': () => ({ ...command, topicStates: [] }) }],
  [6, { 'controller epoch 0': () => ({ ...command, topicStates: [], liveBrokers: [] }) }],
  [7, { 'broker 99': () => ({ brokerId: 99 }) }],
  [8, { 'group exists, topic exists': commit('a-topic'), 'two topics, one missing': commit('a-topic', 'a-missing') }],
  [9, { 'topics named': offsets(true), 'all topics': offsets(false) }],
  [
    10,
    {
      group: coordinator(0, ['a-group', 'a-g-new']),
      'transactional id': coordinator(1, ['a-txn']),
      'share key': coordinator(2, ['a-group:AAAAAAAAAAAAAAAAAAAAAA:0']),
    },
  ],
  [
    11,
    {
      'new group, new member': ({ version, count }) => ({
        groupId: `a-join-${count}`,
        sessionTimeoutMs: 10_000,
        ...(version >= 1 ? { rebalanceTimeoutMs: 100 } : {}),
        memberId: '',
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
      }),
    },
  ],
  [12, { 'unknown member': () => ({ ...member, generationId: 1 }) }],
  [
    13,
    {
      'unknown member': ({ version }) =>
        version >= 3 ? { groupId: 'a-group', members: [{ memberId: 'nobody' }] } : member,
    },
  ],
  [
    14,
    {
      'unknown member': ({ version }) => ({
        ...member,
        generationId: 1,
        assignments: [],
        ...(version >= 5 ? { protocolType: 'consumer', protocolName: 'range' } : {}),
      }),
    },
  ],
  [
    15,
    {
      'existing and missing group': ({ version }) => ({
        groups: ['a-group', 'a-nogroup'],
        ...(version >= 3 ? { includeAuthorizedOperations: true } : {}),
      }),
    },
  ],
  [16, { all: () => ({}) }],
  [17, { 'after login (starts re-authentication)': () => ({ mechanism: 'PLAIN' }) }],
  [
    18,
    { 'after login': ({ version }) => (version >= 3 ? { clientSoftwareName: 'x', clientSoftwareVersion: '1' } : {}) },
  ],
  [36, { 'after login without a handshake': () => ({ authBytes: Buffer.alloc(0) }) }],
  [19, { 'new topic': createTopics('a-new-N'), 'existing topic': createTopics('a-topic') }],
  [
    20,
    {
      'existing topic by name': deleteTopics('a-del'),
      'missing topic by name': deleteTopics('a-missing'),
      'existing topic by id': deleteById(({ deletedTopicId }) => deletedTopicId),
      'unknown topic id': deleteById(() => UNKNOWN_ID),
    },
  ],
  [21, { 'existing topic': records('a-topic'), 'missing topic': records('a-missing') }],
  [22, { 'no transactional id': producerId(null), 'transactional id': producerId('a-txn') }],
  [23, { 'consumer, existing topic': epoch('a-topic'), 'consumer, missing topic': epoch('a-missing') }],
  [29, { all: () => anyAcl }],
  [30, { 'one for User:nobody': () => ({ creations: [aclOf('User:nobody')] }) }],
  [31, { 'one filter, User:nobody': () => ({ filters: [{ ...anyAcl, principalFilter: 'User:nobody' }] }) }],
  [
    32,
    {
      topic: describeConfigs(2, 'a-topic', 'retention.ms'),
      'missing topic': describeConfigs(2, 'a-missing', 'retention.ms'),
      'broker 0': describeConfigs(4, '0', 'num.io.threads'),
      'broker logger 0': describeConfigs(8, '0', 'root'),
    },
  ],
  [
    33,
    {
      'topic, validate only': alter(2, 'a-topic'),
      'missing topic, validate only': alter(2, 'a-missing'),
      'broker 0, validate only': alter(4, '0'),
    },
  ],
  [
    44,
    {
      'topic, validate only': alter(2, 'a-topic'),
      'missing topic, validate only': alter(2, 'a-missing'),
      'broker 0, validate only': alter(4, '0'),
    },
  ],
  [
    34,
    {
      'unknown directory': () => ({ dirs: [{ path: '/nowhere', topics: [{ name: 'a-topic', partitions: [0] }] }] }),
    },
  ],
  [35, { all: () => ({ topics: null }), 'named topic': () => ({ topics: [{ topic: 'a-topic', partitions: [0] }] }) }],
  [
    37,
    { 'existing topic, validate only': partitions('a-topic'), 'missing topic, validate only': partitions('a-missing') },
  ],
  [42, { 'missing group': () => ({ groupsNames: ['a-nogroup'] }) }],
  [
    43,
    {
      'existing topic, preferred': ({ version }) => ({
        ...(version >= 1 ? { electionType: 0 } : {}),
        topicPartitions: [{ topic: 'a-topic', partitions: [0] }],
        timeoutMs: 1000,
      }),
    },
  ],
  [
    45,
    {
      'cancel, existing topic': () => ({
        timeoutMs: 1000,
        topics: [{ name: 'a-topic', partitions: [{ partitionIndex: 0, replicas: null }] }],
      }),
    },
  ],
  [
    38,
    {
      'for itself': () => ({ ownerPrincipalType: '', ownerPrincipalName: '', renewers: [], maxLifetimeMs: -1 }),
      'for bob': () => ({ ownerPrincipalType: 'User', ownerPrincipalName: 'bob', renewers: [], maxLifetimeMs: -1 }),
    },
  ],
  [
    39,
    {
      "bob's token": ({ tokenOf }) => ({ hmac: tokenOf('User:bob'), renewPeriodMs: 60_000 }),
      'own token': ({ tokenOf }) => ({ hmac: tokenOf('User:alice'), renewPeriodMs: 60_000 }),
      'unknown hmac': () => ({ hmac: Buffer.alloc(64), renewPeriodMs: 60_000 }),
    },
  ],
  [
    40,
    {
      "bob's token": ({ tokenOf }) => ({ hmac: tokenOf('User:bob'), expiryTimePeriodMs: 60_000 }),
      'own token': ({ tokenOf }) => ({ hmac: tokenOf('User:alice'), expiryTimePeriodMs: 60_000 }),
    },
  ],
  [
    41,
    {
      'all owners': () => ({ owners: null }),
      'owner bob': () => ({ owners: [{ principalType: 'User', principalName: 'bob' }] }),
    },
  ],
  [46, { all: () => ({ timeoutMs: 1000, topics: null }) }],
  [
    47,
    {
      'existing group, existing and missing topic': () => ({
        groupId: 'a-group',
        topics: ['a-topic', 'a-missing'].map((name) => ({ name, partitions: [{ partitionIndex: 0 }] })),
      }),
    },
  ],
  [48, { all: () => ({ components: [], strict: false }) }],
  [
    49,
    {
      'user alice, validate only': () => ({
        entries: [
          {
            entity: [{ entityType: 'user', entityName: 'alice' }],
            ops: [{ key: 'producer_byte_rate', value: 1000, remove: false }],
          },
        ],
        validateOnly: true,
      }),
    },
  ],
  [50, { 'all (users null)': () => ({ users: null }), 'unknown user': () => ({ users: [{ name: 'nobody' }] }) }],
  [51, { 'delete for unknown user': () => ({ deletions: [{ name: 'nobody', mechanism: 1 }], upsertions: [] }) }],
  [56, { 'broker epoch 0': () => ({ brokerId: 0, brokerEpoch: 0, topics: [] }) }],
  [
    57,
    {
      'no updates': () => ({ timeoutMs: 1000, featureUpdates: [] }),
      'unknown feature': () => ({ timeoutMs: 1000, featureUpdates: [{ feature: 'nope', maxVersionLevel: 1 }] }),
    },
  ],
  [60, { 'with operations': () => ({ includeClusterAuthorizedOperations: true }) }],
  [
    61,
    {
      'existing and missing topic': () => ({
        topics: ['a-topic', 'a-missing'].map((name) => ({ name, partitionIndexes: [0] })),
      }),
    },
  ],
  [67, { 'broker epoch 0': () => ({ brokerId: 0, brokerEpoch: 0 }) }],
  [
    24,
    {
      'foreign producer id, existing topic': addPartitions('a-topic'),
      'foreign producer id, two topics, one missing': addPartitions('a-topic', 'a-missing'),
    },
  ],
  [25, { 'foreign producer id': () => ({ transactionalId: 'a-txn', ...stranger, groupId: 'a-group' }) }],
  [26, { 'foreign producer id': () => ({ transactionalId: 'a-txn', ...stranger, committed: false }) }],
  [27, { 'abort marker, existing topic': marker }],
  [
    28,
    {
      'foreign producer id': () => ({
        transactionalId: 'a-txn',
        groupId: 'a-group',
        ...stranger,
        topics: [{ name: 'a-topic', partitions: [{ partitionIndex: 0, committedOffset: 0, committedMetadata: '' }] }],
      }),
    },
  ],
  [65, { 'ongoing and unknown id': () => ({ transactionalIds: ['a-txn', 'a-notxn'] }) }],
  [66, { all: () => ({ stateFilters: [], producerIdFilters: [] }) }],
]);
