/**
 * The definitions with everything worked out that follows from them: which versions a struct can occur in, how it is named in
 * TypeScript, what a field's default is, how few bytes a struct can take.
 */
import {
  type ApiDefinition,
  type FieldDefinition,
  type MessageDefinition,
  type PrimitiveType,
  primitiveTypes,
} from '../../packages/protocol/definitions/dsl.ts';
import { covers, hull, includes, intersect, isEmpty, noVersions, parseRange, type Range } from './versions.ts';

export interface StructModel {
  /** The name in TypeScript. */
  readonly name: string;
  readonly message: MessageModel;
  /** The versions of the message in which the struct can occur. */
  versions: Range;
  fields: readonly FieldModel[];
  /** A default value and a comparison with it are needed, because a field of this type can be absent. */
  hasDefault: boolean;
}

export interface FieldModel {
  readonly name: string;
  /** Message, structs and field, for error messages. */
  readonly path: string;
  readonly isArray: boolean;
  /** A primitive type or a struct; of an array, its elements. */
  readonly type: PrimitiveType | StructModel;
  readonly versions: Range;
  readonly nullable: Range;
  /** What an absent field means. Undefined: the zero of the type. */
  readonly default: number | string | boolean | null | undefined;
  readonly hasExplicitDefault: boolean;
  readonly tag: number | undefined;
  readonly ignorable: boolean;
  readonly about: string | undefined;
  /** May be left out when a message is encoded. */
  readonly optional: boolean;
}

export interface MessageModel {
  readonly name: string;
  readonly about: string;
  readonly versions: Range;
  readonly flexible: Range;
  readonly newerReadAsHighest: boolean;
  /** The message's own fields, as a struct. */
  root: StructModel;
  /** Every struct, inner ones first. */
  readonly structs: StructModel[];
}

export interface ApiModel {
  readonly definition: ApiDefinition;
  readonly request: MessageModel;
  readonly response: MessageModel;
}

export interface ModelInput {
  readonly apis: readonly ApiDefinition[];
  readonly dataMessages: Readonly<Record<string, readonly MessageDefinition[]>>;
}

export interface Model {
  readonly apis: readonly ApiModel[];
  readonly dataMessages: Readonly<Record<string, readonly MessageModel[]>>;
}

export function buildModel(input: ModelInput): Model {
  return {
    apis: input.apis.map((definition) => ({
      definition,
      request: buildMessage(definition.request),
      response: buildMessage(definition.response),
    })),
    dataMessages: Object.fromEntries(
      Object.entries(input.dataMessages).map(([file, messages]) => [file, messages.map(buildMessage)]),
    ),
  };
}

/**
 * The name of the element of a field, which names its struct: `topics` holds a `Topic`. One rule for all, so that a type's name
 * follows from where it stands: `FetchResponse.responses.partitions` is of `FetchResponseResponsePartition`.
 */
export function elementName(field: string): string {
  const one = field.replace(/ies$/, 'y').replace(/(sses|xes|uses|ches)$/, (ending) => ending.slice(0, -2));
  const singular = one === field ? field.replace(/(?<!s|u)s$/, '') : one;
  return singular.charAt(0).toUpperCase() + singular.slice(1);
}

function buildMessage(definition: MessageDefinition): MessageModel {
  const versions = parseRange(definition.versions);
  const message: MessageModel = {
    name: definition.name,
    about: definition.about,
    versions,
    flexible: intersect(parseRange(definition.flexible), versions),
    newerReadAsHighest: definition.newerReadAsHighest,
    root: undefined as never,
    structs: [],
  };
  message.root = new StructBuilder(definition, message).build();
  return message;
}

class StructBuilder {
  private readonly definition: MessageDefinition;
  private readonly message: MessageModel;
  private readonly shared = new Map<string, StructModel>();

  constructor(definition: MessageDefinition, message: MessageModel) {
    this.definition = definition;
    this.message = message;
  }

  build(): StructModel {
    const usage = this.sharedUsage();
    for (const { name, fields } of this.orderedShared()) {
      this.shared.set(name, this.struct(`${this.message.name}${name}`, fields, usage.get(name)!, name));
    }
    return this.struct(this.message.name, this.definition.fields, this.message.versions, this.message.name);
  }

  private struct(name: string, fields: readonly FieldDefinition[], versions: Range, path: string): StructModel {
    const struct: StructModel = { name, message: this.message, versions, fields: [], hasDefault: false };
    struct.fields = fields.map((field) => this.field(field, struct, path));
    if (this.message.structs.some((other) => other.name === name)) {
      throw new Error(`${path}: two structs would be called ${name}.`);
    }
    this.message.structs.push(struct);
    return struct;
  }

  private field(definition: FieldDefinition, parent: StructModel, parentPath: string): FieldModel {
    const within = parent.versions;
    const path = `${parentPath}.${definition.name}`;
    const versions = intersect(parseRange(definition.versions), within);
    if (isEmpty(versions)) throw new Error(`${path} exists in no version of its message.`);
    const nullable =
      definition.nullable === undefined ? noVersions : intersect(parseRange(definition.nullable), versions);
    const isArray = definition.type.startsWith('[]');
    const type = this.type(definition, `${parent.name}${elementName(definition.name)}`, versions, path);
    const mayBeNull = !isEmpty(nullable);
    const hasExplicitDefault = definition.default !== undefined;
    const field: FieldModel = {
      name: definition.name,
      path,
      isArray,
      type,
      versions,
      nullable,
      default: hasExplicitDefault ? definition.default : mayBeNull ? null : undefined,
      hasExplicitDefault,
      tag: definition.tag,
      ignorable: definition.ignorable === true,
      about: definition.about,
      optional:
        hasExplicitDefault ||
        mayBeNull ||
        definition.ignorable === true ||
        definition.tag !== undefined ||
        !covers(versions, within),
    };
    const canBeAbsent = definition.tag !== undefined || !covers(versions, within);
    if (typeof type !== 'string' && !isArray && !mayBeNull && canBeAbsent) type.hasDefault = true;
    return field;
  }

