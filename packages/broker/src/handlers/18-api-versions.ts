/**
 * ApiVersions: which APIs and versions this broker serves; what a client asks first.
 *
 * - v1 throttle time; v2 nothing new; v3 flexible, the client's software name and version, features; v4 nothing we use.
 * - A version above the range is answered with UNSUPPORTED_VERSION in the v0 layout, see `request-handler.ts`.
 */
import { ApiVersions, ErrorCode } from '@millrace/protocol';
import { defineHandler } from './handler.ts';

/** KIP-511: names and versions of client software are kept to what is safe in logs and metric labels. */
const SOFTWARE_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

export const apiVersions = defineHandler(ApiVersions, { minVersion: 0, maxVersion: 4 }, (request, context) => {
  const isNamed = SOFTWARE_NAME.test(request.clientSoftwareName) && SOFTWARE_NAME.test(request.clientSoftwareVersion);
  if (context.version >= 3 && !isNamed) return { errorCode: ErrorCode.INVALID_REQUEST, apiKeys: [] };
  return { errorCode: ErrorCode.NONE, apiKeys: context.broker.advertisedApis };
});
