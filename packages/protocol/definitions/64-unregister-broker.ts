import { api, field } from './dsl.ts';

export const unregisterBroker = api(64, 'UnregisterBroker', {
  about: 'UnregisterBroker forgets a broker that will not come back (KIP-500).',
  versions: '0',
  flexible: '0+',
  request: [field('brokerId', 'int32', '0+')],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('errorCode', 'int16', '0+'),
    field('errorMessage', 'string', '0+', { nullable: '0+' }),
  ],
});
