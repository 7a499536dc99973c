import { api, field } from './dsl.ts';

export const leaveGroup = api(13, 'LeaveGroup', {
  about: 'LeaveGroup takes members out of a group.',
  changes: {
    1: 'throttle time',
    3: 'several members at once, static ones included',
    4: 'flexible',
    5: 'the client says why it leaves',
  },
  versions: '0-5',
  flexible: '4+',
  request: [
    field('groupId', 'string', '0+'),
    field('memberId', 'string', '0-2'),
    field('members', '[]MemberIdentity', '3+', [
      field('memberId', 'string', '3+'),
      field('groupInstanceId', 'string', '3+', { nullable: '3+', default: null }),
      field('reason', 'string', '5+', { nullable: '5+', default: null, ignorable: true }),
    ]),
  ],
  response: [
    field('throttleTimeMs', 'int32', '1+', { default: 0, ignorable: true }),
    field('errorCode', 'int16', '0+'),
    field('members', '[]MemberResponse', '3+', [
      field('memberId', 'string', '3+'),
      field('groupInstanceId', 'string', '3+', { nullable: '3+' }),
      field('errorCode', 'int16', '3+'),
    ]),
  ],
});
