/**
 * The Kafka wire codec: one definition per API, every version, typed.
 *
 * Each API is an object named as Kafka names it (`Produce`, `Fetch`, `ApiVersions` ...) with its key, its versions, and an encoder
 * and a decoder for its request and its response. Records of internal topics are single messages (`OffsetCommitKey` ...).
 *
 * @packageDocumentation
 */
export { decodeBody, encodeBody } from './body.ts';
export { ErrorCode, type ErrorInfo, type ErrorName, errorInfo } from './error-codes.ts';
export { ProtocolError, type ProtocolErrorCode } from './errors.ts';
export type { RecordsInput, UnknownTag } from './field-types.ts';
export {
  decodeRequestFrame,
  decodeRequestHeader,
  decodeResponseFrame,
  decodeResponseHeader,
  encodeRequest,
  encodeResponse,
  encodeResponseInTurns,
  type RequestFrame,
  type RequestHeader,
  type RequestHeaderInput,
  type ResponseFrame,
  type ResponseHeader,
  requestHeaderVersion,
  responseBodyVersion,
  responseHeaderVersion,
} from './frames.ts';
export { apiByKey, dataMessages } from './generated/apis.ts';
export * from './generated/index.ts';
export type { AnyApi, AnyMessage, Api, Message } from './message.ts';
export { REQUEST_DECODED_BYTES_MAX, Reader, requestDecodedBytesMax } from './reader.ts';
export { uuidFromBytes, uuidToBytes, ZERO_UUID } from './uuid.ts';
export { decodeVersioned, encodeVersioned, versionOf } from './versioned.ts';
export { Writer } from './writer.ts';
