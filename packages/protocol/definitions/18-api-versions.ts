import { api, field } from './dsl.ts';

export const apiVersions = api(18, 'ApiVersions', {
  about:
    'ApiVersions tells which APIs a broker serves, in which versions. A version it does not know is answered in version 0.',
  changes: {
    1: 'throttle time',
    3: "flexible; the client's software is named; features",
    4: 'features whose lowest version is 0',
  },
  versions: '0-4',
  flexible: '3+',
  request: [
    field('clientSoftwareName', 'string', '3+', { ignorable: true }),
    field('clientSoftwareVersion', 'string', '3+', { ignorable: true }),
  ],
  response: [
    field('errorCode', 'int16', '0+'),
    field('apiKeys', '[]ApiVersion', '0+', [
      field('apiKey', 'int16', '0+'),
      field('minVersion', 'int16', '0+'),
      field('maxVersion', 'int16', '0+'),
    ]),
    field('throttleTimeMs', 'int32', '1+', { default: 0, ignorable: true }),
    field('supportedFeatures', '[]SupportedFeatureKey', '3+', { tag: 0, ignorable: true }, [
      field('name', 'string', '3+'),
      field('minVersion', 'int16', '3+'),
      field('maxVersion', 'int16', '3+'),
    ]),
    field('finalizedFeaturesEpoch', 'int64', '3+', { default: -1, tag: 1, ignorable: true }),
    field('finalizedFeatures', '[]FinalizedFeatureKey', '3+', { tag: 2, ignorable: true }, [
      field('name', 'string', '3+'),
      field('maxVersionLevel', 'int16', '3+'),
      field('minVersionLevel', 'int16', '3+'),
    ]),
    field('zkMigrationReady', 'bool', '3+', { tag: 3, ignorable: true, about: 'Only a KRaft controller sets it.' }),
  ],
});
