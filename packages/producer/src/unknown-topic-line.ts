import { KafkaError } from '@millrace/client';
import type { Clock } from '@millrace/ports';
import { asError } from './errors.ts';
import type { PendingSend, TopicLine } from './pending-send.ts';

/** What the line needs of the producer. */
export interface UnknownTopicLineParts<K, V> {
  readonly clock: Clock;
  /** How long a send may wait here, counted from its call. */
  readonly waitMsMax: number;
  /** Asks for the topic. */
  load(timeoutMs: number): Promise<unknown>;
  /** Called once, when the topic is known or nobody waits for it any more. */
  passed(sends: readonly PendingSend<K, V>[]): void;
}

/** Sends to a topic whose partitions are being asked for. */
export class UnknownTopicLine<K, V> implements TopicLine<K, V> {
  readonly #parts: UnknownTopicLineParts<K, V>;
  readonly #settled: Promise<void>;
  #sends: PendingSend<K, V>[];
  #isClosed = false;

  constructor(first: PendingSend<K, V>, parts: UnknownTopicLineParts<K, V>) {
    this.#parts = parts;
    this.#sends = [first];
    this.#settled = this.#ask();
  }

  get length(): number {
    return this.#sends.length;
  }

  join(send: PendingSend<K, V>): void {
    this.#sends.push(send);
  }

  settled(): Promise<void> {
    return this.#settled;
  }

  close(error: Error): void {
    this.#isClosed = true;
    this.#rejectAll(error);
  }

  async #ask(): Promise<void> {
    const { clock, waitMsMax, load, passed } = this.#parts;
    while (!this.#isClosed && this.#sends.length > 0) {
      try {
        const waitedMs = clock.monotonic() - this.#sends[0]!.sinceMs;
        await load(Math.max(Math.round(waitMsMax - waitedMs), 1));
        break;
      } catch (error) {
        if (error instanceof KafkaError && error.retriable) this.#rejectOverdue(error);
        else this.#rejectAll(asError(error));
      }
    }
    const sends = this.#sends;
    this.#sends = [];
    passed(sends);
  }

  /** Those who came later have not waited as long as they may: the topic is asked for again. */
  #rejectOverdue(error: Error): void {
    const { clock, waitMsMax } = this.#parts;
    const nowMs = clock.monotonic();
    const [first] = this.#sends;
    // The first has waited until now by definition; a clock that is read a little early must not have it ask for ever.
    const isOverdue = (send: PendingSend<K, V>): boolean => send === first || nowMs - send.sinceMs >= waitMsMax;
    const overdue = this.#sends.filter(isOverdue);
    this.#sends = this.#sends.filter((send) => !isOverdue(send));
    for (const send of overdue) send.reject(error);
  }

  #rejectAll(error: Error): void {
    for (const send of this.#sends.splice(0)) send.reject(error);
  }
}
