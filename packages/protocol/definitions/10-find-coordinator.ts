import { api, field } from './dsl.ts';

export const findCoordinator = api(10, 'FindCoordinator', {
  about: 'FindCoordinator tells which broker coordinates a group or a transactional id.',
  changes: {
    1: 'transactions',
    3: 'flexible',
    4: 'several keys at once',
    5: 'TRANSACTION_ABORTABLE as an answer (KIP-890)',
    6: 'share groups',
  },
  versions: '0-6',
  flexible: '3+',
  request: [
    field('key', 'string', '0-3'),
    field('keyType', 'int8', '1+', { about: '0: group; 1: transactional id; 2: share group.' }),
    field('coordinatorKeys', '[]string', '4+'),
  ],
  response: [
    field('throttleTimeMs', 'int32', '1+', { default: 0, ignorable: true }),
    field('errorCode', 'int16', '0-3'),
    field('errorMessage', 'string', '1-3', { nullable: '1-3', ignorable: true }),
    field('nodeId', 'int32', '0-3'),
    field('host', 'string', '0-3'),
    field('port', 'int32', '0-3'),
    field('coordinators', '[]Coordinator', '4+', [
      field('key', 'string', '4+'),
      field('nodeId', 'int32', '4+'),
      field('host', 'string', '4+'),
      field('port', 'int32', '4+'),
      field('errorCode', 'int16', '4+'),
      field('errorMessage', 'string', '4+', { nullable: '4+', ignorable: true }),
    ]),
  ],
});
