import { api, field } from './dsl.ts';

export const createAcls = api(30, 'CreateAcls', {
  about: 'CreateAcls adds access rules.',
  changes: {
    1: 'patterns other than literal',
    2: 'flexible',
    3: 'user resources',
  },
  versions: '0-3',
  flexible: '2+',
  request: [
    field('creations', '[]AclCreation', '0+', [
      field('resourceType', 'int8', '0+'),
      field('resourceName', 'string', '0+'),
      field('resourcePatternType', 'int8', '1+', { default: 3 }),
      field('principal', 'string', '0+'),
      field('host', 'string', '0+'),
      field('operation', 'int8', '0+'),
      field('permissionType', 'int8', '0+'),
    ]),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('results', '[]AclCreationResult', '0+', [
      field('errorCode', 'int16', '0+'),
      field('errorMessage', 'string', '0+', { nullable: '0+' }),
    ]),
  ],
});
