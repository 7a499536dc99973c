import { api, field } from './dsl.ts';

export const incrementalAlterConfigs = api(44, 'IncrementalAlterConfigs', {
  about: 'IncrementalAlterConfigs sets, deletes, appends to and subtracts from single settings (KIP-339).',
  changes: {
    1: 'flexible',
  },
  versions: '0-1',
  flexible: '1+',
  request: [
    field('resources', '[]AlterConfigsResource', '0+', [
      field('resourceType', 'int8', '0+'),
      field('resourceName', 'string', '0+'),
      field('configs', '[]AlterableConfig', '0+', [
        field('name', 'string', '0+'),
        field('configOperation', 'int8', '0+', { about: '0: set; 1: delete; 2: append; 3: subtract.' }),
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
