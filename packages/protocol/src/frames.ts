/**
 * Requests and responses as they travel: a 4-byte size, a header, a body.
 *
 * The header's layout follows from the API's version. Two APIs break the rule: a response of ApiVersions always has the oldest
 * header, since its reader does not know yet what the other side speaks, and ControlledShutdown 0 has no client id.
 */
import { decodeNamed, encodeNamed, encodeNamedInTurns, expectEnd } from './body.ts';
import { unsupportedVersion } from './errors.ts';
import { apiByKey } from './generated/apis.ts';
import type { AnyApi, Api } from './message.ts';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

const API_VERSIONS_KEY = 18;
const CONTROLLED_SHUTDOWN_KEY = 7;
const UNSUPPORTED_VERSION = 35;
/** Bounds the tagged fields of a request's header, of which Kafka has none: 1,024 of them. */
const HEADER_DECODED_BYTES_MAX = 64 * 1024;

/** What the sender of a request says about it beside its API and version. */
export interface RequestHeaderInput {
  /** Comes back in the response's header. */
  readonly correlationId: number;
  /** A name for logs and quotas; null if there is none. */
  readonly clientId: string | null;
}

/** The header of a request that was received. */
export interface RequestHeader extends RequestHeaderInput {
  readonly apiKey: number;
  readonly apiVersion: number;
  /** Where the body begins in the frame. */
  readonly bodyOffset: number;
}

/** The header of a response that was received. */
export interface ResponseHeader {
  readonly correlationId: number;
  /** Where the body begins in the frame. */
  readonly bodyOffset: number;
}

type VersionRange = Pick<AnyApi, 'key' | 'name' | 'minVersion' | 'maxVersion' | 'flexibleSince'>;

/** The version of the header in front of a request: 2 with tagged fields, 1 with a client id, 0 with neither. */
export function requestHeaderVersion(api: Pick<AnyApi, 'key' | 'flexibleSince'>, version: number): 0 | 1 | 2 {
  if (version >= api.flexibleSince) return 2;
  return api.key === CONTROLLED_SHUTDOWN_KEY && version === 0 ? 0 : 1;
}

/** The version of the header in front of a response: 1 with tagged fields, 0 without. */
export function responseHeaderVersion(api: Pick<AnyApi, 'key' | 'flexibleSince'>, version: number): 0 | 1 {
  return version >= api.flexibleSince && api.key !== API_VERSIONS_KEY ? 1 : 0;
}

function checkVersion(api: VersionRange, version: number): void {
  if (!(version >= api.minVersion && version <= api.maxVersion)) {
    throw unsupportedVersion(api.name, version, api.minVersion, api.maxVersion);
  }
}

/**
 * Encodes a whole request frame, size first, as chunks for one gathered write. Record batches are chunks of their own and not
 * copied, so they must not change until they have been written.
 * @throws ProtocolError if the body cannot be expressed in this version.
 */
export function encodeRequest<Req, Res, ReqInput, ResInput>(
  api: Api<Req, Res, ReqInput, ResInput>,
  version: number,
  header: RequestHeaderInput,
  body: ReqInput,
): Uint8Array[] {
  checkVersion(api, version);
  const headerVersion = requestHeaderVersion(api, version);
  const writer = new Writer();
  writer.int32(0);
  writer.int16(api.key);
  writer.int16(version);
  writer.int32(header.correlationId);
  // The client id keeps its old encoding in flexible headers too, so that every broker can read it (KIP-482).
  if (headerVersion >= 1) writer.nullableString(header.clientId, false);
  if (headerVersion >= 2) writer.uvarint(0);
  encodeNamed(api.request, writer, version, body);
  return writer.frame();
}

/** As {@link encodeRequest}, for a response. */
export function encodeResponse<Req, Res, ReqInput, ResInput>(
  api: Api<Req, Res, ReqInput, ResInput>,
  version: number,
  correlationId: number,
  body: ResInput,
): Uint8Array[] {
  const writer = beginResponse(api, version, correlationId);
  encodeNamed(api.response, writer, version, body);
  return writer.frame();
}

