import { api, field } from './dsl.ts';

export const addOffsetsToTxn = api(25, 'AddOffsetsToTxn', {
  about: 'TODO.',
  versions: '0-4',
  flexible: '3+',
  request: [
    field('transactionalId', 'string', '0+'),
    field('producerId', 'int64', '0+'),
    field('producerEpoch', 'int16', '0+'),
    field('groupId', 'string', '0+'),
  ],
  response: [field('throttleTimeMs', 'int32', '0+'), field('errorCode', 'int16', '0+')],
});
