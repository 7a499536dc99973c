/**
 * ApiVersions: which APIs and versions this broker serves; what a client asks first.
 *
 * - v1 throttle time; v2 nothing new; v3 flexible, the client's software name and version, features; v4 features whose lowest version is 0.
 * - A version above the range is answered with UNSUPPORTED_VERSION in the v0 layout, see `request-handler.ts`.
 */
import { ApiVersions, type ApiVersionsResponseInput, ErrorCode } from '@millrace/protocol';
import { TRANSACTION_VERSION } from '../store/znodes.ts';
import { defineHandler, type RequestContext } from './handler.ts';

/** KIP-511: names and versions of client software are kept to what is safe in logs and metric labels. */
const SOFTWARE_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

/** Older clients take no feature whose lowest version is 0 (KAFKA-17492). */
const ZERO_SINCE = 4;

interface Feature {
  readonly name: string;
  readonly first: number;
  readonly last: number;
  /** What holds in the cluster; 0 where nothing does. */
  readonly level: number;
}

/** `metadata.version` of Kafka 3.0 and 3.9 (`MetadataVersion`). */
const METADATA: Feature = { name: 'metadata.version', first: 1, last: 21, level: 21 };

/**
 * Consoles read the version from a feature that brokers with their own metadata have. In a cluster on ZooKeeper there is none, and
 * they read `inter.broker.protocol.version`. Producers read from another one which transactions they may use.
 */
function featuresOf({ broker, version }: RequestContext): Partial<ApiVersionsResponseInput> {
  const { level, ownMax, epoch } = broker.transactions.level;
  const transactions = { name: TRANSACTION_VERSION, first: 0, last: ownMax, level };
  const features = broker.config.zookeeperConnect === null ? [METADATA, transactions] : [transactions];
  const supported = features.filter(({ first, last }) => last > 0 && (first > 0 || version >= ZERO_SINCE));
  return {
    supportedFeatures: supported.map(({ name, first, last }) => ({ name, minVersion: first, maxVersion: last })),
    finalizedFeaturesEpoch: epoch,
    finalizedFeatures: features
      .filter((each) => each.level > 0)
      .map((each) => ({ name: each.name, minVersionLevel: each.level, maxVersionLevel: each.level })),
  };
}

export const apiVersions = defineHandler(ApiVersions, { minVersion: 0, maxVersion: 4 }, (request, context) => {
  const isNamed = SOFTWARE_NAME.test(request.clientSoftwareName) && SOFTWARE_NAME.test(request.clientSoftwareVersion);
  if (context.version >= 3 && !isNamed) return { errorCode: ErrorCode.INVALID_REQUEST, apiKeys: [] };
  return { errorCode: ErrorCode.NONE, apiKeys: context.broker.advertisedApis, ...featuresOf(context) };
});
