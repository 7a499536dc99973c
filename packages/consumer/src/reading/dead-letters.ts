import type { RecordHeaderInput } from '@millrace/records';
import { ConsumerError, messageOf } from '../errors.ts';
import type { ConsumerRecord } from '../record.ts';
import type { DeadLetter, DeadLetterSender } from './run-options.ts';

/** A stack or message that is longer is cut, so that a letter stays about as large as its record. */
const ERROR_TEXT_CHARS_MAX = 2_000;

/** Sends what could not be handled to another topic, with its origin and the error in headers (all text). */
export class DeadLetters {
  readonly topic: string;
  readonly #sender: DeadLetterSender;
  readonly #groupId: string | undefined;

  constructor(topic: string, sender: DeadLetterSender, groupId: string | undefined) {
    this.topic = topic;
    this.#sender = sender;
    this.#groupId = groupId;
  }

  /** @throws ConsumerError `CONSUMER_DEAD_LETTER_FAILED` when it cannot be sent; the record is then not processed. */
  async send(record: ConsumerRecord<unknown, unknown>, error: unknown, attempts: number): Promise<void> {
    const { topic, partition, offset } = record;
    try {
      await this.#sender.send(this.#letter(record, error, attempts));
    } catch (cause) {
      const what = `The record at offset ${offset} of partition ${partition} of "${topic}" could neither be handled (${messageOf(error)}) nor sent to "${this.topic}" (${messageOf(cause)})`;
      throw new ConsumerError('CONSUMER_DEAD_LETTER_FAILED', what, { topic, partition, offset, cause });
    }
  }

  #letter(record: ConsumerRecord<unknown, unknown>, error: unknown, attempts: number): DeadLetter {
    const code = (error as { code?: unknown } | null | undefined)?.code;
    const about: Record<string, string | undefined> = {
      'dead-letter-topic': record.topic,
      'dead-letter-partition': `${record.partition}`,
      'dead-letter-offset': `${record.offset}`,
      'dead-letter-timestamp': `${record.timestamp}`,
      'dead-letter-group': this.#groupId,
      'dead-letter-attempts': `${attempts}`,
      'dead-letter-error-name': error instanceof Error ? String(error.name) : typeof error,
      'dead-letter-error-code': typeof code === 'string' || typeof code === 'number' ? `${code}` : undefined,
      'dead-letter-error-message': messageOf(error).slice(0, ERROR_TEXT_CHARS_MAX),
      'dead-letter-error-stack': stackOf(error)?.slice(0, ERROR_TEXT_CHARS_MAX),
    };
    const headers: RecordHeaderInput[] = [...record.headers];
    for (const [key, value] of Object.entries(about)) if (value !== undefined) headers.push({ key, value });
    const { rawKey: key, rawValue: value, timestamp } = record;
    return { topic: this.topic, key, value, timestamp, headers };
  }
}

/** Anybody may have written something else into it. */
function stackOf(error: unknown): string | undefined {
  const stack: unknown = error instanceof Error ? error.stack : undefined;
  return typeof stack === 'string' ? stack : undefined;
}
