import { api, field } from './dsl.ts';

export const deleteGroups = api(42, 'DeleteGroups', {
  about: 'DeleteGroups deletes groups without members, with their offsets.',
  changes: {
    2: 'flexible',
  },
  versions: '0-2',
  flexible: '2+',
  request: [field('groupsNames', '[]string', '0+')],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('results', '[]DeletableGroupResult', '0+', [
      field('groupId', 'string', '0+'),
      field('errorCode', 'int16', '0+'),
    ]),
  ],
});
