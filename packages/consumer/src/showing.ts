/** Records as people want to see them: in logs, on the console, as JSON. */
import { isUtf8 } from 'node:buffer';
import type { RecordHeader } from '@millrace/records';

/** Bytes as text where they are that; else `{ base64 }`. All other values as they are. */
export function plainValue(value: unknown): unknown {
  if (!(value instanceof Uint8Array)) return value;
  return isUtf8(value) ? textOf(value) : { base64: Buffer.from(value).toString('base64') };
}

/** Headers by name, in order; one that occurs more than once has a list. */
export function plainHeaders(headers: readonly RecordHeader[]): Record<string, unknown> {
  const plain = new Map<string, unknown[]>();
  for (const { key, value } of headers) {
    const values = plain.get(key);
    if (values === undefined) plain.set(key, [plainValue(value)]);
    else values.push(plainValue(value));
  }
  return Object.fromEntries([...plain].map(([name, values]) => [name, values.length === 1 ? values[0] : values]));
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}
