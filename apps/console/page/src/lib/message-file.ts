import type { Message } from '../../../src/api/contract.ts';

/** Messages as the text of a file. */
export function fileOf(messages: readonly Message[], format: 'jsonl' | 'csv'): string {
  return format === 'jsonl' ? jsonLines(messages) : csv(messages);
}

function jsonLines(messages: readonly Message[]): string {
  return messages.map((message) => `${JSON.stringify(flat(message))}\n`).join('');
}

function flat({ partition, offset, timestamp, key, value, headers, transaction }: Message): object {
  return {
    partition,
    offset,
    timestamp,
    key: key.shape === 'null' ? null : key.text,
    value: value.shape === 'null' ? null : value.text,
    headers: headers.map(({ name, value: given }) => [name, given.text]),
    ...(transaction === undefined ? {} : { transaction }),
    ...(value.isCut ? { cut: true, bytes: value.bytes } : {}),
  };
}

const COLUMNS = ['partition', 'offset', 'timestamp', 'key', 'value'] as const;
/** A column of its own where something was sent in a transaction. */
const TRANSACTION = 'transaction';

function csv(messages: readonly Message[]): string {
  const hasTransactions = messages.some(({ transaction }) => transaction !== undefined);
  const lines = messages.map(({ partition, offset, timestamp, key, value, transaction }) => {
    const cells = [partition, offset, timestamp, key.text, value.text, ...(hasTransactions ? [transaction ?? ''] : [])];
    return cells.map(cell).join(',');
  });
  const head = [...COLUMNS, ...(hasTransactions ? [TRANSACTION] : [])].join(',');
  return `${[head, ...lines].join('\r\n')}\r\n`;
}

/** A cell that begins like a formula is none: programs for tables would run it. */
function cell(value: string | number): string {
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
