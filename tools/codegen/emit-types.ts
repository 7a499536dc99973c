/** The types of a message: one interface for what decoding gives, one for what encoding takes. */
import type { FieldModel, StructModel } from './model.ts';
import { covers, isEmpty, printRange } from './versions.ts';

export function emitTypes(struct: StructModel): string {
  const isRoot = struct === struct.message.root;
  const about = isRoot ? struct.message.about : `Part of {@link ${struct.message.root.name}}.`;
  const fields = struct.fields.map((field) => `${fieldDoc(field, struct)}  ${field.name}: ${decodedType(field)};\n`);
  const inputs = struct.fields.map((field) => {
    const type = inputType(field);
    return `  readonly ${field.name}${field.optional ? `?: ${type} | undefined` : `: ${type}`};\n`;
  });
  const unknownTags = isEmpty(struct.message.flexible)
    ? ['', '']
    : [
        '  /** Tagged fields that the codec has no name for; absent if there are none. */\n  unknownTags?: UnknownTag[];\n',
        '  readonly unknownTags?: readonly UnknownTag[] | undefined;\n',
      ];
  return (
    `/** ${about} */\nexport interface ${struct.name} {\n${fields.join('')}${unknownTags[0]}}\n\n` +
    `/** What encoding takes for {@link ${struct.name}}: what has a default may be left out. */\n` +
    `export interface ${struct.name}Input {\n${inputs.join('')}${unknownTags[1]}}\n`
  );
}

function fieldDoc(field: FieldModel, struct: StructModel): string {
  const facts: string[] = [];
  if (!covers(field.versions, struct.versions)) {
    facts.push(`Versions ${printRange(field.versions, struct.message.versions)}.`);
  }
  if (!isEmpty(field.nullable) && !covers(field.nullable, field.versions)) {
    facts.push(`Null allowed in versions ${printRange(field.nullable, struct.message.versions)}.`);
  }
  if (field.default !== undefined && field.default !== null) facts.push(`Default ${JSON.stringify(field.default)}.`);
  if (field.about !== undefined) facts.unshift(field.about);
  return facts.length === 0 ? '' : `  /** ${facts.join(' ')} */\n`;
}

const typeNames = {
  bool: 'boolean',
  int8: 'number',
  int16: 'number',
  uint16: 'number',
  int32: 'number',
  int64: 'number',
  float64: 'number',
  string: 'string',
  uuid: 'string',
} as const;

/** The type in TypeScript of a decoded field. */
export function decodedType(field: FieldModel): string {
  const type = elementType(field, 'Buffer', '');
  return `${type}${field.isArray ? '[]' : ''}${mayBeNull(field) ? ' | null' : ''}`;
}

function inputType(field: FieldModel): string {
  if (field.type === 'records') return 'RecordsInput';
  const type = elementType(field, 'Uint8Array', 'Input');
  return `${field.isArray ? `readonly ${type}[]` : type}${mayBeNull(field) ? ' | null' : ''}`;
}

function elementType(field: FieldModel, bytesType: string, structSuffix: string): string {
  if (typeof field.type !== 'string') return field.type.name + structSuffix;
  if (field.type === 'bytes' || field.type === 'records') return bytesType;
  return typeNames[field.type];
}

export function mayBeNull(field: FieldModel): boolean {
  return !isEmpty(field.nullable) || field.default === null;
}

/** The default of a field as an expression. */
export function defaultValue(field: FieldModel): string {
  if (field.default !== undefined) return field.default === null ? 'null' : JSON.stringify(field.default);
  return zeroValue(field);
}

/** The zero of a field's type as an expression. */
export function zeroValue(field: FieldModel): string {
  if (field.isArray) return '[]';
  if (typeof field.type !== 'string') return defaultName(field.type);
  if (field.type === 'bool') return 'false';
  if (field.type === 'string') return "''";
  if (field.type === 'uuid') return 'ZERO_UUID';
  if (field.type === 'bytes' || field.type === 'records') return 'Buffer.alloc(0)';
  return '0';
}

/** The name of the constant that holds a struct's default. */
export function defaultName(struct: StructModel): string {
  return `default${struct.name}`;
}
