import { api, field } from './dsl.ts';

export const alterUserScramCredentials = api(51, 'AlterUserScramCredentials', {
  about: 'AlterUserScramCredentials sets and deletes SCRAM passwords (KIP-554).',
  versions: '0',
  flexible: '0+',
  request: [
    field('deletions', '[]ScramCredentialDeletion', '0+', [
      field('name', 'string', '0+'),
      field('mechanism', 'int8', '0+'),
    ]),
    field('upsertions', '[]ScramCredentialUpsertion', '0+', [
      field('name', 'string', '0+'),
      field('mechanism', 'int8', '0+'),
      field('iterations', 'int32', '0+'),
      field('salt', 'bytes', '0+'),
      field('saltedPassword', 'bytes', '0+'),
    ]),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('results', '[]AlterUserScramCredentialsResult', '0+', [
      field('user', 'string', '0+'),
      field('errorCode', 'int16', '0+'),
      field('errorMessage', 'string', '0+', { nullable: '0+' }),
    ]),
  ],
});
