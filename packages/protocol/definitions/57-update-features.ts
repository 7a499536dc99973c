import { api, field } from './dsl.ts';

export const updateFeatures = api(57, 'UpdateFeatures', {
  about: "UpdateFeatures raises or lowers the cluster's feature levels (KIP-584).",
  changes: {
    1: 'a dry run; the kind of downgrade',
    2: 'all or nothing: no results per feature',
  },
  versions: '0-2',
  flexible: '0+',
  request: [
    field('timeoutMs', 'int32', '0+', { default: 60000 }),
    field('featureUpdates', '[]FeatureUpdateKey', '0+', [
      field('feature', 'string', '0+'),
      field('maxVersionLevel', 'int16', '0+'),
      field('allowDowngrade', 'bool', '0'),
      field('upgradeType', 'int8', '1+', { default: 1 }),
    ]),
    field('validateOnly', 'bool', '1+'),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('errorCode', 'int16', '0+'),
    field('errorMessage', 'string', '0+', { nullable: '0+' }),
    field('results', '[]UpdatableFeatureResult', '0-1', { ignorable: true }, [
      field('feature', 'string', '0+'),
      field('errorCode', 'int16', '0+'),
      field('errorMessage', 'string', '0+', { nullable: '0+' }),
    ]),
  ],
});
