import { api, field } from './dsl.ts';

export const electLeaders = api(43, 'ElectLeaders', {
  about:
    'ElectLeaders makes the controller elect leaders: the preferred ones, or any replica at the price of losing records.',
  changes: {
    1: 'unclean elections (KIP-460)',
    2: 'flexible',
  },
  versions: '0-2',
  flexible: '2+',
  request: [
    field('electionType', 'int8', '1+', { about: '0: preferred; 1: unclean.' }),
    field('topicPartitions', '[]TopicPartitions', '0+', { nullable: '0+', about: 'Null asks for all.' }, [
      field('topic', 'string', '0+'),
      field('partitions', '[]int32', '0+'),
    ]),
    field('timeoutMs', 'int32', '0+', { default: 60000 }),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
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
