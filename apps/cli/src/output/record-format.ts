import { isUtf8 } from 'node:buffer';
import { usageError } from '../errors.ts';
import { unescapeText } from '../parse/escapes.ts';
import { formatTimestamp } from './format.ts';

/** A record as it is printed. */
export interface PrintedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds since the Unix epoch; -1 for none. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[];
}

/** Puts the bytes of a record, its line feed included, behind those of the records before. */
export type RecordFormatter = (record: PrintedRecord, chunks: Uint8Array[]) => void;

/** What stands beside the value. */
export interface RecordColumns {
  readonly timestamp?: boolean | undefined;
  readonly partition?: boolean | undefined;
  readonly offset?: boolean | undefined;
  readonly headers?: boolean | undefined;
  readonly key?: boolean | undefined;
  /** Between them; a tab by default. */
  readonly separator?: string | undefined;
}

const LINE_FEED = Buffer.from('\n');
const NULL = Buffer.from('null');

/** The value alone, or behind the columns that are wanted. */
export function valueFormatter(columns: RecordColumns = {}): RecordFormatter {
  const separator = Buffer.from(columns.separator ?? '\t');
  const parts: ((record: PrintedRecord) => Uint8Array)[] = [];
  if (columns.timestamp) parts.push(({ timestamp }) => Buffer.from(formatTimestamp(timestamp)));
  if (columns.partition) parts.push(({ partition }) => Buffer.from(String(partition)));
  if (columns.offset) parts.push(({ offset }) => Buffer.from(String(offset)));
  if (columns.headers) parts.push(({ headers }) => headerText(headers));
  if (columns.key) parts.push(({ key }) => key ?? NULL);
  return (record, chunks) => {
    for (const part of parts) chunks.push(part(record), separator);
    chunks.push(record.value ?? NULL, LINE_FEED);
  };
}

/** One JSON object a line, which `millrace produce --format json` reads. */
export function jsonFormatter(): RecordFormatter {
  return ({ topic, partition, offset, timestamp, key, value, headers }, chunks) => {
    const named: Record<string, unknown> = {};
    for (const header of headers) addHeader(named, header.key, jsonBytes(header.value));
    const line = { topic, partition, offset, timestamp, key: jsonBytes(key), value: jsonBytes(value), headers: named };
    chunks.push(Buffer.from(`${JSON.stringify(line)}\n`));
  };
}

/** A name that comes more than once has a list of values. */
function addHeader(named: Record<string, unknown>, name: string, value: unknown): void {
  const previous = Object.hasOwn(named, name) ? named[name] : undefined;
  const next = previous === undefined ? value : Array.isArray(previous) ? [...previous, value] : [previous, value];
  Object.defineProperty(named, name, { value: next, enumerable: true, writable: true, configurable: true });
}

/** Text where the bytes are text. */
export function jsonBytes(bytes: Buffer | null): string | null | { readonly base64: string } {
  if (bytes === null) return null;
  return isUtf8(bytes) ? bytes.toString('utf8') : { base64: bytes.toString('base64') };
}

type TemplatePart = (record: PrintedRecord) => Uint8Array;

const TEMPLATE_PARTS: Readonly<Record<string, TemplatePart>> = {
  s: ({ value }) => value ?? Buffer.alloc(0),
  S: ({ value }) => Buffer.from(String(value?.length ?? -1)),
  k: ({ key }) => key ?? Buffer.alloc(0),
  K: ({ key }) => Buffer.from(String(key?.length ?? -1)),
  t: ({ topic }) => Buffer.from(topic),
  p: ({ partition }) => Buffer.from(String(partition)),
  o: ({ offset }) => Buffer.from(String(offset)),
  T: ({ timestamp }) => Buffer.from(String(timestamp)),
  h: ({ headers }) => headerText(headers),
};

/**
 * A template in the manner of kcat's `-f`: `%s` value, `%S` its length, `%k` key, `%K` its length, `%t` topic, `%p` partition, `%o`
 * offset, `%T` timestamp, `%h` headers, `%%`; with `\n`, `\t`, `\xNN`. Nothing is added, no line feed either.
 *
 * @throws CliError `CLI_USAGE` for a letter that stands for nothing
 */
export function templateFormatter(template: string): RecordFormatter {
  const parts: (Uint8Array | TemplatePart)[] = [];
  for (const [, letter, text] of template.matchAll(/%([\s\S]|$)|([^%]+)/g)) {
    if (text !== undefined) parts.push(Buffer.from(unescapeText(text)));
    else if (letter === '%') parts.push(Buffer.from('%'));
    else parts.push(templatePart(letter ?? ''));
  }
  return (record, chunks) => {
    for (const part of parts) chunks.push(typeof part === 'function' ? part(record) : part);
  };
}

function templatePart(letter: string): TemplatePart {
  const part = TEMPLATE_PARTS[letter];
  if (part !== undefined) return part;
  throw usageError(
    `"%${letter}" in the format stands for nothing`,
    'There are %s value, %S its length, %k key, %K its length, %t topic, %p partition, %o offset, %T timestamp, %h headers, %%.',
  );
}

function headerText(headers: PrintedRecord['headers']): Buffer {
  const parts = headers.map(({ key, value }) => `${key}=${value === null ? 'NULL' : value.toString('utf8')}`);
  return Buffer.from(parts.join(','));
}
