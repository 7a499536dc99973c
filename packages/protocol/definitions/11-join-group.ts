import { api, field } from './dsl.ts';

export const joinGroup = api(11, 'JoinGroup', {
  about: "JoinGroup enters a group and waits until all members have; the leader gets everybody's subscription.",
  changes: {
    1: 'a rebalance timeout apart from the session timeout',
    2: 'throttle time',
    4: 'a new member is sent away once with its member id (KIP-394)',
    5: 'static members',
    6: 'flexible',
    7: 'the response names the protocol type',
    8: 'the client says why it joins',
    9: 'a leader can be told to skip the assignment',
  },
  versions: '0-9',
  flexible: '6+',
  request: [
    field('groupId', 'string', '0+'),
    field('sessionTimeoutMs', 'int32', '0+'),
    field('rebalanceTimeoutMs', 'int32', '1+', { default: -1, ignorable: true }),
    field('memberId', 'string', '0+', { about: 'Empty for a new member.' }),
    field('groupInstanceId', 'string', '5+', {
      nullable: '5+',
      default: null,
      about: 'The name of a static member (KIP-345).',
    }),
    field('protocolType', 'string', '0+'),
    field('protocols', '[]JoinGroupRequestProtocol', '0+', [
      field('name', 'string', '0+'),
      field('metadata', 'bytes', '0+'),
    ]),
    field('reason', 'string', '8+', { nullable: '8+', default: null, ignorable: true }),
  ],
  response: [
    field('throttleTimeMs', 'int32', '2+', { default: 0, ignorable: true }),
    field('errorCode', 'int16', '0+'),
    field('generationId', 'int32', '0+', { default: -1 }),
    field('protocolType', 'string', '7+', { nullable: '7+', default: null, ignorable: true }),
    field('protocolName', 'string', '0+', { nullable: '7+' }),
    field('leader', 'string', '0+'),
    field('skipAssignment', 'bool', '9+'),
    field('memberId', 'string', '0+'),
    field('members', '[]JoinGroupResponseMember', '0+', { about: 'Filled for the leader only.' }, [
      field('memberId', 'string', '0+'),
      field('groupInstanceId', 'string', '5+', { nullable: '5+', default: null, ignorable: true }),
      field('metadata', 'bytes', '0+'),
    ]),
  ],
});
