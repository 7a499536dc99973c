import type { HeadersInput } from '@millrace/producer';
import { CliError } from '../errors.ts';

/** What a line of input is made into: a record, but for its topic. */
export interface InputRecord {
  readonly key: Uint8Array | string | null;
  readonly value: Uint8Array | string | null;
  readonly headers: HeadersInput | undefined;
  readonly partition: number | undefined;
  readonly timestamp: number | undefined;
}

/** How lines are read. */
export interface RecordInputOptions {
  readonly format: 'value' | 'json';
  /** Divides key from value. Without it lines are values. */
  readonly keySeparator?: string | undefined;
  /** For records that have no key of their own. */
  readonly key?: string | undefined;
  /** The field of JSON values that is the key; dots lead inward. */
  readonly keyField?: string | undefined;
  /** Keys and values that are this text are null. */
  readonly nullMarker?: string | undefined;
  readonly headers?: HeadersInput | undefined;
  readonly partition?: number | undefined;
  /** Whether JSON's "partition" counts. A copy may have other partitions than its original, so it does not by itself. */
  readonly keepPartitions?: boolean | undefined;
}

/** Makes a record of a line; `lineNumber` is for messages. */
export type RecordReader = (line: Buffer, lineNumber: number) => InputRecord;

export function recordReader(options: RecordInputOptions): RecordReader {
  return options.format === 'json' ? jsonReader(options) : textReader(options);
}

function textReader({ keySeparator, key, keyField, nullMarker, headers, partition }: RecordInputOptions): RecordReader {
  const separator = keySeparator === undefined ? undefined : Buffer.from(keySeparator);
  const marker = nullMarker === undefined ? undefined : Buffer.from(nullMarker);
  const orNull = (bytes: Buffer): Buffer | null => (marker?.equals(bytes) ? null : bytes);
  return (line, lineNumber) => {
    if (separator === undefined) {
      const own = keyField === undefined || marker?.equals(line) ? undefined : fieldOf(line, keyField, lineNumber);
      return { key: own ?? key ?? null, value: orNull(line), headers, partition, timestamp: undefined };
    }
    const at = line.indexOf(separator);
    if (at < 0) throw invalidLine(lineNumber, `there is no key separator ${JSON.stringify(keySeparator)} in it`);
    const value = line.subarray(at + separator.length);
    return { key: orNull(line.subarray(0, at)), value: orNull(value), headers, partition, timestamp: undefined };
  };
}

/** The text of a field of a JSON value. */
function fieldOf(line: Buffer, path: string, lineNumber: number): string {
  let value: unknown = parseObject(line, (what) => invalidLine(lineNumber, what));
  for (const name of path.split('.')) {
    value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
  }
  if (value === undefined || value === null) {
    throw invalidLine(lineNumber, `it has no field ${JSON.stringify(path)} for a key`);
  }
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** One object a line, as `millrace consume --format json` writes them; what it has beside is passed over. */
function jsonReader({ key, headers, partition, keepPartitions }: RecordInputOptions): RecordReader {
  return (line, lineNumber) => {
    const fault = (what: string): CliError => invalidLine(lineNumber, what);
    const record = parseObject(line, fault);
    return {
      key: record['key'] === undefined ? (key ?? null) : bytesOf(record['key'], 'key', fault),
      value: record['value'] === undefined ? missingValue(fault) : bytesOf(record['value'], 'value', fault),
      headers: record['headers'] === undefined ? headers : headersOf(record['headers'], fault),
      partition: partition ?? (keepPartitions ? numberOf(record['partition'], 'partition', fault) : undefined),
      timestamp: numberOf(record['timestamp'], 'timestamp', fault),
    };
  };
}

type Fault = (what: string) => CliError;

function parseObject(line: Buffer, fault: Fault): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line.toString('utf8'));
  } catch (cause) {
    throw fault(`it is no JSON (${(cause as Error).message})`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw fault('it is no JSON object');
  return value as Record<string, unknown>;
}

function missingValue(fault: Fault): never {
  throw fault('"value" is missing; null makes a tombstone. For documents as values leave out `--format json`');
}

/** Both alphabets, padded or not. */
const BASE64 = /^(?:[\w+/-]{4})*(?:[\w+/-]{2}(?:==)?|[\w+/-]{3}=?)?$/;

/** Text, null, or `{"base64": "..."}` for what is no text. */
function bytesOf(value: unknown, name: string, fault: Fault): string | Buffer | null {
  if (value === null || typeof value === 'string') return value;
  const base64 = typeof value === 'object' ? (value as { base64?: unknown }).base64 : undefined;
  if (typeof base64 === 'string') {
    // Buffer.from stops in silence at the first letter that is none, and so makes an empty record of a mistake.
    if (!BASE64.test(base64)) throw fault(`"${name}" is not base64`);
    return Buffer.from(base64, 'base64');
  }
  throw fault(`"${name}" must be text, null or {"base64": "..."}; put JSON into a string`);
}

function headersOf(value: unknown, fault: Fault): HeadersInput {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw fault('"headers" must be an object of names and values');
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      Array.isArray(each)
        ? each.map((one) => bytesOf(one, `headers.${name}`, fault))
        : bytesOf(each, `headers.${name}`, fault),
    ]),
  );
}

function numberOf(value: unknown, name: string, fault: Fault): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw fault(`"${name}" must be a whole number`);
  }
  return value;
}

function invalidLine(lineNumber: number, what: string): CliError {
  return new CliError('CLI_INPUT_INVALID', `Line ${lineNumber} of the input is no record: ${what}`);
}
