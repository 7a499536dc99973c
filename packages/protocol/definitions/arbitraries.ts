/** Arbitrary values of every message, worked out from the definitions: what property tests feed the codec with. */
import fc from 'fast-check';
import type { UnknownTag } from '../src/field-types.ts';
import { ZERO_UUID } from '../src/uuid.ts';
import type { FieldDefinition, MessageDefinition, StructDefinition } from './dsl.ts';

type Value = Record<string, unknown>;

export function inVersions(versions: string, version: number): boolean {
  const match = /^(\d+)(\+|-(\d+))?$/.exec(versions);
  if (match === null) return false;
  const max = match[2] === '+' ? Number.POSITIVE_INFINITY : Number(match[3] ?? match[1]);
  return version >= Number(match[1]) && version <= max;
}

/** The versions a message has. */
export function versionsOf(message: MessageDefinition): number[] {
  return Array.from({ length: 100 }, (_, version) => version).filter((version) =>
    inVersions(message.versions, version),
  );
}

/**
 * Values of a message as decoding would give them: fields that are in the version have any value, the others their default.
 */
export function arbitraryBody(message: MessageDefinition, version: number): fc.Arbitrary<Value> {
  return arbitraryStruct(message.fields, { message, version });
}

interface Context {
  readonly message: MessageDefinition;
  readonly version: number;
}

function arbitraryStruct(fields: readonly FieldDefinition[], context: Context): fc.Arbitrary<Value> {
  const known = fc.record(Object.fromEntries(fields.map((field) => [field.name, arbitraryField(field, context)])));
  if (!inVersions(context.message.flexible, context.version)) return known;
  const tags = fields.flatMap(({ tag }) => (tag === undefined ? [] : [tag]));
  return fc
    .tuple(known, arbitraryUnknownTags(tags))
    .map(([value, unknownTags]) => (unknownTags.length === 0 ? value : { ...value, unknownTags }));
}

/** Mostly none, and none that a newer version of the struct has a name for. */
function arbitraryUnknownTags(known: readonly number[]): fc.Arbitrary<UnknownTag[]> {
  const tag = fc.record({
    tag: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 100, max: 0x7fff_ffff })),
    data: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  });
  const some = fc
    .uniqueArray(tag, { maxLength: 3, selector: (unknown) => unknown.tag })
    .map((tags) => tags.filter((unknown) => !known.includes(unknown.tag)).sort((a, b) => a.tag - b.tag));
  return fc.oneof({ weight: 5, arbitrary: fc.constant<UnknownTag[]>([]) }, { weight: 1, arbitrary: some });
}

function arbitraryField(field: FieldDefinition, context: Context): fc.Arbitrary<unknown> {
  if (!inVersions(field.versions, context.version)) return fc.constant(defaultOf(field, context));
  const value = arbitraryValue(field, context);
  return inVersions(field.nullable ?? 'none', context.version) ? fc.option(value, { freq: 4 }) : value;
}

function arbitraryValue(field: FieldDefinition, context: Context): fc.Arbitrary<unknown> {
  const element = field.type.replace('[]', '');
  const fields = field.fields ?? sharedStruct(element, context)?.fields;
  const one = fields === undefined ? arbitraryPrimitive(element) : arbitraryStruct(fields, context);
  return field.type === element ? one : fc.array(one, { maxLength: 3 });
}

function sharedStruct(name: string, { message }: Context): StructDefinition | undefined {
  return message.structs.find((shared) => shared.name === name);
}

function arbitraryPrimitive(type: string): fc.Arbitrary<unknown> {
  switch (type) {
    case 'bool':
      return fc.boolean();
    case 'int8':
      return fc.integer({ min: -0x80, max: 0x7f });
    case 'int16':
      return fc.integer({ min: -0x8000, max: 0x7fff });
    case 'uint16':
      return fc.integer({ min: 0, max: 0xffff });
    case 'int32':
      return fc.integer();
    case 'int64':
      return fc.maxSafeInteger();
    case 'float64':
      return fc.double({ noNaN: true });
    case 'string':
      return fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: 'grapheme', maxLength: 40 }));
    case 'uuid':
      return fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('base64url'));
    default:
      return fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes));
  }
}

/** What a field that is not in the version decodes to. */
function defaultOf(field: FieldDefinition, context: Context): unknown {
  if (field.default !== undefined) return field.default;
  if (field.nullable !== undefined && isNullableSomewhere(field, context)) return null;
  if (field.type.startsWith('[]')) return [];
  const fields = field.fields ?? sharedStruct(field.type, context)?.fields;
  if (fields !== undefined) return Object.fromEntries(fields.map((inner) => [inner.name, defaultOf(inner, context)]));
  if (field.type === 'bool') return false;
  if (field.type === 'string') return '';
  if (field.type === 'uuid') return ZERO_UUID;
  return field.type === 'bytes' || field.type === 'records' ? Buffer.alloc(0) : 0;
}

function isNullableSomewhere(field: FieldDefinition, { message }: Context): boolean {
  return versionsOf(message).some(
    (version) => inVersions(field.versions, version) && inVersions(field.nullable ?? 'none', version),
  );
}
