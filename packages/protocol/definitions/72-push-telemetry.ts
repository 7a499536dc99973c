import { api, field } from './dsl.ts';

export const pushTelemetry = api(72, 'PushTelemetry', {
  about: "PushTelemetry hands a client's metrics to the broker (KIP-714).",
  versions: '0',
  flexible: '0+',
  request: [
    field('clientInstanceId', 'uuid', '0+'),
    field('subscriptionId', 'int32', '0+'),
    field('terminating', 'bool', '0+'),
    field('compressionType', 'int8', '0+'),
    field('metrics', 'bytes', '0+'),
  ],
  response: [field('throttleTimeMs', 'int32', '0+', { default: 0 }), field('errorCode', 'int16', '0+')],
});
