import { api, field } from './dsl.ts';

export const createDelegationToken = api(38, 'CreateDelegationToken', {
  about: 'CreateDelegationToken makes a token that others can log in with.',
  changes: {
    2: 'flexible',
    3: 'a token for somebody else',
  },
  versions: '0-3',
  flexible: '2+',
  request: [
    field('ownerPrincipalType', 'string', '3+', { nullable: '3+' }),
    field('ownerPrincipalName', 'string', '3+', { nullable: '3+' }),
    field('renewers', '[]CreatableRenewers', '0+', [
      field('principalType', 'string', '0+'),
      field('principalName', 'string', '0+'),
    ]),
    field('maxLifetimeMs', 'int64', '0+'),
  ],
  response: [
    field('errorCode', 'int16', '0+'),
    field('principalType', 'string', '0+'),
    field('principalName', 'string', '0+'),
    field('tokenRequesterPrincipalType', 'string', '3+'),
    field('tokenRequesterPrincipalName', 'string', '3+'),
    field('issueTimestampMs', 'int64', '0+'),
    field('expiryTimestampMs', 'int64', '0+'),
    field('maxTimestampMs', 'int64', '0+'),
    field('tokenId', 'string', '0+'),
    field('hmac', 'bytes', '0+'),
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
  ],
});
