import { api, field } from './dsl.ts';

export const listClientMetricsResources = api(74, 'ListClientMetricsResources', {
  about: 'ListClientMetricsResources lists the telemetry subscriptions that are configured (KIP-714).',
  versions: '0',
  flexible: '0+',
  request: [],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('errorCode', 'int16', '0+'),
    field('clientMetricsResources', '[]ClientMetricsResource', '0+', [field('name', 'string', '0+')]),
  ],
});
