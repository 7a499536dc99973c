/** The encoder of a struct, and what decides whether a struct is its default. */
import { defaultName, defaultValue, mayBeNull, zeroValue } from './emit-types.ts';
import type { FieldModel, StructModel } from './model.ts';
import { condition, intersect, isEmpty } from './versions.ts';

export function emitEncoder(struct: StructModel): string {
  return encoder(struct, false);
}

/**
 * Whether a struct may be as long as its sender likes, so that it has an encoder that can pause: it has an array of structs, in itself or in
 * a struct of its own. What stands in tagged fields is short: its size has to be known before it is written.
 */
export function canPause({ fields }: StructModel): boolean {
  return fields.some(
    ({ type, isArray, tag }) => tag === undefined && typeof type !== 'string' && (isArray || canPause(type)),
  );
}

/** An encoder that yields behind each element of its arrays. */
export function emitPausingEncoder(struct: StructModel): string {
  return encoder(struct, true);
}

function encoder(struct: StructModel, pauses: boolean): string {
  const { message } = struct;
  const flexible = condition(message.flexible, struct.versions);
  const lines: string[] = [];
  if (struct === message.root) lines.push(versionCheck(struct));
  const body = struct.fields.filter(({ tag }) => tag === undefined).map((field) => encodeField(field, struct, pauses));
  const tags = encodeTags(struct, flexible);
  const text = [...body, tags].join('');
  const isConditional = flexible !== 'true' && flexible !== 'false';
  if (isConditional && /\bflexible\b/.test(text)) lines.push(`  const flexible = ${flexible};\n`);
  const head = pauses ? `function* encode${struct.name}InTurns` : `function encode${struct.name}`;
  const result = pauses ? 'Generator<void, void>' : 'void';
  return `${head}(w: Writer, it: ${struct.name}Input, v: number): ${result} {\n${lines.join('')}${text}}\n`;
}

export function versionCheck({ message }: StructModel): string {
  const { min, max } = message.versions;
  return `  if (!(v >= ${min} && v <= ${max})) throw unsupportedVersion('${message.name}', v, ${min}, ${max});\n`;
}

/** What to pass where a method asks whether the encoding is flexible. */
export function flexibleArgument(struct: StructModel): string {
  const flexible = condition(struct.message.flexible, struct.versions);
  return flexible === 'true' || flexible === 'false' ? flexible : 'flexible';
}

function encodeField(field: FieldModel, struct: StructModel, pauses: boolean): string {
  const present = condition(field.versions, struct.versions);
  const write = writeValue(field, struct, flexibleArgument(struct), pauses);
  if (present === 'true') return write;
  const otherwise = field.ignorable
    ? ''
    : ` else if (${isGiven(field)}) {\n    throw fieldNotInVersion('${field.path}', v);\n  }`;
  return `  if (${present}) {\n${indent(write)}  }${otherwise}\n`;
}

/** Statements that write the field's value, which is in this version. */
function writeValue(field: FieldModel, struct: StructModel, flexible: string, pauses: boolean): string {
  const value = valueToWrite(field, struct);
  if (field.isArray) return writeArray(field, value, flexible, pauses);
  if (typeof field.type === 'string') return `  ${writePrimitive(field, value, flexible, mayBeNull(field))};\n`;
  const call = callEncoder(field.type, value, pauses);
  if (!mayBeNull(field)) return `  ${call};\n`;
  return (
    `  if (it.${field.name} == null) {\n    w.int8(-1);\n  } else {\n    w.int8(1);\n` +
    `    ${callEncoder(field.type, `it.${field.name}`, pauses)};\n  }\n`
  );
}

function callEncoder(type: StructModel, value: string, pauses: boolean): string {
  return pauses && canPause(type)
    ? `yield* encode${type.name}InTurns(w, ${value}, v)`
    : `encode${type.name}(w, ${value}, v)`;
}

/** The value as an expression, with the default where it was left out. */
function valueToWrite(field: FieldModel, struct: StructModel): string {
  const given = `it.${field.name}`;
  if (!field.optional) return given;
  if (!mayBeNull(field)) return `${given} ?? ${field.isArray ? 'NOTHING' : defaultValue(field)}`;
  if (field.type === 'records') return given;
  const nullable = condition(field.nullable, field.versions);
  const orDefault = field.default === null ? given : `(${given} === undefined ? ${defaultValue(field)} : ${given})`;
  if (nullable === 'true') return orDefault;
  const zero = field.isArray ? 'NOTHING' : zeroValue(field);
  const nullableNow = condition(field.nullable, struct.versions);
  return `${nullableNow} ? ${orDefault} : required(${given}, ${zero}, '${field.path}', v)`;
}

function writeArray(field: FieldModel, value: string, flexible: string, pauses: boolean): string {
  const items = field.name;
  const element = `${items}[i]!`;
  const writeElement =
    typeof field.type === 'string'
      ? writePrimitive(field, element, flexible, false)
      : callEncoder(field.type, element, pauses);
  const each = pauses && typeof field.type !== 'string' ? `{ ${writeElement}; yield; }` : `${writeElement};`;
  const loop = `w.arrayLength(${items}.length, ${flexible});\n  for (let i = 0; i < ${items}.length; i++) ${each}\n`;
  if (!mayBeNull(field)) return `  const ${items} = ${value};\n  ${loop}`;
  return (
    `  const ${items} = ${value};\n  if (${items} == null) {\n    w.arrayLength(-1, ${flexible});\n` +
    `  } else {\n  ${indent(`  ${loop}`).slice(2)}  }\n`
  );
}

