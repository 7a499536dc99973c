import type { RecordHeaderInput } from '@millrace/records';
import type { ConsumerRecord } from '../record.ts';
import type { ConsumerBatch } from './consumer-batch.ts';

/** What a handler gets beside the record or batch. One object for many calls: take from it what is needed. */
export interface HandlerContext {
  /** Fires when the partition is about to be taken away, or the consumer closes: a long handler does well to stop. */
  readonly signal: AbortSignal;
}

/** How often, and how soon, a handler is called again for what it failed at. Its partition waits meanwhile; the others go on. */
export interface HandlerRetry {
  /** Calls after the first. */
  readonly retries: number;
  /** Before the second call, in milliseconds; doubles with each further one. 200 by default. */
  readonly backoffMs?: number | undefined;
  /** The longest pause, in milliseconds. 30,000 by default. */
  readonly backoffMsMax?: number | undefined;
  /** Whether another call may help. By default for all errors but those of a deserializer. */
  readonly isRetriable?: ((error: unknown) => boolean) | undefined;
}

/** A record that could not be handled, as it is sent on: its own bytes, and headers that tell where it came from and what went wrong. */
export interface DeadLetter {
  readonly topic: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestamp: number;
  readonly headers: readonly RecordHeaderInput[];
}

/** Sends dead letters: a `Producer` of `@millrace/producer` without serializers of its own, or whatever else can. */
export interface DeadLetterSender {
  /** The record counts as processed when this resolves. */
  send(letter: DeadLetter): PromiseLike<unknown>;
}

/** What `run` is given: a handler for records or one for batches, and what is to happen around it. */
export interface RunOptions<K = Buffer, V = Buffer> {
  /** Called for each record. The next record of its partition waits until what it returns has resolved. */
  readonly eachRecord?: ((record: ConsumerRecord<K, V>, context: HandlerContext) => unknown) | undefined;
  /** Called for each batch, likewise. */
  readonly eachBatch?: ((batch: ConsumerBatch<K, V>, context: HandlerContext) => unknown) | undefined;
  /** How many partitions are handled at once. 16 by default; 1 for one handler at a time. */
  readonly concurrency?: number | undefined;
  /** The most records of a batch. By default what has come of a partition, at most as much as one fetch may bring (`partitionBytesMax`). */
  readonly batchRecordsMax?: number | undefined;
  /** Off by default: the first error ends `run`. */
  readonly retry?: HandlerRetry | undefined;
  /**
   * Where records go that cannot be handled, retries included; reading goes on after them. Off by default. A batch is divided until
   * those records are found that fail by themselves: `eachBatch` is called again for each half of what is not marked as processed.
   */
  readonly deadLetterTopic?: string | undefined;
  /** Who sends them; needed with `deadLetterTopic`. */
  readonly deadLetter?: DeadLetterSender | undefined;
  /** Ends this `run` when it fires; handlers finish what they have in hand, and the consumer stays as it is. */
  readonly signal?: AbortSignal | undefined;
}