/** As {@link encodeResponse}, yielding behind each element of the response's arrays. The body must not change meanwhile. */
export function* encodeResponseInTurns<Req, Res, ReqInput, ResInput>(
  api: Api<Req, Res, ReqInput, ResInput>,
  version: number,
  correlationId: number,
  body: ResInput,
): Generator<void, Uint8Array[]> {
  const writer = beginResponse(api, version, correlationId);
  yield* encodeNamedInTurns(api.response, writer, version, body);
  return writer.frame();
}

function beginResponse<Req, Res, ReqInput, ResInput>(
  api: Api<Req, Res, ReqInput, ResInput>,
  version: number,
  correlationId: number,
): Writer {
  checkVersion(api, version);
  const writer = new Writer();
  writer.int32(0);
  writer.int32(correlationId);
  if (responseHeaderVersion(api, version) >= 1) writer.uvarint(0);
  return writer;
}

/**
 * Reads the header of a request frame (without its size). An API key or a version that the codec does not know is no error here,
 * since the receiver may want to answer it (ApiVersions) or to log it; `bodyOffset` then is a best guess.
 * @throws ProtocolError if the bytes are no request header.
 */
export function decodeRequestHeader(frame: Buffer): RequestHeader {
  const reader = new Reader(frame, 0, frame.length, HEADER_DECODED_BYTES_MAX);
  const apiKey = reader.int16();
  const apiVersion = reader.int16();
  const correlationId = reader.int32();
  const api = apiByKey.get(apiKey);
  const headerVersion = api === undefined ? 1 : requestHeaderVersion(api, apiVersion);
  const clientId = headerVersion >= 1 ? reader.nullableReplacedString() : null;
  if (headerVersion >= 2) reader.unknownTags();
  return { apiKey, apiVersion, correlationId, clientId, bodyOffset: reader.offset };
}

/** Reads the header of a response frame (without its size). The version is that of the request it answers. */
export function decodeResponseHeader(
  api: Pick<AnyApi, 'key' | 'flexibleSince'>,
  version: number,
  frame: Buffer,
): ResponseHeader {
  const reader = new Reader(frame);
  const correlationId = reader.int32();
  if (responseHeaderVersion(api, version) >= 1) reader.unknownTags();
  return { correlationId, bodyOffset: reader.offset };
}

/** A request frame, taken apart. */
export interface RequestFrame {
  readonly api: AnyApi;
  readonly header: RequestHeader;
  readonly body: unknown;
}

/** A response frame, taken apart. */
export interface ResponseFrame<Res> {
  readonly header: ResponseHeader;
  readonly body: Res;
}

/**
 * Decodes a whole request frame (without its size): for tools and tests that meet frames of any API.
 * @returns undefined if no API has the frame's key.
 * @throws ProtocolError if the version is not known, or the bytes are malformed or too long.
 */
export function decodeRequestFrame(frame: Buffer): RequestFrame | undefined {
  const header = decodeRequestHeader(frame);
  const api = apiByKey.get(header.apiKey);
  if (api === undefined) return undefined;
  const reader = new Reader(frame, header.bodyOffset);
  const body = decodeNamed(api.request, reader, header.apiVersion);
  expectEnd(api.request, reader, header.apiVersion);
  return { api, header, body };
}

/**
 * Decodes a whole response frame (without its size) that answers a request of this version. A broker that does not know the
 * version of an ApiVersions request answers in version 0 with error 35; this is recognised.
 * @throws ProtocolError if the bytes are malformed or too long.
 */
export function decodeResponseFrame<Req, Res, ReqInput, ResInput>(
  api: Api<Req, Res, ReqInput, ResInput>,
  version: number,
  frame: Buffer,
): ResponseFrame<Res> {
  const header = decodeResponseHeader(api, version, frame);
  const bodyVersion = responseBodyVersion(api, version, frame, header.bodyOffset);
  const reader = new Reader(frame, header.bodyOffset);
  const body = decodeNamed(api.response, reader, bodyVersion);
  expectEnd(api.response, reader, bodyVersion);
  return { header, body };
}

/**
 * The version in which a response's body is written: that of the request, except that the answer to an ApiVersions request of a
 * version the broker does not know is in version 0 (KIP-511).
 */
export function responseBodyVersion(
  api: Pick<AnyApi, 'key'>,
  version: number,
  frame: Buffer,
  bodyOffset: number,
): number {
  if (api.key !== API_VERSIONS_KEY || version === 0) return version;
  return new Reader(frame, bodyOffset).int16() === UNSUPPORTED_VERSION ? 0 : version;
}
