import type { ConsumerEngine } from '../engine.ts';
import { ConsumerError, messageOf } from '../errors.ts';
import type { ConsumerRecord } from '../record.ts';
import type { ConsumerBatch } from './consumer-batch.ts';
import { Runner } from './runner.ts';

/** How many partitions are handled at once, where nothing is said. */
const CONCURRENCY_DEFAULT = 16;

/** What `run` is given: a handler for records or one for batches, and what is to happen around it. */
export interface RunOptions<K, V> {
  /** Called for each record. The next record of its partition waits until what it returns has resolved. */
  readonly eachRecord?: (record: ConsumerRecord<K, V>) => unknown;
  /** Called for each batch, likewise. */
  readonly eachBatch?: (batch: ConsumerBatch<K, V>) => unknown;
  /** How many partitions are handled at once. 16 by default; 1 for one handler at a time. */
  readonly concurrency?: number | undefined;
  /** The most records of a batch. As many as came with one fetch of a partition by default. */
  readonly batchRecordsMax?: number | undefined;
  /** Ends this `run` when it fires; the consumer stays as it is. */
  readonly signal?: AbortSignal | undefined;
}

/** Starts handlers; see `Consumer.run`. */
export async function startRun<K, V>(engine: ConsumerEngine, options: RunOptions<K, V>): Promise<void> {
  const { eachRecord, eachBatch, concurrency = CONCURRENCY_DEFAULT, signal } = options;
  if ((eachRecord === undefined) === (eachBatch === undefined)) {
    throw new ConsumerError('CONSUMER_INVALID_OPTION', 'Cannot run: give either eachRecord or eachBatch');
  }
  if (!(concurrency >= 1)) {
    throw new ConsumerError(
      'CONSUMER_INVALID_OPTION',
      `Cannot run: concurrency must be at least 1, not ${concurrency}`,
    );
  }
  const batchRecordsMax = options.batchRecordsMax ?? Number.POSITIVE_INFINITY;
  const runner = new Runner<K, V>(engine.delivery, engine.clock, {
    ...(eachRecord === undefined ? {} : { record: (record) => guarded(eachRecord, record, record.offset) }),
    ...(eachBatch === undefined ? {} : { batch: (batch) => guarded(eachBatch, batch, batch.firstOffset) }),
    batchRecordsMax,
  });
  await runner.run(concurrency, signal);
}

function guarded<T extends { topic: string; partition: number }>(
  handler: (subject: T) => unknown,
  subject: T,
  offset: number,
): unknown {
  const failed = (cause: unknown): never => {
    const { topic, partition } = subject;
    throw new ConsumerError(
      'CONSUMER_HANDLER_FAILED',
      `The handler failed at offset ${offset} of partition ${partition} of "${topic}": ${messageOf(cause)}`,
      { topic, partition, offset, cause },
    );
  };
  try {
    const done = handler(subject);
    return done instanceof Promise ? done.catch(failed) : done;
  } catch (cause) {
    return failed(cause);
  }
}
