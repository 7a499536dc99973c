import { api, field } from './dsl.ts';

export const shareFetch = api(78, 'ShareFetch', {
  about: 'ShareFetch acquires records for a member of a share group (KIP-932, not yet stable).',
  versions: '0',
  flexible: '0+',
  request: [
    field('groupId', 'string', '0+', { nullable: '0+', default: null }),
    field('memberId', 'string', '0+', { nullable: '0+' }),
    field('shareSessionEpoch', 'int32', '0+'),
    field('maxWaitMs', 'int32', '0+'),
    field('minBytes', 'int32', '0+'),
    field('maxBytes', 'int32', '0+', { default: 2147483647 }),
    field('topics', '[]FetchTopic', '0+', [
      field('topicId', 'uuid', '0+'),
      field('partitions', '[]FetchPartition', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('partitionMaxBytes', 'int32', '0+'),
        field('acknowledgementBatches', '[]AcknowledgementBatch', '0+', [
          field('firstOffset', 'int64', '0+'),
          field('lastOffset', 'int64', '0+'),
          field('acknowledgeTypes', '[]int8', '0+'),
        ]),
      ]),
    ]),
    field('forgottenTopicsData', '[]ForgottenTopic', '0+', [
      field('topicId', 'uuid', '0+'),
      field('partitions', '[]int32', '0+'),
    ]),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('errorCode', 'int16', '0+'),
    field('errorMessage', 'string', '0+', { nullable: '0+', default: null }),
    field('responses', '[]ShareFetchableTopicResponse', '0+', [
      field('topicId', 'uuid', '0+'),
      field('partitions', '[]PartitionData', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('errorCode', 'int16', '0+'),
        field('errorMessage', 'string', '0+', { nullable: '0+', default: null }),
        field('acknowledgeErrorCode', 'int16', '0+'),
        field('acknowledgeErrorMessage', 'string', '0+', { nullable: '0+', default: null }),
        field('currentLeader', 'LeaderIdAndEpoch', '0+', [
          field('leaderId', 'int32', '0+'),
          field('leaderEpoch', 'int32', '0+'),
        ]),
        field('records', 'records', '0+', { nullable: '0+' }),
        field('acquiredRecords', '[]AcquiredRecords', '0+', [
          field('firstOffset', 'int64', '0+'),
          field('lastOffset', 'int64', '0+'),
          field('deliveryCount', 'int16', '0+'),
        ]),
      ]),
    ]),
    field('nodeEndpoints', '[]NodeEndpoint', '0+', [
      field('nodeId', 'int32', '0+'),
      field('host', 'string', '0+'),
      field('port', 'int32', '0+'),
      field('rack', 'string', '0+', { nullable: '0+', default: null }),
    ]),
  ],
});
