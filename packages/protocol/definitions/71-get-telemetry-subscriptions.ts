import { api, field } from './dsl.ts';

export const getTelemetrySubscriptions = api(71, 'GetTelemetrySubscriptions', {
  about: 'GetTelemetrySubscriptions tells a client which of its metrics the cluster wants (KIP-714).',
  versions: '0',
  flexible: '0+',
  request: [field('clientInstanceId', 'uuid', '0+')],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('errorCode', 'int16', '0+'),
    field('clientInstanceId', 'uuid', '0+'),
    field('subscriptionId', 'int32', '0+'),
    field('acceptedCompressionTypes', '[]int8', '0+'),
    field('pushIntervalMs', 'int32', '0+'),
    field('telemetryMaxBytes', 'int32', '0+'),
    field('deltaTemporality', 'bool', '0+'),
    field('requestedMetrics', '[]string', '0+'),
  ],
});
