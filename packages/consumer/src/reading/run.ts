import type { Random } from '@millrace/ports';
import { runOptionsFault } from '../arguments.ts';
import type { ConsumerEngine } from '../engine.ts';
import { ConsumerError } from '../errors.ts';
import type { ConsumerRecord } from '../record.ts';
import type { ConsumerBatch } from './consumer-batch.ts';
import { DeadLetters } from './dead-letters.ts';
import { batchSubject, Handler, type HandlerSettings, recordSubject } from './handler.ts';
import type { RunOptions } from './run-options.ts';
import { Runner } from './runner.ts';

/** How many partitions are handled at once, where nothing is said. */
const CONCURRENCY_DEFAULT = 16;

/** Starts handlers; see `Consumer.run`. */
export async function startRun<K, V>(engine: ConsumerEngine, random: Random, options: RunOptions<K, V>): Promise<void> {
  refuseContradictions(options);
  const { eachRecord, eachBatch, concurrency = CONCURRENCY_DEFAULT, deadLetter, deadLetterTopic, signal } = options;
  const { groupId } = engine.settings;
  const settings: HandlerSettings = {
    clock: engine.clock,
    random,
    groupId,
    retry: options.retry,
    deadLetters:
      deadLetter === undefined || deadLetterTopic === undefined
        ? undefined
        : new DeadLetters(deadLetterTopic, deadLetter, groupId),
  };
  const runner = new Runner<K, V>(engine.delivery, engine.clock, {
    record:
      eachRecord === undefined
        ? undefined
        : new Handler<ConsumerRecord<K, V>>(eachRecord, (record) => recordSubject(record), settings),
    batch:
      eachBatch === undefined
        ? undefined
        : new Handler<ConsumerBatch<K, V>>(eachBatch, (batch) => batchSubject(batch), settings),
    batchRecordsMax: options.batchRecordsMax ?? Number.POSITIVE_INFINITY,
  });
  await runner.run(concurrency, signal);
}

function refuseContradictions<K, V>(options: RunOptions<K, V>): void {
  const { eachRecord, eachBatch, deadLetter, deadLetterTopic } = options;
  const refuse = (why: string): never => {
    throw new ConsumerError('CONSUMER_INVALID_OPTION', `Cannot run: ${why}`);
  };
  const fault = runOptionsFault(options);
  if (fault !== undefined) refuse(fault);
  if ((eachRecord === undefined) === (eachBatch === undefined)) refuse('give either eachRecord or eachBatch');
  if ((deadLetter === undefined) !== (deadLetterTopic === undefined)) {
    refuse('deadLetterTopic says where to, and deadLetter sends: give both, or neither');
  }
}
