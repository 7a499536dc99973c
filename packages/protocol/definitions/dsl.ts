/**
 * The grammar the protocol's definitions are written in.
 *
 * A definition states facts and nothing else: which fields a message has, of which type, in which versions. The generator in
 * `tools/codegen` turns them into types, encoders and decoders, so a field is named here and nowhere else. The meaning of each
 * property is that of Apache Kafka's own message specifications (its `clients/src/main/resources/common/message/README.md`).
 */

/** A span of versions as Kafka writes it: `'3'`, `'1-4'`, `'2+'` or `'none'`. */
export type Versions = string;

/** Types that need no definition of their own. */
export const primitiveTypes = [
  'bool',
  'int8',
  'int16',
  'uint16',
  'int32',
  'int64',
  'float64',
  'string',
  'uuid',
  'bytes',
  'records',
] as const;

export type PrimitiveType = (typeof primitiveTypes)[number];

export interface FieldOptions {
  /** Versions in which the field may be null. */
  readonly nullable?: Versions;
  /** What an absent field means; without it the zero of its type (or null, where the field may be null). */
  readonly default?: number | string | boolean | null;
  /** The field travels as a tagged field with this number (KIP-482). */
  readonly tag?: number;
  /** A value may be dropped silently where the version has no room for it; otherwise that is an error. */
  readonly ignorable?: true;
  /** What a reader could not guess from the name. Becomes documentation of the generated type. */
  readonly about?: string;
}

export interface FieldDefinition extends FieldOptions {
  readonly name: string;
  /** A primitive type, the name of a struct, or either with `[]` in front. */
  readonly type: string;
  readonly versions: Versions;
  /** The fields of the struct, where it is defined in place. */
  readonly fields?: readonly FieldDefinition[];
}

export interface StructDefinition {
  readonly name: string;
  readonly fields: readonly FieldDefinition[];
}

export interface MessageDefinition {
  readonly name: string;
  readonly about: string;
  readonly versions: Versions;
  readonly flexible: Versions;
  readonly fields: readonly FieldDefinition[];
  /** Structs that more than one field of the message uses. */
  readonly structs: readonly StructDefinition[];
  /** A reader takes versions above the known ones for the highest known one, as Kafka's ConsumerProtocol does. */
  readonly newerReadAsHighest: boolean;
}

export interface ApiDefinition {
  readonly key: number;
  readonly name: string;
  readonly about: string;
  /** What notable versions added, by version. */
  readonly changes: Readonly<Record<number, string>>;
  readonly versions: Versions;
  readonly flexible: Versions;
  readonly request: MessageDefinition;
  readonly response: MessageDefinition;
}

/** Names one field. Options and the fields of an in-place struct are given where there are any. */
export function field(
  name: string,
  type: string,
  versions: Versions,
  optionsOrFields: FieldOptions | readonly FieldDefinition[] = {},
  structFields?: readonly FieldDefinition[],
): FieldDefinition {
  const optionsAreFields = isFieldList(optionsOrFields);
  const options = optionsAreFields ? {} : optionsOrFields;
  const fields = optionsAreFields ? optionsOrFields : structFields;
  return { name, type, versions, ...options, ...(fields === undefined ? {} : { fields }) };
}

function isFieldList(value: FieldOptions | readonly FieldDefinition[]): value is readonly FieldDefinition[] {
  return Array.isArray(value);
}

/** Names a struct that several fields of one message use. */
export function struct(name: string, fields: readonly FieldDefinition[]): StructDefinition {
  return { name, fields };
}

type Body = readonly FieldDefinition[] | { structs: readonly StructDefinition[]; fields: readonly FieldDefinition[] };

export interface ApiParts {
  readonly about: string;
  readonly changes?: Readonly<Record<number, string>>;
  readonly versions: Versions;
  readonly flexible: Versions;
  readonly request: Body;
  readonly response: Body;
}

/** Defines an API: its key, its name as Kafka spells it, its versions, and its two messages. */
export function api(key: number, name: string, parts: ApiParts): ApiDefinition {
  const { about, changes = {}, versions, flexible } = parts;
  const half = (suffix: string, body: Body): MessageDefinition =>
    message(`${name}${suffix}`, {
      about: `The ${suffix.toLowerCase()} of the ${name} API.`,
      versions,
      flexible,
      body,
    });
  return {
    key,
    name,
    about,
    changes,
    versions,
    flexible,
    request: half('Request', parts.request),
    response: half('Response', parts.response),
  };
}

export interface MessageParts {
  readonly about: string;
  readonly versions: Versions;
  readonly flexible: Versions;
  readonly newerReadAsHighest?: boolean;
  readonly body: Body;
}

/** Defines a message that stands alone, such as a record of an internal topic. */
export function message(name: string, parts: MessageParts): MessageDefinition {
  const { about, versions, flexible, newerReadAsHighest = false } = parts;
  const { fields, structs } = 'fields' in parts.body ? parts.body : { fields: parts.body, structs: [] };
  return { name, about, versions, flexible, fields, structs, newerReadAsHighest };
}
