import { api, field } from './dsl.ts';

export const allocateProducerIds = api(67, 'AllocateProducerIds', {
  about: 'AllocateProducerIds is how a broker gets a block of producer ids from the controller (KIP-730).',
  versions: '0',
  flexible: '0+',
  request: [field('brokerId', 'int32', '0+'), field('brokerEpoch', 'int64', '0+', { default: -1 })],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('errorCode', 'int16', '0+'),
    field('producerIdStart', 'int64', '0+'),
    field('producerIdLen', 'int32', '0+'),
  ],
});
