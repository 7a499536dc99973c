import { api, field } from './dsl.ts';

export const renewDelegationToken = api(39, 'RenewDelegationToken', {
  about: 'RenewDelegationToken lets a delegation token live longer.',
  changes: {
    2: 'flexible',
  },
  versions: '0-2',
  flexible: '2+',
  request: [field('hmac', 'bytes', '0+'), field('renewPeriodMs', 'int64', '0+')],
  response: [
    field('errorCode', 'int16', '0+'),
    field('expiryTimestampMs', 'int64', '0+'),
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
  ],
});
