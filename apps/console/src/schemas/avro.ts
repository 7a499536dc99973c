import avro from 'avsc';
import { checkAvroBytes } from './avro-bounds.ts';
import { type PayloadDecoder, type ReferencedSchema, toJson } from './payload.ts';

/** Longs beyond what a number holds, as their digits: JSON has room for them, JavaScript's numbers do not. */
const longs = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1),
});

/** Reads Avro by its schema, as JSON of its values: a union is the value that is there, bytes are base64. */
export function avroDecoder(schema: string, references: readonly ReferencedSchema[]): PayloadDecoder {
  const registry: Record<string, avro.Type> = {};
  const options = { registry, typeHook: longHook, wrapUnions: 'auto' as const };
  for (const reference of references) avro.Type.forSchema(parsed(reference.schema), options);
  const type = avro.Type.forSchema(parsed(schema), options);
  return (payload) => {
    checkAvroBytes(type, payload);
    const value: unknown = type.fromBuffer(payload);
    return toJson(value);
  };
}

/** A schema of a primitive type is registered as JSON text or as its bare name. */
function parsed(schema: string): avro.Schema {
  try {
    // avsc judges whether it is a schema.
    return JSON.parse(schema) as avro.Schema;
  } catch {
    return schema as avro.Schema;
  }
}

function longHook(schema: avro.Schema): avro.Type | undefined {
  const isLong = schema === 'long' || (typeof schema === 'object' && 'type' in schema && schema.type === 'long');
  return isLong ? longs : undefined;
}
