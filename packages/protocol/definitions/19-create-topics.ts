import { api, field } from './dsl.ts';

export const createTopics = api(19, 'CreateTopics', {
  about: 'CreateTopics creates topics, through the controller.',
  changes: {
    1: 'a dry run',
    2: 'throttle time',
    4: 'partitions and replication factor may be left to the broker (-1)',
    5: 'flexible; the response describes the topic',
    6: 'THROTTLING_QUOTA_EXCEEDED as an answer',
    7: 'topic ids',
  },
  versions: '0-7',
  flexible: '5+',
  request: [
    field('topics', '[]CreatableTopic', '0+', [
      field('name', 'string', '0+'),
      field('numPartitions', 'int32', '0+', { about: "-1 for the broker's default, or if assignments are given." }),
      field('replicationFactor', 'int16', '0+', { about: "-1 for the broker's default, or if assignments are given." }),
      field('assignments', '[]CreatableReplicaAssignment', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('brokerIds', '[]int32', '0+'),
      ]),
      field('configs', '[]CreatableTopicConfig', '0+', [
        field('name', 'string', '0+'),
        field('value', 'string', '0+', { nullable: '0+' }),
      ]),
    ]),
    field('timeoutMs', 'int32', '0+', { default: 60000 }),
    field('validateOnly', 'bool', '1+', { about: 'Check, but create nothing.' }),
  ],
  response: [
    field('throttleTimeMs', 'int32', '2+', { default: 0, ignorable: true }),
    field('topics', '[]CreatableTopicResult', '0+', [
      field('name', 'string', '0+'),
      field('topicId', 'uuid', '7+', { ignorable: true }),
      field('errorCode', 'int16', '0+'),
      field('errorMessage', 'string', '1+', { nullable: '0+', ignorable: true }),
      field('topicConfigErrorCode', 'int16', '5+', { tag: 0, ignorable: true }),
      field('numPartitions', 'int32', '5+', { default: -1, ignorable: true }),
      field('replicationFactor', 'int16', '5+', { default: -1, ignorable: true }),
      field('configs', '[]CreatableTopicConfigs', '5+', { nullable: '5+', ignorable: true }, [
        field('name', 'string', '5+'),
        field('value', 'string', '5+', { nullable: '5+' }),
        field('readOnly', 'bool', '5+'),
        field('configSource', 'int8', '5+', { default: -1, ignorable: true }),
        field('isSensitive', 'bool', '5+'),
      ]),
    ]),
  ],
});
