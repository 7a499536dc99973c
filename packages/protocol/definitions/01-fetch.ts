import { api, field } from './dsl.ts';

export const fetch = api(1, 'Fetch', {
  about:
    'Fetch reads record batches from partitions, by consumers and by followers alike, and waits until there are enough.',
  changes: {
    1: 'throttle time',
    3: 'a limit on the whole response',
    4: 'isolation levels and aborted transactions',
    5: 'log start offset',
    7: 'incremental fetch sessions (KIP-227)',
    9: 'the leader epoch the reader believes in, which fences stale leaders (KIP-320)',
    11: 'fetching from the nearest replica (KIP-392)',
    12: 'flexible; divergence of epochs is found while fetching (KIP-595)',
    13: 'topic ids instead of names',
    15: "the replica's epoch (KIP-903)",
    16: 'endpoints of new leaders (KIP-951)',
    17: "the replica's directory id",
    18: 'the high watermark that the replica knows of (KIP-1166)',
  },
  versions: '0-18',
  flexible: '12+',
  request: [
    field('clusterId', 'string', '12+', {
      nullable: '12+',
      default: null,
      tag: 0,
      ignorable: true,
      about: 'Only between KRaft controllers.',
    }),
    field('replicaId', 'int32', '0-14', {
      default: -1,
      about: 'The id of the follower that fetches; -1 for a consumer.',
    }),
    field('replicaState', 'ReplicaState', '15+', { tag: 1, about: 'In version 15+ instead of replicaId.' }, [
      field('replicaId', 'int32', '15+', { default: -1 }),
      field('replicaEpoch', 'int64', '15+', { default: -1 }),
    ]),
    field('maxWaitMs', 'int32', '0+', { about: 'How long to wait for minBytes.' }),
    field('minBytes', 'int32', '0+'),
    field('maxBytes', 'int32', '3+', {
      default: 2147483647,
      ignorable: true,
      about: 'A soft limit: the first batch is sent whatever its size.',
    }),
    field('isolationLevel', 'int8', '4+', { ignorable: true, about: '0: read uncommitted; 1: read committed.' }),
    field('sessionId', 'int32', '7+', { ignorable: true, about: '0: no session, or begin one.' }),
    field('sessionEpoch', 'int32', '7+', { default: -1, ignorable: true, about: '-1: no session; 0: begin one.' }),
    field('topics', '[]FetchTopic', '0+', [
      field('topic', 'string', '0-12', { ignorable: true }),
      field('topicId', 'uuid', '13+', { ignorable: true }),
      field('partitions', '[]FetchPartition', '0+', [
        field('partition', 'int32', '0+'),
        field('currentLeaderEpoch', 'int32', '9+', {
          default: -1,
          ignorable: true,
          about: 'The epoch the reader believes in; -1 if it does not know.',
        }),
        field('fetchOffset', 'int64', '0+'),
        field('lastFetchedEpoch', 'int32', '12+', {
          default: -1,
          about: 'The epoch of the last record the follower has; -1 for a consumer.',
        }),
        field('logStartOffset', 'int64', '5+', {
          default: -1,
          ignorable: true,
          about: 'The log start offset of the follower; -1 for a consumer.',
        }),
        field('partitionMaxBytes', 'int32', '0+'),
        field('replicaDirectoryId', 'uuid', '17+', { tag: 0, ignorable: true }),
        field('highWatermark', 'int64', '18+', {
          tag: 1,
          default: 2 ** 63,
          ignorable: true,
          about:
            'Up to where the reader knows what is committed; -1 if it does not know, the largest number if it does not tell.',
        }),
      ]),
    ]),
    field(
      'forgottenTopicsData',
      '[]ForgottenTopic',
      '7+',
      { about: 'In an incremental fetch: what to take out of the session.' },
      [
        field('topic', 'string', '7-12', { ignorable: true }),
        field('topicId', 'uuid', '13+', { ignorable: true }),
        field('partitions', '[]int32', '7+'),
      ],
    ),
    field('rackId', 'string', '11+', { ignorable: true }),
  ],
  response: [
    field('throttleTimeMs', 'int32', '1+', { default: 0, ignorable: true }),
    field('errorCode', 'int16', '7+', { ignorable: true }),
    field('sessionId', 'int32', '7+', { about: '0 if the broker keeps no session.' }),
    field('responses', '[]FetchableTopicResponse', '0+', [
      field('topic', 'string', '0-12', { ignorable: true }),
      field('topicId', 'uuid', '13+', { ignorable: true }),
      field('partitions', '[]PartitionData', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('errorCode', 'int16', '0+'),
        field('highWatermark', 'int64', '0+'),
        field('lastStableOffset', 'int64', '4+', {
          default: -1,
          ignorable: true,
          about: 'All transactions before it are decided; -1 if unknown.',
        }),
        field('logStartOffset', 'int64', '5+', { default: -1, ignorable: true }),
        field(
          'divergingEpoch',
          'EpochEndOffset',
          '12+',
          { tag: 0, about: 'Set if the logs of leader and follower differ: the follower must truncate.' },
          [field('epoch', 'int32', '12+', { default: -1 }), field('endOffset', 'int64', '12+', { default: -1 })],
        ),
        field(
          'currentLeader',
          'LeaderIdAndEpoch',
          '12+',
          { tag: 1, about: 'A hint that travels with NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH.' },
          [field('leaderId', 'int32', '12+', { default: -1 }), field('leaderEpoch', 'int32', '12+', { default: -1 })],
        ),
        field('snapshotId', 'SnapshotId', '12+', { tag: 2 }, [
          field('endOffset', 'int64', '0+', { default: -1 }),
          field('epoch', 'int32', '0+', { default: -1 }),
        ]),
        field(
          'abortedTransactions',
          '[]AbortedTransaction',
          '4+',
          { nullable: '4+', ignorable: true, about: 'Null when reading uncommitted.' },
          [field('producerId', 'int64', '4+'), field('firstOffset', 'int64', '4+')],
        ),
        field('preferredReadReplica', 'int32', '11+', {
          default: -1,
          about: 'The broker a consumer should read from; -1 for the leader.',
        }),
        field('records', 'records', '0+', {
          nullable: '0+',
          about: 'Record batches; on decoding a view of the frame. The last one may be cut off.',
        }),
      ]),
    ]),
    field('nodeEndpoints', '[]NodeEndpoint', '16+', { tag: 0 }, [
      field('nodeId', 'int32', '16+'),
      field('host', 'string', '16+'),
      field('port', 'int32', '16+'),
      field('rack', 'string', '16+', { nullable: '16+', default: null }),
    ]),
  ],
});
