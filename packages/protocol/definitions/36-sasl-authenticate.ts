import { api, field } from './dsl.ts';

export const saslAuthenticate = api(36, 'SaslAuthenticate', {
  about: 'TODO.',
  versions: '0-2',
  flexible: '2+',
  request: [field('authBytes', 'bytes', '0+')],
  response: [
    field('errorCode', 'int16', '0+'),
    field('errorMessage', 'string', '0+', { nullable: '0+' }),
    field('authBytes', 'bytes', '0+'),
    field('sessionLifetimeMs', 'int64', '1+', { ignorable: true }),
  ],
});
