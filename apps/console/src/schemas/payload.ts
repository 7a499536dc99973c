/** What every kind of schema has in common: bytes in, JSON out. */

/** Reads the payload that follows a schema's id. */
export type PayloadDecoder = (payload: Buffer) => string;

/** A schema that another one stands on. */
export interface ReferencedSchema {
  readonly name: string;
  readonly schema: string;
}

/** JSON with every long whole, and bytes as base64. */
export function toJson(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  if (Buffer.isBuffer(value) || value instanceof Uint8Array) {
    return JSON.stringify(Buffer.from(value).toString('base64'));
  }
  if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).filter(([, each]) => each !== undefined);
  return `{${fields.map(([name, each]) => `${JSON.stringify(name)}:${toJson(each)}`).join(',')}}`;
}
