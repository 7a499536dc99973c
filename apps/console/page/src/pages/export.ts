import type { Message } from '../../../src/api/contract.ts';
import { type FileFormat, fileOf } from '../../../src/api/message-file.ts';

/** Gives the messages that are on the page as a file. */
export function saveMessages(topic: string, messages: readonly Message[], format: FileFormat): void {
  const url = URL.createObjectURL(new Blob([fileOf(messages, format)], { type: 'application/octet-stream' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `${topic}.${format}`;
  link.click();
  URL.revokeObjectURL(url);
}
