import { api, field } from './dsl.ts';

export const controlledShutdown = api(7, 'ControlledShutdown', {
  about: 'ControlledShutdown asks the controller to move leaders away before a broker stops.',
  changes: {
    1: 'the request gets an ordinary header with a client id',
    2: 'broker epochs',
    3: 'flexible',
  },
  versions: '0-3',
  flexible: '3+',
  request: [field('brokerId', 'int32', '0+'), field('brokerEpoch', 'int64', '2+', { default: -1, ignorable: true })],
  response: [
    field('errorCode', 'int16', '0+'),
    field('remainingPartitions', '[]RemainingPartition', '0+', [
      field('topicName', 'string', '0+'),
      field('partitionIndex', 'int32', '0+'),
    ]),
  ],
});
