import { api, field, struct } from './dsl.ts';

export const leaderAndIsr = api(4, 'LeaderAndIsr', {
  about: 'LeaderAndIsr is how a controller tells a broker which partitions it leads or follows.',
  changes: {
    1: 'new partitions are marked',
    2: 'partitions are grouped by topic; broker epochs',
    3: 'reassignments in progress',
    4: 'flexible',
    5: 'topic ids; incremental or full',
    6: 'leader recovery state',
    7: 'the sender may be a KRaft controller',
  },
  versions: '0-7',
  flexible: '4+',
  request: {
    structs: [
      struct('LeaderAndIsrPartitionState', [
        field('topicName', 'string', '0-1', { ignorable: true }),
        field('partitionIndex', 'int32', '0+'),
        field('controllerEpoch', 'int32', '0+'),
        field('leader', 'int32', '0+'),
        field('leaderEpoch', 'int32', '0+'),
        field('isr', '[]int32', '0+'),
        field('partitionEpoch', 'int32', '0+'),
        field('replicas', '[]int32', '0+'),
        field('addingReplicas', '[]int32', '3+', { ignorable: true }),
        field('removingReplicas', '[]int32', '3+', { ignorable: true }),
        field('isNew', 'bool', '1+', { ignorable: true }),
        field('leaderRecoveryState', 'int8', '6+'),
      ]),
    ],
    fields: [
      field('controllerId', 'int32', '0+'),
      field('isKRaftController', 'bool', '7+'),
      field('controllerEpoch', 'int32', '0+'),
      field('brokerEpoch', 'int64', '2+', { default: -1, ignorable: true }),
      field('type', 'int8', '5+', { about: '0: unknown; 1: incremental; 2: full.' }),
      field('ungroupedPartitionStates', '[]LeaderAndIsrPartitionState', '0-1'),
      field('topicStates', '[]LeaderAndIsrTopicState', '2+', [
        field('topicName', 'string', '2+'),
        field('topicId', 'uuid', '5+', { ignorable: true }),
        field('partitionStates', '[]LeaderAndIsrPartitionState', '2+'),
      ]),
      field('liveLeaders', '[]LeaderAndIsrLiveLeader', '0+', [
        field('brokerId', 'int32', '0+'),
        field('hostName', 'string', '0+'),
        field('port', 'int32', '0+'),
      ]),
    ],
  },
  response: {
    structs: [
      struct('LeaderAndIsrPartitionError', [
        field('topicName', 'string', '0-4', { ignorable: true }),
        field('partitionIndex', 'int32', '0+'),
        field('errorCode', 'int16', '0+'),
      ]),
    ],
    fields: [
      field('errorCode', 'int16', '0+'),
      field('partitionErrors', '[]LeaderAndIsrPartitionError', '0-4'),
      field('topics', '[]LeaderAndIsrTopicError', '5+', [
        field('topicId', 'uuid', '5+'),
        field('partitionErrors', '[]LeaderAndIsrPartitionError', '5+'),
      ]),
    ],
  },
});
