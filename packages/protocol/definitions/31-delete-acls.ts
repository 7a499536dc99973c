import { api, field } from './dsl.ts';

export const deleteAcls = api(31, 'DeleteAcls', {
  about: 'DeleteAcls removes the access rules that match filters.',
  changes: {
    1: 'patterns other than literal',
    2: 'flexible',
    3: 'user resources',
  },
  versions: '0-3',
  flexible: '2+',
  request: [
    field('filters', '[]DeleteAclsFilter', '0+', [
      field('resourceTypeFilter', 'int8', '0+'),
      field('resourceNameFilter', 'string', '0+', { nullable: '0+' }),
      field('patternTypeFilter', 'int8', '1+', { default: 3 }),
      field('principalFilter', 'string', '0+', { nullable: '0+' }),
      field('hostFilter', 'string', '0+', { nullable: '0+' }),
      field('operation', 'int8', '0+'),
      field('permissionType', 'int8', '0+'),
    ]),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('filterResults', '[]DeleteAclsFilterResult', '0+', [
      field('errorCode', 'int16', '0+'),
      field('errorMessage', 'string', '0+', { nullable: '0+' }),
      field('matchingAcls', '[]DeleteAclsMatchingAcl', '0+', [
        field('errorCode', 'int16', '0+'),
        field('errorMessage', 'string', '0+', { nullable: '0+' }),
        field('resourceType', 'int8', '0+'),
        field('resourceName', 'string', '0+'),
        field('patternType', 'int8', '1+', { default: 3 }),
        field('principal', 'string', '0+'),
        field('host', 'string', '0+'),
        field('operation', 'int8', '0+'),
        field('permissionType', 'int8', '0+'),
      ]),
    ]),
  ],
});
