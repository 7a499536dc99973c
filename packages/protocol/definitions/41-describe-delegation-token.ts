import { api, field } from './dsl.ts';

export const describeDelegationToken = api(41, 'DescribeDelegationToken', {
  about: 'DescribeDelegationToken lists delegation tokens.',
  changes: {
    2: 'flexible',
    3: 'who asked for the token',
  },
  versions: '0-3',
  flexible: '2+',
  request: [
    field('owners', '[]DescribeDelegationTokenOwner', '0+', { nullable: '0+' }, [
      field('principalType', 'string', '0+'),
      field('principalName', 'string', '0+'),
    ]),
  ],
  response: [
    field('errorCode', 'int16', '0+'),
    field('tokens', '[]DescribedDelegationToken', '0+', [
      field('principalType', 'string', '0+'),
      field('principalName', 'string', '0+'),
      field('tokenRequesterPrincipalType', 'string', '3+'),
      field('tokenRequesterPrincipalName', 'string', '3+'),
      field('issueTimestamp', 'int64', '0+'),
      field('expiryTimestamp', 'int64', '0+'),
      field('maxTimestamp', 'int64', '0+'),
      field('tokenId', 'string', '0+'),
      field('hmac', 'bytes', '0+'),
      field('renewers', '[]DescribedDelegationTokenRenewer', '0+', [
        field('principalType', 'string', '0+'),
        field('principalName', 'string', '0+'),
      ]),
    ]),
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
  ],
});
