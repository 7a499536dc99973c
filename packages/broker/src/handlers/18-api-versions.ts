/**
 * ApiVersions: which APIs and versions this broker serves; what a client asks first.
 *
 * - v1 throttle time; v2 nothing new; v3 flexible, the client's software name and version, features; v4 features whose lowest version is 0.
 * - A version above the range is answered with UNSUPPORTED_VERSION in the v0 layout, see `request-handler.ts`.
 */
import { ApiVersions, type ApiVersionsResponseInput, ErrorCode } from '@millrace/protocol';
import { defineHandler, type RequestContext } from './handler.ts';

/** KIP-511: names and versions of client software are kept to what is safe in logs and metric labels. */
const SOFTWARE_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

/** `metadata.version` of Kafka 3.0 and 3.9 (`MetadataVersion`). */
const FEATURE = { name: 'metadata.version', first: 1, last: 21 } as const;

/**
 * Consoles read the version from a feature that brokers with their own metadata have. In a cluster on ZooKeeper there is none, and
 * they read `inter.broker.protocol.version`.
 */
function featuresOf({ broker }: RequestContext): Partial<ApiVersionsResponseInput> {
  if (broker.config.zookeeperConnect !== null) return { finalizedFeaturesEpoch: 0 };
  const { name, first, last } = FEATURE;
  return {
    supportedFeatures: [{ name, minVersion: first, maxVersion: last }],
    finalizedFeaturesEpoch: 0,
    finalizedFeatures: [{ name, minVersionLevel: last, maxVersionLevel: last }],
  };
}

export const apiVersions = defineHandler(ApiVersions, { minVersion: 0, maxVersion: 4 }, (request, context) => {
  const isNamed = SOFTWARE_NAME.test(request.clientSoftwareName) && SOFTWARE_NAME.test(request.clientSoftwareVersion);
  if (context.version >= 3 && !isNamed) return { errorCode: ErrorCode.INVALID_REQUEST, apiKeys: [] };
  return { errorCode: ErrorCode.NONE, apiKeys: context.broker.advertisedApis, ...featuresOf(context) };
});
