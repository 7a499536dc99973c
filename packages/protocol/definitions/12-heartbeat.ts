import { api, field } from './dsl.ts';

export const heartbeat = api(12, 'Heartbeat', {
  about: "Heartbeat keeps a member's session alive and tells it of a rebalance.",
  changes: {
    1: 'throttle time',
    3: 'static members',
    4: 'flexible',
  },
  versions: '0-4',
  flexible: '4+',
  request: [
    field('groupId', 'string', '0+'),
    field('generationId', 'int32', '0+'),
    field('memberId', 'string', '0+'),
    field('groupInstanceId', 'string', '3+', { nullable: '3+', default: null }),
  ],
  response: [
    field('throttleTimeMs', 'int32', '1+', { default: 0, ignorable: true }),
    field('errorCode', 'int16', '0+'),
  ],
});