  private type(
    definition: FieldDefinition,
    structName: string,
    versions: Range,
    path: string,
  ): PrimitiveType | StructModel {
    const name = definition.type.replace('[]', '');
    const primitive = primitiveTypes.find((type) => type === name);
    if (primitive !== undefined) return primitive;
    if (definition.fields !== undefined) return this.struct(structName, definition.fields, versions, path);
    const shared = this.shared.get(name);
    if (shared === undefined) throw new Error(`${path} has type ${name}, which is neither primitive nor defined.`);
    return shared;
  }

  /** In which versions each shared struct can occur: wherever a field of its type does. */
  private sharedUsage(): Map<string, Range> {
    const usage = new Map<string, Range>(this.definition.structs.map(({ name }) => [name, noVersions]));
    const visit = (fields: readonly FieldDefinition[], within: Range): void => {
      for (const field of fields) {
        const versions = intersect(parseRange(field.versions), within);
        const name = field.type.replace('[]', '');
        const before = usage.get(name);
        const fieldsOfShared = this.definition.structs.find((shared) => shared.name === name)?.fields;
        if (before !== undefined) usage.set(name, hull(before, versions));
        visit(field.fields ?? fieldsOfShared ?? [], versions);
      }
    };
    visit(this.definition.fields, this.message.versions);
    return usage;
  }

  /** Shared structs such that each comes after those it uses. */
  private orderedShared(): { name: string; fields: readonly FieldDefinition[] }[] {
    const ordered: { name: string; fields: readonly FieldDefinition[] }[] = [];
    const visit = (shared: { name: string; fields: readonly FieldDefinition[] }): void => {
      if (ordered.includes(shared)) return;
      for (const other of this.definition.structs) {
        if (other !== shared && shared.fields.some((field) => field.type.replace('[]', '') === other.name)) {
          visit(other);
        }
      }
      ordered.push(shared);
    };
    this.definition.structs.forEach(visit);
    return ordered;
  }
}

/** The fewest bytes that a value of this type can take in any version it occurs in; at least one. */
export function bytesMin(type: PrimitiveType | StructModel, versions: Range, flexible: Range): number {
  let least = Number.POSITIVE_INFINITY;
  for (let version = versions.min; version <= versions.max; version += 1) {
    least = Math.min(least, bytesMinAt(type, version, includes(flexible, version)));
  }
  return Math.max(1, least);
}

const fixedBytes: Readonly<Partial<Record<PrimitiveType, number>>> = {
  bool: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  int64: 8,
  float64: 8,
  uuid: 16,
};

function bytesMinAt(type: PrimitiveType | StructModel, version: number, isFlexible: boolean): number {
  if (typeof type === 'string') return fixedBytes[type] ?? (isFlexible ? 1 : type === 'string' ? 2 : 4);
  let sum = isFlexible ? 1 : 0;
  for (const field of type.fields) {
    if (field.tag !== undefined || !includes(field.versions, version)) continue;
    if (field.isArray) sum += isFlexible ? 1 : 4;
    else if (typeof field.type !== 'string' && includes(field.nullable, version)) sum += 1;
    else sum += bytesMinAt(field.type, version, isFlexible);
  }
  return sum;
}

/** What an object of the engine takes by itself, and a field of it; a view of a buffer; a string without its characters. */
const OBJECT_BYTES = 24;
const SLOT_BYTES = 8;
const VIEW_BYTES = 160;
const STRING_BYTES = 24;
const UUID_BYTES = 40;
const BOXED_NUMBER_BYTES = 16;
const EMPTY_ARRAY_BYTES = 32;
/** An element counts so much at least: whoever handles it makes something of it, and answers it. */
const NUMBER_ELEMENT_BYTES_MIN = 40;
const ELEMENT_BYTES_MIN = 96;

/** About how much memory an element of an array takes once it is decoded; see {@link decodedBytes}. */
export function elementDecodedBytes(type: PrimitiveType | StructModel): number {
  const isNumber = typeof type === 'string' && type !== 'string';
  return Math.max(decodedBytes(type), isNumber ? NUMBER_ELEMENT_BYTES_MIN : ELEMENT_BYTES_MIN);
}

/**
 * About how much memory a decoded value of this type takes, its slot included, without the characters of strings and the elements
 * of arrays within it. A decoder makes every field, whatever the version.
 */
function decodedBytes(type: PrimitiveType | StructModel): number {
  if (typeof type === 'string') return SLOT_BYTES + primitiveBytes(type);
  let sum = SLOT_BYTES + OBJECT_BYTES + SLOT_BYTES;
  for (const field of type.fields) {
    if (field.isArray) sum += SLOT_BYTES + EMPTY_ARRAY_BYTES;
    else if (field.tag !== undefined && typeof field.type !== 'string') sum += SLOT_BYTES;
    else sum += decodedBytes(field.type);
  }
  return sum;
}

function primitiveBytes(type: PrimitiveType): number {
  switch (type) {
    case 'string':
      return STRING_BYTES;
    case 'uuid':
      return UUID_BYTES;
    case 'bytes':
    case 'records':
      return VIEW_BYTES;
    case 'int64':
    case 'float64':
      return BOXED_NUMBER_BYTES;
    default:
      return 0;
  }
}
