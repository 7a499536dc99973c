import { api, field } from './dsl.ts';

export const alterClientQuotas = api(49, 'AlterClientQuotas', {
  about: 'AlterClientQuotas changes quotas (KIP-546).',
  changes: {
    1: 'flexible',
  },
  versions: '0-1',
  flexible: '1+',
  request: [
    field('entries', '[]EntryData', '0+', [
      field('entity', '[]EntityData', '0+', [
        field('entityType', 'string', '0+'),
        field('entityName', 'string', '0+', { nullable: '0+' }),
      ]),
      field('ops', '[]OpData', '0+', [
        field('key', 'string', '0+'),
        field('value', 'float64', '0+'),
        field('remove', 'bool', '0+'),
      ]),
    ]),
    field('validateOnly', 'bool', '0+'),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('entries', '[]EntryData', '0+', [
      field('errorCode', 'int16', '0+'),
      field('errorMessage', 'string', '0+', { nullable: '0+' }),
      field('entity', '[]EntityData', '0+', [
        field('entityType', 'string', '0+'),
        field('entityName', 'string', '0+', { nullable: '0+' }),
      ]),
    ]),
  ],
});
