import { type Api, ApiVersions, decodeResponseFrame, ErrorCode, encodeRequest, errorInfo } from '@millrace/protocol';
import type { SendOptions, VersionRange } from './connection-options.ts';
import { UnexpectedResponseError, UnsupportedVersionError } from './errors.ts';
import type { RequestPipe } from './request-pipe.ts';
import { SOFTWARE_NAME, SOFTWARE_VERSION } from './software.ts';

/** What a broker says of itself when a connection begins. */
export interface BrokerVersions {
  /** The versions it serves, by API key. */
  readonly apis: ReadonlyMap<number, VersionRange>;
  /** The cluster's finalized features and their levels (KIP-584), such as `transaction.version`. */
  readonly features: ReadonlyMap<string, VersionRange>;
  /** Of two answers that differ in features the one with the higher epoch is the newer; -1 where the broker tells of none. */
  readonly featuresEpoch: number;
}

/**
 * Asks for the broker's versions. A broker that does not know our version of the question answers in the layout of v0 with
 * error 35 (KIP-511), and is asked again in a version that it knows.
 */
export async function negotiateVersions(
  pipe: RequestPipe,
  clientId: string,
  peer: string,
  timeoutMs: number,
): Promise<BrokerVersions> {
  let version = ApiVersions.maxVersion;
  for (;;) {
    const asked = version;
    const answer = await pipe.request({
      label: `ApiVersions v${asked}`,
      encode: (correlationId) =>
        encodeRequest(
          ApiVersions,
          asked,
          { correlationId, clientId },
          { clientSoftwareName: SOFTWARE_NAME, clientSoftwareVersion: SOFTWARE_VERSION },
        ),
      decode: (frame) => decodeResponseFrame(ApiVersions, asked, frame).body,
      timeoutMs,
    });
    if (answer.errorCode === ErrorCode.NONE) {
      return {
        apis: new Map(answer.apiKeys.map((api) => [api.apiKey, { min: api.minVersion, max: api.maxVersion }])),
        featuresEpoch: answer.finalizedFeaturesEpoch,
        features: new Map(
          answer.finalizedFeatures.map((feature) => [
            feature.name,
            { min: feature.minVersionLevel, max: feature.maxVersionLevel },
          ]),
        ),
      };
    }
    if (answer.errorCode !== ErrorCode.UNSUPPORTED_VERSION || asked === 0) {
      const { name } = errorInfo(answer.errorCode);
      throw new UnexpectedResponseError(`ApiVersions v${asked} to ${peer}: the broker answered ${name}`);
    }
    const known = answer.apiKeys.find((api) => api.apiKey === ApiVersions.key)?.maxVersion ?? 0;
    version = Math.max(0, Math.min(known, asked - 1));
  }
}

/** The highest version that codec, broker and caller have in common. */
export function chooseVersion<Req, Res, ReqInput, ResInput>(
  api: Api<Req, Res, ReqInput, ResInput>,
  broker: BrokerVersions,
  peer: string,
  wanted: Pick<SendOptions, 'versionMin' | 'versionMax'> = {},
): number {
  const range = broker.apis.get(api.key);
  if (range === undefined) {
    throw new UnsupportedVersionError(`The broker ${peer} does not serve ${api.name} (API key ${api.key})`);
  }
  const min = Math.max(api.minVersion, range.min, wanted.versionMin ?? 0);
  const max = Math.min(api.maxVersion, range.max, wanted.versionMax ?? Infinity);
  if (min > max) {
    const asked = `${Math.max(api.minVersion, wanted.versionMin ?? 0)} to ${Math.min(api.maxVersion, wanted.versionMax ?? Infinity)}`;
    throw new UnsupportedVersionError(
      `No version of ${api.name} in common with ${peer}: the broker serves ${range.min} to ${range.max}, wanted is ${asked}`,
    );
  }
  return max;
}
