import type { Message } from '../../../src/api/contract.ts';

/** Gives the messages that are on the page as a file. */
export function saveMessages(topic: string, messages: readonly Message[], format: 'jsonl' | 'csv'): void {
  const text = format === 'jsonl' ? jsonLines(messages) : csv(messages);
  const url = URL.createObjectURL(new Blob([text], { type: 'application/octet-stream' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `${topic}.${format}`;
  link.click();
  URL.revokeObjectURL(url);
}

function jsonLines(messages: readonly Message[]): string {
  return messages.map((message) => `${JSON.stringify(flat(message))}\n`).join('');
}

function flat({ partition, offset, timestamp, key, value, headers }: Message): object {
  return {
    partition,
    offset,
    timestamp,
    key: key.shape === 'null' ? null : key.text,
    value: value.shape === 'null' ? null : value.text,
    headers: headers.map(({ name, value: given }) => [name, given.text]),
    ...(value.isCut ? { cut: true, bytes: value.bytes } : {}),
  };
}

const COLUMNS = ['partition', 'offset', 'timestamp', 'key', 'value'] as const;

function csv(messages: readonly Message[]): string {
  const lines = messages.map(({ partition, offset, timestamp, key, value }) =>
    [partition, offset, timestamp, key.text, value.text].map(cell).join(','),
  );
  return `${[COLUMNS.join(','), ...lines].join('\r\n')}\r\n`;
}

/** A cell that begins like a formula is none: programs for tables would run it. */
function cell(value: string | number): string {
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
