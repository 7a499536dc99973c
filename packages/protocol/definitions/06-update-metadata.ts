import { api, field, struct } from './dsl.ts';

export const updateMetadata = api(6, 'UpdateMetadata', {
  about: 'UpdateMetadata is how a controller hands the state of the cluster to every broker.',
  changes: {
    1: 'listeners with security protocols',
    2: 'racks',
    3: 'names of listeners',
    4: 'offline replicas',
    5: 'broker epochs; partitions are grouped by topic',
    6: 'flexible',
    7: 'topic ids',
    8: 'the sender may be a KRaft controller; full or incremental',
  },
  versions: '0-8',
  flexible: '6+',
  request: {
    structs: [
      struct('UpdateMetadataPartitionState', [
        field('topicName', 'string', '0-4', { ignorable: true }),
        field('partitionIndex', 'int32', '0+'),
        field('controllerEpoch', 'int32', '0+'),
        field('leader', 'int32', '0+'),
        field('leaderEpoch', 'int32', '0+'),
        field('isr', '[]int32', '0+'),
        field('zkVersion', 'int32', '0+'),
        field('replicas', '[]int32', '0+'),
        field('offlineReplicas', '[]int32', '4+', { ignorable: true }),
      ]),
    ],
    fields: [
      field('controllerId', 'int32', '0+'),
      field('isKRaftController', 'bool', '8+'),
      field('type', 'int8', '8+', { tag: 0, about: '0: unknown; 1: incremental; 2: full.' }),
      field('controllerEpoch', 'int32', '0+'),
      field('brokerEpoch', 'int64', '5+', { default: -1, ignorable: true }),
      field('ungroupedPartitionStates', '[]UpdateMetadataPartitionState', '0-4'),
      field('topicStates', '[]UpdateMetadataTopicState', '5+', [
        field('topicName', 'string', '5+'),
        field('topicId', 'uuid', '7+', { ignorable: true }),
        field('partitionStates', '[]UpdateMetadataPartitionState', '5+'),
      ]),
      field('liveBrokers', '[]UpdateMetadataBroker', '0+', [
        field('id', 'int32', '0+'),
        field('v0Host', 'string', '0', { ignorable: true }),
        field('v0Port', 'int32', '0', { ignorable: true }),
        field('endpoints', '[]UpdateMetadataEndpoint', '1+', { ignorable: true }, [
          field('port', 'int32', '1+'),
          field('host', 'string', '1+'),
          field('listener', 'string', '3+', { ignorable: true }),
          field('securityProtocol', 'int16', '1+'),
        ]),
        field('rack', 'string', '2+', { nullable: '0+', ignorable: true }),
      ]),
    ],
  },
  response: [field('errorCode', 'int16', '0+')],
});