function writePrimitive(field: FieldModel, value: string, flexible: string, nullable: boolean): string {
  switch (field.type) {
    case 'string':
      return `w.${nullable ? 'nullableString' : 'string'}(${value}, ${flexible})`;
    case 'bytes':
      return `w.${nullable ? 'nullableBytes' : 'bytes'}(${value}, ${flexible})`;
    case 'records':
      return `w.records(${value}, ${flexible})`;
    default:
      return `w.${field.type as string}(${value})`;
  }
}

/** Whether a field has a value other than its default, as an expression. */
function isGiven(field: FieldModel): string {
  const value = `it.${field.name}`;
  if (field.isArray || field.type === 'bytes') {
    return field.hasExplicitDefault ? `${value} != null` : `${value} != null && ${value}.length > 0`;
  }
  if (field.default === null) {
    return field.type === 'string' && !field.hasExplicitDefault
      ? `${value} != null && ${value} !== ''`
      : `${value} != null`;
  }
  if (typeof field.type !== 'string') {
    return `${value} !== undefined && !is${capital(defaultName(field.type))}(${value})`;
  }
  return `${value} !== undefined && ${value} !== ${defaultValue(field)}`;
}

function encodeTags(struct: StructModel, flexible: string): string {
  if (isEmpty(struct.message.flexible) || flexible === 'false') return '';
  const tagged = struct.fields.filter(({ tag }) => tag !== undefined).sort((a, b) => a.tag! - b.tag!);
  const write = tagged.length === 0 ? '  w.unknownTags(it.unknownTags);\n' : encodeKnownTags(struct, tagged);
  if (flexible === 'true') return write;
  const refused = [
    `it.unknownTags !== undefined && it.unknownTags.length > 0`,
    ...tagged.filter(({ ignorable }) => !ignorable).map(isGiven),
  ];
  const names = ['unknownTags', ...tagged.filter(({ ignorable }) => !ignorable).map(({ name }) => name)];
  const throws = refused
    .map((given, i) => ` else if (${given}) {\n    throw fieldNotInVersion('${struct.name}.${names[i]}', v);\n  }`)
    .join('');
  return `  if (flexible) {\n${indent(write)}  }${throws}\n`;
}

function encodeKnownTags(struct: StructModel, tagged: readonly FieldModel[]): string {
  const within = intersect(struct.message.flexible, struct.versions);
  const has = (field: FieldModel): string => `has${capital(field.name)}`;
  let text = '  let tags = it.unknownTags === undefined ? 0 : it.unknownTags.length;\n';
  for (const field of tagged) {
    const present = condition(field.versions, within);
    if (present === 'true') {
      text += `  const ${has(field)} = ${isGiven(field)};\n  if (${has(field)}) tags++;\n`;
    } else {
      text += `  const ${has(field)} = ${isGiven(field)};\n  if (${has(field)}) {\n`;
      text += field.ignorable
        ? `    if (${present}) tags++;\n  }\n`
        : `    if (!(${present})) throw fieldNotInVersion('${field.path}', v);\n    tags++;\n  }\n`;
    }
  }
  text += '  w.uvarint(tags);\n  let nextUnknown = 0;\n';
  for (const field of tagged) {
    const present = condition(field.versions, within);
    const guard = present === 'true' || !field.ignorable ? has(field) : `${has(field)} && ${present}`;
    text +=
      `  if (${guard}) {\n    nextUnknown = w.unknownTagsBelow(it.unknownTags, nextUnknown, ${field.tag});\n` +
      `    const begin = w.beginTag(${field.tag});\n${indent(writeTagValue(field))}    w.endTag(begin);\n  }\n`;
  }
  return `${text}  w.unknownTagsBelow(it.unknownTags, nextUnknown, Infinity);\n`;
}

/** Inside a tagged field the value is never absent, and the encoding is always flexible. */
function writeTagValue(field: FieldModel): string {
  const value = `it.${field.name}`;
  if (field.isArray) return writeArray(field, value, 'true', false);
  if (typeof field.type === 'string') return `  ${writePrimitive(field, value, 'true', mayBeNull(field))};\n`;
  return `${mayBeNull(field) ? '  w.int8(1);\n' : ''}  encode${field.type.name}(w, ${value}, v);\n`;
}

/** The default of a struct and the comparison with it, for structs that can be absent. */
export function emitDefault(struct: StructModel): string {
  const entries = struct.fields.map((field) => `  ${field.name}: ${defaultValue(field)},\n`);
  const checks = struct.fields.map((field) =>
    field.isArray || field.type === 'bytes' || typeof field.type !== 'string' || field.default === null
      ? `!(${isGiven(field)})`
      : field.optional
        ? `(it.${field.name} === undefined || it.${field.name} === ${defaultValue(field)})`
        : `it.${field.name} === ${defaultValue(field)}`,
  );
  const name = defaultName(struct);
  return (
    `const ${name}: ${struct.name} = Object.freeze({\n${entries.join('')}});\n\n` +
    `function is${capital(name)}(it: ${struct.name}Input): boolean {\n` +
    `  return ${[...checks, '!it.unknownTags?.length'].join(' && ')};\n}\n`
  );
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}

function capital(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1);
}
