import type { Random } from '@millrace/ports';
import { runOptionsFault } from '../arguments.ts';
import type { ConsumerEngine } from '../engine.ts';
import { ConsumerError, messageOf } from '../errors.ts';
import { type ConsumerRecord, decodeRecord } from '../record.ts';
import { type ConsumerBatch, decodeBatch } from './consumer-batch.ts';
import { DeadLetters } from './dead-letters.ts';
import { batchSubject, Handler, type HandlerSettings, recordSubject } from './handler.ts';
import type { HandlerContext, RunOptions } from './run-options.ts';
import { Runner, type Work } from './runner.ts';

/** How many partitions are handled at once, where nothing is said. */
const CONCURRENCY_DEFAULT = 16;

/**
 * Starts handlers; see `Consumer.run`.
 * @param isNobodysFailure of what a handler threw: it is called again, however often
 */
export async function startRun<K, V>(
  engine: ConsumerEngine,
  random: Random,
  options: RunOptions<K, V>,
  isNobodysFailure: (error: unknown) => boolean = () => false,
): Promise<void> {
  refuseContradictions(options);
  const { concurrency = CONCURRENCY_DEFAULT, deadLetter, deadLetterTopic, signal } = options;
  const { logger, clock } = engine;
  const { groupId } = engine.settings;
  const ended = engine.beginRun();
  if (deadLetterTopic !== undefined) void warnWhereMissing(engine, deadLetterTopic);
  const settings: HandlerSettings = {
    clock,
    random,
    logger,
    counts: engine.handling,
    groupId,
    retry: options.retry,
    isNobodysFailure,
    deadLetters:
      deadLetter === undefined || deadLetterTopic === undefined
        ? undefined
        : new DeadLetters(deadLetterTopic, deadLetter, groupId),
  };
  const runner = new Runner<K, V>(engine.delivery, clock, workOf(options, settings, engine.decodesFirst));
  try {
    await runner.run(concurrency, engine.over, signal);
  } catch (error) {
    logger.error({ groupId, err: error }, `run() ends: ${messageOf(error)}`);
    throw error;
  } finally {
    ended();
  }
}

function workOf<K, V>(options: RunOptions<K, V>, settings: HandlerSettings, decodesFirst: boolean): Work<K, V> {
  const { eachRecord, eachBatch, batchRecordsMax = Number.POSITIVE_INFINITY } = options;
  const record = decodesFirst ? after(decodeRecord, eachRecord) : eachRecord;
  const batch = decodesFirst ? after(decodeBatch, eachBatch) : eachBatch;
  return {
    record: record === undefined ? undefined : new Handler<ConsumerRecord<K, V>>(record, recordSubject, settings),
    batch: batch === undefined ? undefined : new Handler<ConsumerBatch<K, V>>(batch, batchSubject, settings),
    batchRecordsMax,
  };
}

/** A handler that is called when what it is called for has been decoded. */
function after<T>(
  decode: (subject: T) => Promise<void>,
  handle: ((subject: T, context: HandlerContext) => unknown) | undefined,
): ((subject: T, context: HandlerContext) => unknown) | undefined {
  if (handle === undefined) return undefined;
  return async (subject, context) => {
    await decode(subject);
    return handle(subject, context);
  };
}

/** Says at the start what would otherwise show when the first record cannot be handled, which may be weeks later. */
async function warnWhereMissing({ cluster, logger }: ConsumerEngine, topic: string): Promise<void> {
  try {
    await cluster.refreshTopics([topic]);
    if (cluster.topic(topic) !== undefined) return;
    logger.warn(
      { deadLetterTopic: topic },
      `There is no topic "${topic}" for dead letters (deadLetterTopic): create it, or the first of them may end run(), unless brokers create topics by themselves`,
    );
  } catch (error) {
    logger.debug({ deadLetterTopic: topic, err: error }, 'Whether there is the topic for dead letters is not known');
  }
}

function refuseContradictions<K, V>(options: RunOptions<K, V>): void {
  const refuse = (why: string): never => {
    throw new ConsumerError('CONSUMER_INVALID_OPTION', `Cannot run: ${why}`);
  };
  const fault = runOptionsFault(options);
  if (fault !== undefined) refuse(fault);
  const { eachRecord, eachBatch, deadLetter, deadLetterTopic } = options;
  if ((eachRecord === undefined) === (eachBatch === undefined)) refuse('give either eachRecord or eachBatch');
  if ((deadLetter === undefined) !== (deadLetterTopic === undefined)) {
    refuse('deadLetterTopic says where to, and deadLetter sends: give both, or neither');
  }
}
