import { api, field } from './dsl.ts';

export const produce = api(0, 'Produce', {
  about: 'Produce appends record batches to partitions; with acks 0 it has no response at all.',
  changes: {
    1: 'the response carries a throttle time',
    2: 'the response carries the log append time (message format 1)',
    3: 'record batches (message format 2) and transactions',
    5: 'log start offset',
    7: 'zstd is allowed',
    8: 'errors of single records',
    9: 'flexible',
    10: 'the new leader travels with NOT_LEADER_OR_FOLLOWER (KIP-951)',
    11: 'unknown transactional states are told apart (KIP-890)',
    12: 'the leader adds partitions to their transaction (KIP-890)',
  },
  versions: '0-12',
  flexible: '9+',
  request: [
    field('transactionalId', 'string', '3+', {
      nullable: '3+',
      default: null,
      about: 'Null unless the batches belong to a transaction.',
    }),
    field('acks', 'int16', '0+', { about: '0: none, and no response; 1: the leader; -1: all in-sync replicas.' }),
    field('timeoutMs', 'int32', '0+', { about: 'How long to wait for the in-sync replicas.' }),
    field('topicData', '[]TopicProduceData', '0+', [
      field('name', 'string', '0+'),
      field('partitionData', '[]PartitionProduceData', '0+', [
        field('index', 'int32', '0+'),
        field('records', 'records', '0+', {
          nullable: '0+',
          about: 'Record batches; on decoding a view of the frame.',
        }),
      ]),
    ]),
  ],
  response: [
    field('responses', '[]TopicProduceResponse', '0+', [
      field('name', 'string', '0+'),
      field('partitionResponses', '[]PartitionProduceResponse', '0+', [
        field('index', 'int32', '0+'),
        field('errorCode', 'int16', '0+'),
        field('baseOffset', 'int64', '0+', { about: 'The offset of the first record; -1 on error.' }),
        field('logAppendTimeMs', 'int64', '2+', {
          default: -1,
          ignorable: true,
          about: '-1 unless the topic keeps log append time.',
        }),
        field('logStartOffset', 'int64', '5+', { default: -1, ignorable: true }),
        field(
          'recordErrors',
          '[]BatchIndexAndErrorMessage',
          '8+',
          { ignorable: true, about: 'The records that made the batch be refused.' },
          [
            field('batchIndex', 'int32', '8+', { about: 'The position of the record in the batch.' }),
            field('batchIndexErrorMessage', 'string', '8+', { nullable: '8+', default: null }),
          ],
        ),
        field('errorMessage', 'string', '8+', { nullable: '8+', default: null, ignorable: true }),
        field('currentLeader', 'LeaderIdAndEpoch', '10+', { tag: 0 }, [
          field('leaderId', 'int32', '10+', { default: -1 }),
          field('leaderEpoch', 'int32', '10+', { default: -1 }),
        ]),
      ]),
    ]),
    field('throttleTimeMs', 'int32', '1+', { default: 0, ignorable: true }),
    field(
      'nodeEndpoints',
      '[]NodeEndpoint',
      '10+',
      { tag: 0, about: 'Where the leaders are that currentLeader names.' },
      [
        field('nodeId', 'int32', '10+'),
        field('host', 'string', '10+'),
        field('port', 'int32', '10+'),
        field('rack', 'string', '10+', { nullable: '10+', default: null }),
      ],
    ),
  ],
});
