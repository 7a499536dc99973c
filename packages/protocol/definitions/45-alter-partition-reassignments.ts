import { api, field } from './dsl.ts';

export const alterPartitionReassignments = api(45, 'AlterPartitionReassignments', {
  about: 'AlterPartitionReassignments starts or cancels the move of partitions to other brokers (KIP-455).',
  versions: '0',
  flexible: '0+',
  request: [
    field('timeoutMs', 'int32', '0+', { default: 60000 }),
    field('topics', '[]ReassignableTopic', '0+', [
      field('name', 'string', '0+'),
      field('partitions', '[]ReassignablePartition', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('replicas', '[]int32', '0+', { nullable: '0+', default: null, about: 'Null cancels.' }),
      ]),
    ]),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('errorCode', 'int16', '0+'),
    field('errorMessage', 'string', '0+', { nullable: '0+' }),
    field('responses', '[]ReassignableTopicResponse', '0+', [
      field('name', 'string', '0+'),
      field('partitions', '[]ReassignablePartitionResponse', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('errorCode', 'int16', '0+'),
        field('errorMessage', 'string', '0+', { nullable: '0+' }),
      ]),
    ]),
  ],
});
