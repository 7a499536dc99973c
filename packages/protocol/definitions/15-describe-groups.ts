import { api, field } from './dsl.ts';

export const describeGroups = api(15, 'DescribeGroups', {
  about: 'DescribeGroups shows the state and the members of classic groups.',
  changes: {
    1: 'throttle time',
    3: 'authorized operations',
    4: 'static members',
    5: 'flexible',
  },
  versions: '0-5',
  flexible: '5+',
  request: [field('groups', '[]string', '0+'), field('includeAuthorizedOperations', 'bool', '3+')],
  response: [
    field('throttleTimeMs', 'int32', '1+', { default: 0, ignorable: true }),
    field('groups', '[]DescribedGroup', '0+', [
      field('errorCode', 'int16', '0+'),
      field('groupId', 'string', '0+'),
      field('groupState', 'string', '0+'),
      field('protocolType', 'string', '0+'),
      field('protocolData', 'string', '0+'),
      field('members', '[]DescribedGroupMember', '0+', [
        field('memberId', 'string', '0+'),
        field('groupInstanceId', 'string', '4+', { nullable: '4+', default: null, ignorable: true }),
        field('clientId', 'string', '0+'),
        field('clientHost', 'string', '0+'),
        field('memberMetadata', 'bytes', '0+'),
        field('memberAssignment', 'bytes', '0+'),
      ]),
      field('authorizedOperations', 'int32', '3+', { default: -2147483648 }),
    ]),
  ],
});
