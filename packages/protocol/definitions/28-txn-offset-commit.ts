import { api, field } from './dsl.ts';

export const txnOffsetCommit = api(28, 'TxnOffsetCommit', {
  about: 'TxnOffsetCommit commits offsets of a group as part of a transaction.',
  changes: {
    2: 'leader epochs',
    3: 'flexible; member, generation and instance fence the commit',
    4: 'TRANSACTION_ABORTABLE as an answer (KIP-890)',
    5: 'the coordinator of the group adds its partition to the transaction (KIP-890)',
  },
  versions: '0-5',
  flexible: '3+',
  request: [
    field('transactionalId', 'string', '0+'),
    field('groupId', 'string', '0+'),
    field('producerId', 'int64', '0+'),
    field('producerEpoch', 'int16', '0+'),
    field('generationId', 'int32', '3+', { default: -1 }),
    field('memberId', 'string', '3+'),
    field('groupInstanceId', 'string', '3+', { nullable: '3+', default: null }),
    field('topics', '[]TxnOffsetCommitRequestTopic', '0+', [
      field('name', 'string', '0+'),
      field('partitions', '[]TxnOffsetCommitRequestPartition', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('committedOffset', 'int64', '0+'),
        field('committedLeaderEpoch', 'int32', '2+', { default: -1, ignorable: true }),
        field('committedMetadata', 'string', '0+', { nullable: '0+' }),
      ]),
    ]),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('topics', '[]TxnOffsetCommitResponseTopic', '0+', [
      field('name', 'string', '0+'),
      field('partitions', '[]TxnOffsetCommitResponsePartition', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('errorCode', 'int16', '0+'),
      ]),
    ]),
  ],
});
