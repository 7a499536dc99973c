import { api, field } from './dsl.ts';

export const describeConfigs = api(32, 'DescribeConfigs', {
  about: 'DescribeConfigs shows the settings of topics, brokers and others, and where each value comes from.',
  changes: {
    1: 'synonyms and sources',
    3: 'types and documentation',
    4: 'flexible',
  },
  versions: '0-4',
  flexible: '4+',
  request: [
    field('resources', '[]DescribeConfigsResource', '0+', [
      field('resourceType', 'int8', '0+', {
        about: '2: topic; 4: broker; 8: broker logger; 16: client metrics; 32: group.',
      }),
      field('resourceName', 'string', '0+'),
      field('configurationKeys', '[]string', '0+', { nullable: '0+', about: 'Null asks for all.' }),
    ]),
    field('includeSynonyms', 'bool', '1+'),
    field('includeDocumentation', 'bool', '3+'),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('results', '[]DescribeConfigsResult', '0+', [
      field('errorCode', 'int16', '0+'),
      field('errorMessage', 'string', '0+', { nullable: '0+' }),
      field('resourceType', 'int8', '0+'),
      field('resourceName', 'string', '0+'),
      field('configs', '[]DescribeConfigsResourceResult', '0+', [
        field('name', 'string', '0+'),
        field('value', 'string', '0+', { nullable: '0+' }),
        field('readOnly', 'bool', '0+'),
        field('isDefault', 'bool', '0'),
        field('configSource', 'int8', '1+', { default: -1, ignorable: true }),
        field('isSensitive', 'bool', '0+'),
        field('synonyms', '[]DescribeConfigsSynonym', '1+', { ignorable: true }, [
          field('name', 'string', '1+'),
          field('value', 'string', '1+', { nullable: '0+' }),
          field('source', 'int8', '1+'),
        ]),
        field('configType', 'int8', '3+', { ignorable: true }),
        field('documentation', 'string', '3+', { nullable: '0+', ignorable: true }),
      ]),
    ]),
  ],
});
