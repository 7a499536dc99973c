import { api, field } from './dsl.ts';

export const offsetFetch = api(9, 'OffsetFetch', {
  about: 'OffsetFetch reads what a group has committed.',
  changes: {
    1: 'offsets in the broker instead of ZooKeeper',
    2: 'null asks for all topics; an error code for the whole',
    3: 'throttle time',
    5: 'leader epochs',
    6: 'flexible',
    7: 'waiting for open transactions',
    8: 'several groups at once',
    9: 'member epochs of the new group protocol (KIP-848)',
  },
  versions: '0-9',
  flexible: '6+',
  request: [
    field('groupId', 'string', '0-7'),
    field('topics', '[]OffsetFetchRequestTopic', '0-7', { nullable: '2-7', about: 'Null asks for all topics.' }, [
      field('name', 'string', '0-7'),
      field('partitionIndexes', '[]int32', '0-7'),
    ]),
    field('groups', '[]OffsetFetchRequestGroup', '8+', [
      field('groupId', 'string', '8+'),
      field('memberId', 'string', '9+', { nullable: '9+', default: null, ignorable: true }),
      field('memberEpoch', 'int32', '9+', { default: -1, ignorable: true }),
      field('topics', '[]OffsetFetchRequestTopics', '8+', { nullable: '8+', about: 'Null asks for all topics.' }, [
        field('name', 'string', '8+'),
        field('partitionIndexes', '[]int32', '8+'),
      ]),
    ]),
    field('requireStable', 'bool', '7+'),
  ],
  response: [
    field('throttleTimeMs', 'int32', '3+', { default: 0, ignorable: true }),
    field('topics', '[]OffsetFetchResponseTopic', '0-7', [
      field('name', 'string', '0-7'),
      field('partitions', '[]OffsetFetchResponsePartition', '0-7', [
        field('partitionIndex', 'int32', '0-7'),
        field('committedOffset', 'int64', '0-7'),
        field('committedLeaderEpoch', 'int32', '5-7', { default: -1, ignorable: true }),
        field('metadata', 'string', '0-7', { nullable: '0-7' }),
        field('errorCode', 'int16', '0-7'),
      ]),
    ]),
    field('errorCode', 'int16', '2-7', { ignorable: true }),
    field('groups', '[]OffsetFetchResponseGroup', '8+', [
      field('groupId', 'string', '8+'),
      field('topics', '[]OffsetFetchResponseTopics', '8+', [
        field('name', 'string', '8+'),
        field('partitions', '[]OffsetFetchResponsePartitions', '8+', [
          field('partitionIndex', 'int32', '8+'),
          field('committedOffset', 'int64', '8+'),
          field('committedLeaderEpoch', 'int32', '8+', { default: -1, ignorable: true }),
          field('metadata', 'string', '8+', { nullable: '8+' }),
          field('errorCode', 'int16', '8+'),
        ]),
      ]),
      field('errorCode', 'int16', '8+'),
    ]),
  ],
});
