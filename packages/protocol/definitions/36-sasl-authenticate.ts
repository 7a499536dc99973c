import { api, field } from './dsl.ts';

export const saslAuthenticate = api(36, 'SaslAuthenticate', {
  about: 'SaslAuthenticate carries one token of a SASL exchange.',
  changes: {
    1: 'how long the session lasts (KIP-368)',
    2: 'flexible',
  },
  versions: '0-2',
  flexible: '2+',
  request: [field('authBytes', 'bytes', '0+')],
  response: [
    field('errorCode', 'int16', '0+'),
    field('errorMessage', 'string', '0+', { nullable: '0+' }),
    field('authBytes', 'bytes', '0+'),
    field('sessionLifetimeMs', 'int64', '1+', {
      ignorable: true,
      about: 'When the client must have authenticated again; 0 for never.',
    }),
  ],
});
