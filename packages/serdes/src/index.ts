/**
 * Serialisers and deserialisers: string, JSON, MessagePack, bytes and Java's fixed-width numbers.
 * @packageDocumentation
 */
export { bigint64Serde, bytesSerde, float64Serde, int32Serde, int64Serde } from './binary.ts';
export { SerdeError, type SerdeErrorCode } from './errors.ts';
export { messagePackSerde } from './msgpack.ts';
export {
  asyncSchemaSerde,
  type SchemaInput,
  type SchemaIssue,
  type SchemaOutput,
  type SchemaResult,
  type SchemaSerde,
  type StandardSchema,
  schemaSerde,
} from './schema.ts';
export type {
  AsyncDeserializer,
  AsyncSerde,
  AsyncSerializer,
  Deserializer,
  RecordPart,
  Serde,
  Serializer,
} from './serde.ts';
export { jsonSerde, stringSerde } from './text.ts';
