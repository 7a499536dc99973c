import protobuf from 'protobufjs';
import { type PayloadDecoder, type ReferencedSchema, toJson } from './payload.ts';

/** Messages within messages that are looked into to find the one that bytes name. */
const DEPTH_MAX = 32;

/** Reads Protobuf: bytes say which message of the schema's file they are, by its place in it. */
export function protobufDecoder(schema: string, references: readonly ReferencedSchema[]): PayloadDecoder {
  const root = new protobuf.Root();
  // The file itself comes first, so that the places of its messages are those before any that another file adds to the same package.
  const { package: name, imports = [], weakImports = [] } = protobuf.parse(schema, root, { keepCase: true });
  const paths = new Set([...imports, ...weakImports]);
  const file = name === undefined ? root : (root.lookup(name) as protobuf.Namespace);
  const messages = messagesOf(file);
  for (const reference of references) {
    for (const path of protobuf.parse(reference.schema, root, { keepCase: true }).imports ?? []) paths.add(path);
  }
  // What google gives to everybody, which no registry keeps.
  for (const path of paths) root.addJSON(protobuf.common.get(path)?.nested ?? {});
  root.resolveAll();
  return (payload) => {
    const reader = protobuf.Reader.create(payload);
    const type = typeAt(messages, indexesOf(reader));
    const message = type.decode(reader);
    return toJson(type.toObject(message, { longs: BigInt, enums: String }));
  };
}

function messagesOf(parent: protobuf.NamespaceBase): protobuf.Type[] {
  return parent.nestedArray.filter((each): each is protobuf.Type => each instanceof protobuf.Type);
}

/** Zigzag numbers: how many, then each; a single zero is the first message of all. */
function indexesOf(reader: protobuf.Reader): number[] {
  const count = reader.sint32();
  if (count === 0) return [0];
  if (count < 0 || count > DEPTH_MAX) throw new Error('it does not say which message it is');
  return Array.from({ length: count }, () => reader.sint32());
}

function typeAt(messages: readonly protobuf.Type[], indexes: readonly number[]): protobuf.Type {
  let among = messages;
  let found: protobuf.Type | undefined;
  for (const index of indexes) {
    found = among[index];
    if (found === undefined) throw new Error(`the schema has no message at ${indexes.join('.')}`);
    among = messagesOf(found);
  }
  if (found === undefined) throw new Error('it does not say which message it is');
  return found;
}
