import { api, field } from './dsl.ts';

export const listGroups = api(16, 'ListGroups', {
  about: 'ListGroups lists the groups that a broker coordinates.',
  changes: {
    1: 'throttle time',
    3: 'flexible',
    4: 'filter by state',
    5: 'filter by type',
  },
  versions: '0-5',
  flexible: '3+',
  request: [field('statesFilter', '[]string', '4+'), field('typesFilter', '[]string', '5+')],
  response: [
    field('throttleTimeMs', 'int32', '1+', { default: 0, ignorable: true }),
    field('errorCode', 'int16', '0+'),
    field('groups', '[]ListedGroup', '0+', [
      field('groupId', 'string', '0+'),
      field('protocolType', 'string', '0+'),
      field('groupState', 'string', '4+', { ignorable: true }),
      field('groupType', 'string', '5+', { ignorable: true }),
    ]),
  ],
});
