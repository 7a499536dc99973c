import { api, field } from './dsl.ts';

export const alterReplicaLogDirs = api(34, 'AlterReplicaLogDirs', {
  about: 'AlterReplicaLogDirs moves replicas between the log directories of one broker.',
  changes: {
    1: "throttle time counts on the client's side",
    2: 'flexible',
  },
  versions: '0-2',
  flexible: '2+',
  request: [
    field('dirs', '[]AlterReplicaLogDir', '0+', [
      field('path', 'string', '0+'),
      field('topics', '[]AlterReplicaLogDirTopic', '0+', [
        field('name', 'string', '0+'),
        field('partitions', '[]int32', '0+'),
      ]),
    ]),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('results', '[]AlterReplicaLogDirTopicResult', '0+', [
      field('topicName', 'string', '0+'),
      field('partitions', '[]AlterReplicaLogDirPartitionResult', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('errorCode', 'int16', '0+'),
      ]),
    ]),
  ],
});
