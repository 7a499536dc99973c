import { api, field } from './dsl.ts';

export const syncGroup = api(14, 'SyncGroup', {
  about: "SyncGroup hands in the leader's assignment and hands out each member's part of it.",
  changes: {
    1: 'throttle time',
    3: 'static members',
    4: 'flexible',
    5: 'protocol type and name are compared',
  },
  versions: '0-5',
  flexible: '4+',
  request: [
    field('groupId', 'string', '0+'),
    field('generationId', 'int32', '0+'),
    field('memberId', 'string', '0+'),
    field('groupInstanceId', 'string', '3+', { nullable: '3+', default: null }),
    field('protocolType', 'string', '5+', { nullable: '5+', default: null, ignorable: true }),
    field('protocolName', 'string', '5+', { nullable: '5+', default: null, ignorable: true }),
    field('assignments', '[]SyncGroupRequestAssignment', '0+', [
      field('memberId', 'string', '0+'),
      field('assignment', 'bytes', '0+'),
    ]),
  ],
  response: [
    field('throttleTimeMs', 'int32', '1+', { default: 0, ignorable: true }),
    field('errorCode', 'int16', '0+'),
    field('protocolType', 'string', '5+', { nullable: '5+', default: null, ignorable: true }),
    field('protocolName', 'string', '5+', { nullable: '5+', default: null, ignorable: true }),
    field('assignment', 'bytes', '0+'),
  ],
});
