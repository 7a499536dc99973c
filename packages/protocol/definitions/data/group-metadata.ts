/**
 * A classic group with its members as `__consumer_offsets` keeps it.
 */
import { field, message, struct } from '../dsl.ts';

export const groupMetadataKey = message('GroupMetadataKey', {
  about: 'The key of a classic group.',
  versions: '2',
  flexible: 'none',
  body: [field('group', 'string', '2')],
});

export const groupMetadataValue = message('GroupMetadataValue', {
  about: 'The value of a classic group: its generation and its members.',
  versions: '0-4',
  flexible: '4+',
  body: {
    structs: [
      struct('MemberMetadata', [
        field('memberId', 'string', '0+'),
        field('groupInstanceId', 'string', '3+', { nullable: '3+', default: null, ignorable: true }),
        field('clientId', 'string', '0+'),
        field('clientHost', 'string', '0+'),
        field('rebalanceTimeout', 'int32', '1+', { default: -1, ignorable: true }),
        field('sessionTimeout', 'int32', '0+'),
        field('subscription', 'bytes', '0+'),
        field('assignment', 'bytes', '0+'),
      ]),
    ],
    fields: [
      field('protocolType', 'string', '0+'),
      field('generation', 'int32', '0+'),
      field('protocol', 'string', '0+', { nullable: '0+' }),
      field('leader', 'string', '0+', { nullable: '0+' }),
      field('currentStateTimestamp', 'int64', '2+', {
        default: -1,
        ignorable: true,
        about: 'When the group entered its state; the retention of offsets counts from it.',
      }),
      field('members', '[]MemberMetadata', '0+'),
    ],
  },
});
