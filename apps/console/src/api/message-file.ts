/** Messages as the text of a file, made here by the page of what it shows, and by the server of all that a search finds. */
import type { Message, Shown } from './messages.ts';

/** JSON lines, or a table. */
export const FILE_FORMATS = ['jsonl', 'csv'] as const;
export type FileFormat = (typeof FILE_FORMATS)[number];

/** Messages as the text of a file: what is not whole in it, or not text, is said beside it. */
export function fileOf(messages: readonly Message[], format: FileFormat): string {
  const hasTransactions = messages.some(({ transaction }) => transaction !== undefined);
  return headOf(format, hasTransactions) + messages.map((each) => lineOf(each, format, hasTransactions)).join('');
}

/** What stands before the first message. */
export function headOf(format: FileFormat, hasTransactions: boolean): string {
  if (format === 'jsonl') return '';
  return `${[...COLUMNS, ...(hasTransactions ? [TRANSACTION] : [])].join(',')}\r\n`;
}

/** A message of the file, with its end. */
export function lineOf(message: Message, format: FileFormat, hasTransactions: boolean): string {
  return format === 'jsonl' ? `${JSON.stringify(flat(message))}\n` : rowOf(message, hasTransactions);
}

function flat({ partition, offset, timestamp, key, value, headers, headerCount, transaction }: Message): object {
  const left = headerCount - headers.length;
  return {
    partition,
    offset,
    timestamp,
    key: textOf(key),
    value: textOf(value),
    headers: pairsOf(headers),
    ...(transaction === undefined ? {} : { transaction }),
    ...(value.isCut ? { cut: true, bytes: value.bytes } : {}),
    ...(isText(value) ? {} : { as: value.shape }),
    ...(key.isCut ? { keyCut: true, keyBytes: key.bytes } : {}),
    ...(isText(key) ? {} : { keyAs: key.shape }),
    ...(headers.some((each) => each.value.isCut) ? { headersCut: cutNames(headers) } : {}),
    ...(left > 0 ? { headersLeftOut: left } : {}),
  };
}

/** What there is none of is no empty text. */
function textOf({ shape, text }: Shown): string | null {
  return shape === 'null' ? null : text;
}

function pairsOf(headers: Message['headers']): readonly (readonly [name: string, value: string | null])[] {
  return headers.map(({ name, value }) => [name, textOf(value)]);
}

function cutNames(headers: Message['headers']): readonly string[] {
  return headers.filter(({ value }) => value.isCut).map(({ name }) => name);
}

const TEXTS: ReadonlySet<Shown['shape']> = new Set(['null', 'empty', 'text', 'json']);

/** Whether what is shown are the bytes, and not another form of them. */
function isText({ shape }: Shown): boolean {
  return TEXTS.has(shape);
}

const COLUMNS = ['partition', 'offset', 'timestamp', 'key', 'value', 'headers', 'notes'] as const;
/** A column of its own where something was sent in a transaction. */
const TRANSACTION = 'transaction';

function rowOf(message: Message, hasTransactions: boolean): string {
  const { partition, offset, timestamp, key, value, headers, transaction } = message;
  const pairs = headers.length === 0 ? '' : JSON.stringify(pairsOf(headers));
  const cells = [partition, offset, timestamp, key.text, value.text, pairs, notesOf(message)];
  return `${[...cells, ...(hasTransactions ? [transaction ?? ''] : [])].map(cell).join(',')}\r\n`;
}

/** What a cell cannot say: that there is nothing, that it is not whole, that it is no text. */
function notesOf({ key, value, headers, headerCount }: Message): string {
  const left = headerCount - headers.length;
  return [
    ...noteOf('key', key),
    ...noteOf('value', value),
    ...cutNames(headers).map((name) => `header ${name} cut`),
    ...(left > 0 ? [`${left} headers left out`] : []),
  ].join('; ');
}

function noteOf(name: string, shown: Shown): string[] {
  if (shown.shape === 'null') return [`${name} null`];
  return [
    ...(isText(shown) ? [] : [`${name} ${shown.shape}`]),
    ...(shown.isCut ? [`${name} cut of ${shown.bytes} bytes`] : []),
  ];
}

/** A cell that begins like a formula is none: programs for tables would run it. */
function cell(value: string | number): string {
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
