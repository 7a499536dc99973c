import { api, field } from './dsl.ts';

export const alterConfigs = api(33, 'AlterConfigs', {
  about: 'AlterConfigs replaces all settings of a resource; IncrementalAlterConfigs is the safer way.',
  changes: {
    2: 'flexible',
  },
  versions: '0-2',
  flexible: '2+',
  request: [
    field('resources', '[]AlterConfigsResource', '0+', [
      field('resourceType', 'int8', '0+'),
      field('resourceName', 'string', '0+'),
      field('configs', '[]AlterableConfig', '0+', [
        field('name', 'string', '0+'),
        field('value', 'string', '0+', { nullable: '0+' }),
      ]),
    ]),
    field('validateOnly', 'bool', '0+'),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('responses', '[]AlterConfigsResourceResponse', '0+', [
      field('errorCode', 'int16', '0+'),
      field('errorMessage', 'string', '0+', { nullable: '0+' }),
      field('resourceType', 'int8', '0+'),
      field('resourceName', 'string', '0+'),
    ]),
  ],
});
