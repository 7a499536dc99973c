import { api, field } from './dsl.ts';

export const expireDelegationToken = api(40, 'ExpireDelegationToken', {
  about: 'ExpireDelegationToken lets a delegation token end sooner.',
  changes: {
    2: 'flexible',
  },
  versions: '0-2',
  flexible: '2+',
  request: [field('hmac', 'bytes', '0+'), field('expiryTimePeriodMs', 'int64', '0+')],
  response: [
    field('errorCode', 'int16', '0+'),
    field('expiryTimestampMs', 'int64', '0+'),
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
  ],
});
