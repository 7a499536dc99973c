import { api, field } from './dsl.ts';

export const produce = api(0, 'Produce', {
  about: 'TODO.',
  versions: '0-11',
  flexible: '9+',
  request: [
    field('transactionalId', 'string', '3+', { nullable: '3+', default: null }),
    field('acks', 'int16', '0+'),
    field('timeoutMs', 'int32', '0+'),
    field('topicData', '[]TopicProduceData', '0+', [
      field('name', 'string', '0+'),
      field('partitionData', '[]PartitionProduceData', '0+', [
        field('index', 'int32', '0+'),
        field('records', 'records', '0+', { nullable: '0+' }),
      ]),
    ]),
  ],
  response: [
    field('responses', '[]TopicProduceResponse', '0+', [
      field('name', 'string', '0+'),
      field('partitionResponses', '[]PartitionProduceResponse', '0+', [
        field('index', 'int32', '0+'),
        field('errorCode', 'int16', '0+'),
        field('baseOffset', 'int64', '0+'),
        field('logAppendTimeMs', 'int64', '2+', { default: -1, ignorable: true }),
        field('logStartOffset', 'int64', '5+', { default: -1, ignorable: true }),
        field('recordErrors', '[]BatchIndexAndErrorMessage', '8+', { ignorable: true }, [
          field('batchIndex', 'int32', '8+'),
          field('batchIndexErrorMessage', 'string', '8+', { nullable: '8+', default: null }),
        ]),
        field('errorMessage', 'string', '8+', { nullable: '8+', default: null, ignorable: true }),
        field('currentLeader', 'LeaderIdAndEpoch', '10+', { tag: 0 }, [
          field('leaderId', 'int32', '10+', { default: -1 }),
          field('leaderEpoch', 'int32', '10+', { default: -1 }),
        ]),
      ]),
    ]),
    field('throttleTimeMs', 'int32', '1+', { ignorable: true }),
    field('nodeEndpoints', '[]NodeEndpoint', '10+', { tag: 0 }, [
      field('nodeId', 'int32', '10+'),
      field('host', 'string', '10+'),
      field('port', 'int32', '10+'),
      field('rack', 'string', '10+', { nullable: '10+', default: null }),
    ]),
  ],
});
