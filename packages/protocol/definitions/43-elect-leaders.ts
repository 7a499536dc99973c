import { api, field } from './dsl.ts';

export const electLeaders = api(43, 'ElectLeaders', {
  about: 'TODO.',
  versions: '0-2',
  flexible: '2+',
  request: [
    field('electionType', 'int8', '1+'),
    field('topicPartitions', '[]TopicPartitions', '0+', { nullable: '0+' }, [
      field('topic', 'string', '0+'),
      field('partitions', '[]int32', '0+'),
    ]),
    field('timeoutMs', 'int32', '0+', { default: 60000 }),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+'),
    field('errorCode', 'int16', '1+'),
    field('replicaElectionResults', '[]ReplicaElectionResult', '0+', [
      field('topic', 'string', '0+'),
      field('partitionResult', '[]PartitionResult', '0+', [
        field('partitionId', 'int32', '0+'),
        field('errorCode', 'int16', '0+'),
        field('errorMessage', 'string', '0+', { nullable: '0+' }),
      ]),
    ]),
  ],
});
