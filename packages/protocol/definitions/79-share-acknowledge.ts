import { api, field } from './dsl.ts';

export const shareAcknowledge = api(79, 'ShareAcknowledge', {
  about: 'ShareAcknowledge settles records that a member of a share group acquired (KIP-932, not yet stable).',
  versions: '0',
  flexible: '0+',
  request: [
    field('groupId', 'string', '0+', { nullable: '0+', default: null }),
    field('memberId', 'string', '0+', { nullable: '0+' }),
    field('shareSessionEpoch', 'int32', '0+'),
    field('topics', '[]AcknowledgeTopic', '0+', [
      field('topicId', 'uuid', '0+'),
      field('partitions', '[]AcknowledgePartition', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('acknowledgementBatches', '[]AcknowledgementBatch', '0+', [
          field('firstOffset', 'int64', '0+'),
          field('lastOffset', 'int64', '0+'),
          field('acknowledgeTypes', '[]int8', '0+'),
        ]),
      ]),
    ]),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0, ignorable: true }),
    field('errorCode', 'int16', '0+', { ignorable: true }),
    field('errorMessage', 'string', '0+', { nullable: '0+', default: null }),
    field('responses', '[]ShareAcknowledgeTopicResponse', '0+', [
      field('topicId', 'uuid', '0+', { ignorable: true }),
      field('partitions', '[]PartitionData', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('errorCode', 'int16', '0+'),
        field('errorMessage', 'string', '0+', { nullable: '0+', default: null }),
        field('currentLeader', 'LeaderIdAndEpoch', '0+', [
          field('leaderId', 'int32', '0+'),
          field('leaderEpoch', 'int32', '0+'),
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
