import { api, field } from './dsl.ts';

export const describeUserScramCredentials = api(50, 'DescribeUserScramCredentials', {
  about: 'DescribeUserScramCredentials lists whose SCRAM passwords are known (KIP-554).',
  versions: '0',
  flexible: '0+',
  request: [field('users', '[]UserName', '0+', { nullable: '0+' }, [field('name', 'string', '0+')])],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('errorCode', 'int16', '0+'),
    field('errorMessage', 'string', '0+', { nullable: '0+' }),
    field('results', '[]DescribeUserScramCredentialsResult', '0+', [
      field('user', 'string', '0+'),
      field('errorCode', 'int16', '0+'),
      field('errorMessage', 'string', '0+', { nullable: '0+' }),
      field('credentialInfos', '[]CredentialInfo', '0+', [
        field('mechanism', 'int8', '0+'),
        field('iterations', 'int32', '0+'),
      ]),
    ]),
  ],
});
