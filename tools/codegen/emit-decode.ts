/** The decoder of a struct. */
import { flexibleArgument, versionCheck } from './emit-encode.ts';
import { decodedType, defaultValue, mayBeNull } from './emit-types.ts';
import { bytesMin, elementDecodedBytes, type FieldModel, type StructModel } from './model.ts';
import { condition, intersect, isEmpty } from './versions.ts';

export function emitDecoder(struct: StructModel): string {
  const flexible = condition(struct.message.flexible, struct.versions);
  const lines: string[] = [];
  if (struct === struct.message.root) lines.push(versionCheck(struct));
  const body = struct.fields.map((field) =>
    field.tag === undefined ? decodeField(field, struct) : declareTagged(field),
  );
  const tags = decodeTags(struct, flexible);
  const text = [...body, tags].join('');
  if (flexible !== 'true' && flexible !== 'false' && /\bflexible\b/.test(text)) {
    lines.push(`  const flexible = ${flexible};\n`);
  }
  const names = struct.fields.map(({ name }) => name).join(', ');
  const literal = names.length < 100 ? `{ ${names} }` : `{\n    ${names.replaceAll(', ', ',\n    ')},\n  }`;
  const end =
    tags === ''
      ? `  return ${literal};\n`
      : `  const it: ${struct.name} = ${literal};\n  if (unknownTags !== undefined) it.unknownTags = unknownTags;\n  return it;\n`;
  return `function decode${struct.name}(r: Reader, v: number): ${struct.name} {\n${lines.join('')}${text}${end}}\n`;
}

function declareTagged(field: FieldModel): string {
  return `  let ${field.name}: ${decodedType(field)} = ${defaultValue(field)};\n`;
}

function decodeField(field: FieldModel, struct: StructModel): string {
  const present = condition(field.versions, struct.versions);
  const flexible = flexibleArgument(struct);
  if (field.isArray) return decodeArray(field, struct, present, flexible);
  const read = readValue(field, struct, flexible);
  const annotation = typeof field.type === 'string' && !mayBeNull(field) ? '' : `: ${decodedType(field)}`;
  if (present === 'true') return `  const ${field.name}${annotation} = ${read};\n`;
  return `  const ${field.name}${annotation} = ${present} ? ${read} : ${defaultValue(field)};\n`;
}

function readValue(field: FieldModel, struct: StructModel, flexible: string): string {
  const nullable = condition(field.nullable, field.versions);
  if (typeof field.type !== 'string') {
    const read = `decode${field.type.name}(r, v)`;
    return nullable === 'false' ? read : `(r.present() ? ${read} : null)`;
  }
  switch (field.type) {
    case 'string':
    case 'bytes': {
      const plain = `r.${field.type}(${flexible})`;
      const nullableRead = `r.nullable${field.type === 'string' ? 'String' : 'Bytes'}(${flexible})`;
      if (nullable === 'false') return plain;
      if (nullable === 'true') return nullableRead;
      return `(${condition(field.nullable, struct.versions)} ? ${nullableRead} : ${plain})`;
    }
    case 'records':
      return `r.nullableBytes(${flexible})`;
    default:
      return `r.${field.type}()`;
  }
}

function readElement(field: FieldModel, flexible: string): string {
  if (typeof field.type !== 'string') return `decode${field.type.name}(r, v)`;
  return field.type === 'string' || field.type === 'bytes' ? `r.${field.type}(${flexible})` : `r.${field.type}()`;
}

function decodeArray(field: FieldModel, struct: StructModel, present: string, flexible: string): string {
  const { message } = struct;
  const elementBytes = bytesMin(field.type, field.versions, message.flexible);
  const lengthArguments = `(${flexible}, ${elementBytes}, ${elementDecodedBytes(field.type)})`;
  const push = `${field.name}.push(${readElement(field, flexible)});\n`;
  const guard = present === 'true' ? '' : `if (${present}) `;
  const nullable = condition(field.nullable, field.versions);
  if (!mayBeNull(field)) {
    return (
      `  const ${field.name}: ${decodedType(field)} = [];\n` +
      `  ${guard}for (let n = r.arrayLength${lengthArguments}; n > 0; n--) ${push}`
    );
  }
  const length =
    nullable === 'true'
      ? `r.nullableArrayLength${lengthArguments}`
      : `${condition(field.nullable, struct.versions)} ? r.nullableArrayLength${lengthArguments} : r.arrayLength${lengthArguments}`;
  return (
    `  let ${field.name}: ${decodedType(field)} = null;\n  ${guard}{\n    let n = ${length};\n` +
    `    if (n >= 0) {\n      ${field.name} = [];\n      for (; n > 0; n--) ${push}    }\n  }\n`
  );
}

function decodeTags(struct: StructModel, flexible: string): string {
  if (isEmpty(struct.message.flexible) || flexible === 'false') return '';
  const tagged = struct.fields.filter(({ tag }) => tag !== undefined);
  if (tagged.length === 0) {
    return `  const unknownTags = ${flexible === 'true' ? '' : 'flexible ? '}r.unknownTags()${flexible === 'true' ? '' : ' : undefined'};\n`;
  }
  const within = intersect(struct.message.flexible, struct.versions);
  const branches = tagged.map((field) => {
    const present = condition(field.versions, within);
    const test = present === 'true' ? `tag === ${field.tag}` : `tag === ${field.tag} && ${present}`;
    return `if (${test}) {\n${readTagged(field, struct)}      } else `;
  });
  const loop =
    `    for (let tags = r.tagCount(); tags > 0; tags--) {\n      const tag = r.uvarint();\n      const limit = r.enterTag();\n` +
    `      ${branches.join('')}{\n        unknownTags = r.unknownTag(unknownTags, tag);\n      }\n      r.leaveTag(limit);\n    }\n`;
  const declared = '  let unknownTags: UnknownTag[] | undefined;\n';
  return flexible === 'true'
    ? `${declared}${loop.replace(/^ {2}/gm, '')}`
    : `${declared}  if (flexible) {\n${loop}  }\n`;
}

function readTagged(field: FieldModel, struct: StructModel): string {
  if (!field.isArray) return `        ${field.name} = ${readValue(field, struct, 'true')};\n`;
  const elementBytes = bytesMin(field.type, field.versions, struct.message.flexible);
  return (
    `        ${field.name} = [];\n` +
    `        for (let n = r.arrayLength(true, ${elementBytes}, ${elementDecodedBytes(field.type)}); n > 0; n--) ${field.name}.push(${readElement(field, 'true')});\n`
  );
}
