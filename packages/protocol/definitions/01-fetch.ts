import { api, field } from './dsl.ts';

export const fetch = api(1, 'Fetch', {
  about: 'TODO.',
  versions: '0-17',
  flexible: '12+',
  request: [
    field('clusterId', 'string', '12+', { nullable: '12+', default: null, tag: 0, ignorable: true }),
    field('replicaId', 'int32', '0-14', { default: -1 }),
    field('replicaState', 'ReplicaState', '15+', { tag: 1 }, [
      field('replicaId', 'int32', '15+', { default: -1 }),
      field('replicaEpoch', 'int64', '15+', { default: -1 }),
    ]),
    field('maxWaitMs', 'int32', '0+'),
    field('minBytes', 'int32', '0+'),
    field('maxBytes', 'int32', '3+', { default: 2147483647, ignorable: true }),
    field('isolationLevel', 'int8', '4+', { ignorable: true }),
    field('sessionId', 'int32', '7+', { ignorable: true }),
    field('sessionEpoch', 'int32', '7+', { default: -1, ignorable: true }),
    field('topics', '[]FetchTopic', '0+', [
      field('topic', 'string', '0-12', { ignorable: true }),
      field('topicId', 'uuid', '13+', { ignorable: true }),
      field('partitions', '[]FetchPartition', '0+', [
        field('partition', 'int32', '0+'),
        field('currentLeaderEpoch', 'int32', '9+', { default: -1, ignorable: true }),
        field('fetchOffset', 'int64', '0+'),
        field('lastFetchedEpoch', 'int32', '12+', { default: -1 }),
        field('logStartOffset', 'int64', '5+', { default: -1, ignorable: true }),
        field('partitionMaxBytes', 'int32', '0+'),
        field('replicaDirectoryId', 'uuid', '17+', { tag: 0, ignorable: true }),
      ]),
    ]),
    field('forgottenTopicsData', '[]ForgottenTopic', '7+', [
      field('topic', 'string', '7-12', { ignorable: true }),
      field('topicId', 'uuid', '13+', { ignorable: true }),
      field('partitions', '[]int32', '7+'),
    ]),
    field('rackId', 'string', '11+', { ignorable: true }),
  ],
  response: [
    field('throttleTimeMs', 'int32', '1+', { ignorable: true }),
    field('errorCode', 'int16', '7+', { ignorable: true }),
    field('sessionId', 'int32', '7+'),
    field('responses', '[]FetchableTopicResponse', '0+', [
      field('topic', 'string', '0-12', { ignorable: true }),
      field('topicId', 'uuid', '13+', { ignorable: true }),
      field('partitions', '[]PartitionData', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('errorCode', 'int16', '0+'),
        field('highWatermark', 'int64', '0+'),
        field('lastStableOffset', 'int64', '4+', { default: -1, ignorable: true }),
        field('logStartOffset', 'int64', '5+', { default: -1, ignorable: true }),
        field('divergingEpoch', 'EpochEndOffset', '12+', { tag: 0 }, [
          field('epoch', 'int32', '12+', { default: -1 }),
          field('endOffset', 'int64', '12+', { default: -1 }),
        ]),
        field('currentLeader', 'LeaderIdAndEpoch', '12+', { tag: 1 }, [
          field('leaderId', 'int32', '12+', { default: -1 }),
          field('leaderEpoch', 'int32', '12+', { default: -1 }),
        ]),
        field('snapshotId', 'SnapshotId', '12+', { tag: 2 }, [
          field('endOffset', 'int64', '0+', { default: -1 }),
          field('epoch', 'int32', '0+', { default: -1 }),
        ]),
        field('abortedTransactions', '[]AbortedTransaction', '4+', { nullable: '4+', ignorable: true }, [
          field('producerId', 'int64', '4+'),
          field('firstOffset', 'int64', '4+'),
        ]),
        field('preferredReadReplica', 'int32', '11+', { default: -1 }),
        field('records', 'records', '0+', { nullable: '0+' }),
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
