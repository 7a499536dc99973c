import { api, field } from './dsl.ts';

export const listPartitionReassignments = api(46, 'ListPartitionReassignments', {
  about: 'ListPartitionReassignments lists the moves in progress (KIP-455).',
  versions: '0',
  flexible: '0+',
  request: [
    field('timeoutMs', 'int32', '0+', { default: 60000 }),
    field('topics', '[]ListPartitionReassignmentsTopics', '0+', { nullable: '0+', default: null }, [
      field('name', 'string', '0+'),
      field('partitionIndexes', '[]int32', '0+'),
    ]),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('errorCode', 'int16', '0+'),
    field('errorMessage', 'string', '0+', { nullable: '0+' }),
    field('topics', '[]OngoingTopicReassignment', '0+', [
      field('name', 'string', '0+'),
      field('partitions', '[]OngoingPartitionReassignment', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('replicas', '[]int32', '0+'),
        field('addingReplicas', '[]int32', '0+'),
        field('removingReplicas', '[]int32', '0+'),
      ]),
    ]),
  ],
});
