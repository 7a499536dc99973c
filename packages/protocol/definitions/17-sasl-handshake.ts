import { api, field } from './dsl.ts';

export const saslHandshake = api(17, 'SaslHandshake', {
  about: 'SaslHandshake chooses a SASL mechanism.',
  changes: {
    1: 'the tokens that follow travel in SaslAuthenticate',
  },
  versions: '0-1',
  flexible: 'none',
  request: [field('mechanism', 'string', '0+')],
  response: [field('errorCode', 'int16', '0+'), field('mechanisms', '[]string', '0+')],
});
