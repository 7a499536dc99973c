import protobuf from 'protobufjs';
import { type PayloadDecoder, type ReferencedSchema, toJson } from './payload.ts';
import { DEPTH_MAX, type MessagePlace, messagePlaces } from './protobuf-places.ts';

/** Reads Protobuf: bytes say which message of the schema's file they are, by its place in it. */
export function protobufDecoder(schema: string, references: readonly ReferencedSchema[]): PayloadDecoder {
  const root = new protobuf.Root();
  // The file itself comes first, so that the places of its messages are those before any that another file adds to the same package.
  const { package: name, imports = [], weakImports = [] } = protobuf.parse(schema, root, { keepCase: true });
  const paths = new Set([...imports, ...weakImports]);
  const file = name === undefined ? root : (root.lookup(name) as protobuf.Namespace);
  const places = messagePlaces(schema);
  for (const reference of references) {
    for (const path of protobuf.parse(reference.schema, root, { keepCase: true }).imports ?? []) paths.add(path);
  }
  // What google gives to everybody, which no registry keeps.
  for (const path of paths) root.addJSON(protobuf.common.get(path)?.nested ?? {});
  root.resolveAll();
  return (payload) => {
    const reader = protobuf.Reader.create(payload);
    const type = typeAt(file, places, indexesOf(reader));
    const message = type.decode(reader);
    return toJson(type.toObject(message, { longs: BigInt, enums: String }));
  };
}

/** Zigzag numbers: how many, then each; a single zero is the first message of all. */
function indexesOf(reader: protobuf.Reader): number[] {
  const count = reader.sint32();
  if (count === 0) return [0];
  if (count < 0 || count > DEPTH_MAX) throw new Error('it does not say which message it is');
  return Array.from({ length: count }, () => reader.sint32());
}

/**
 * The message at a place. Some serializers leave the entries of maps out when they count: a place that is that of an entry, or of
 * nothing, is taken for one of theirs.
 */
function typeAt(
  file: protobuf.NamespaceBase,
  places: readonly MessagePlace[],
  indexes: readonly number[],
): protobuf.Type {
  const names = namesAt(places, indexes) ?? namesAt(withoutEntries(places), indexes);
  if (names === undefined) throw new Error(`the schema has no message at ${indexes.join('.')}`);
  let found: protobuf.NamespaceBase = file;
  for (const name of names) found = found.get(name) as protobuf.NamespaceBase;
  if (!(found instanceof protobuf.Type)) throw new Error(`the schema has no message at ${indexes.join('.')}`);
  return found;
}

function namesAt(places: readonly MessagePlace[], indexes: readonly number[]): string[] | undefined {
  const names: string[] = [];
  let among = places;
  for (const index of indexes) {
    const place = among[index];
    if (place === undefined || place.isMapEntry) return undefined;
    names.push(place.name);
    among = place.nested;
  }
  return names;
}

function withoutEntries(places: readonly MessagePlace[]): MessagePlace[] {
  return places
    .filter(({ isMapEntry }) => !isMapEntry)
    .map((place) => ({ ...place, nested: withoutEntries(place.nested) }));
}
