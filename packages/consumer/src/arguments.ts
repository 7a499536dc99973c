/** What a program hands to a consumer's calls, looked at where it comes in: a place that is none would be waited for in silence. */
import {
  aFunction,
  anAbortSignal,
  anyText,
  closeShape,
  faultOf,
  milliseconds,
  objectWith,
  offsetRule,
  orInfinity,
  placeFields,
  required,
  type Shape,
  shown,
  topicNameRule,
  valueFault,
  wholeNumber,
} from '@millrace/client/internal';
import { ConsumerError } from './errors.ts';
import type { OffsetToCommit } from './offsets/offset-committer.ts';
import type { TopicPartition } from './options.ts';
import type { RunOptions } from './reading/run-options.ts';
import { ConsumerRecord } from './record.ts';

const foreignPlaceNames = {
  partitions: 'a place is one partition: give { topic, partition } for each of them',
  fromBeginning: "use autoOffsetReset: 'earliest', or seekToBeginning()",
};

const place: Shape = { noun: 'field of a partition', fields: placeFields, foreign: foreignPlaceNames };
const seekTarget: Shape = {
  noun: 'field of a place to seek to',
  fields: { ...placeFields, offset: required(offsetRule) },
  foreign: foreignPlaceNames,
};
const assigned: Shape = {
  noun: 'field of an assignment',
  fields: { ...placeFields, offset: offsetRule },
  foreign: foreignPlaceNames,
};
const committed: Shape = {
  noun: 'field of an offset to commit',
  fields: { ...placeFields, offset: required(offsetRule), leaderEpoch: wholeNumber(-1), metadata: anyText },
  foreign: foreignPlaceNames,
};

const batchesOptions: Shape = { noun: 'option of batches()', fields: { recordsMax: orInfinity(wholeNumber(1)) } };

const retryOptions: Shape = {
  noun: 'field of retry',
  fields: {
    retries: required(orInfinity(wholeNumber(0))),
    backoffMs: milliseconds(),
    backoffMsMax: milliseconds(),
    isRetriable: aFunction,
  },
};

const runOptions: Shape = {
  noun: 'option of run()',
  fields: {
    eachRecord: aFunction,
    eachBatch: aFunction,
    concurrency: orInfinity(wholeNumber(1)),
    batchRecordsMax: orInfinity(wholeNumber(1)),
    // Looked at by itself.
    retry: { expects: 'an object', accepts: (value) => typeof value === 'object' && value !== null },
    deadLetterTopic: topicNameRule,
    deadLetter: objectWith('send'),
    signal: anAbortSignal,
  },
  foreign: {
    eachMessage: 'it is called eachRecord',
    partitionsConsumedConcurrently: 'it is called concurrency',
    autoCommit: 'it is an option of the consumer',
    autoCommitInterval: 'autoCommitIntervalMs is an option of the consumer',
    autoCommitThreshold: 'autoCommitIntervalMs is an option of the consumer',
    eachBatchAutoResolve:
      'a batch is processed when its handler is done; batch.markProcessed(record) says it of a part',
  },
};

const transactionalRunOptions: Shape = {
  noun: runOptions.noun,
  fields: {
    ...runOptions.fields,
    eachBatch: required(aFunction),
    transactionalProducer: required(objectWith('transaction')),
  },
};

/** @throws ConsumerError `CONSUMER_INVALID_ARGUMENT` */
export function checkSeekTarget(to: unknown): void {
  // A record has more fields, and is the most natural place there is.
  if (to instanceof ConsumerRecord) return;
  refuseIf('seek', faultOf(to, seekTarget));
}

/** @throws ConsumerError `CONSUMER_INVALID_ARGUMENT` */
export function checkPlaces(partitions: unknown, attempt: string): asserts partitions is readonly TopicPartition[] {
  checkEach(partitions, attempt, (one, at) => {
    const bare = typeof one === 'object' && one !== null ? pick(one, ['topic', 'partition', 'partitions']) : one;
    return faultOf(bare, place, at);
  });
}

/** @throws ConsumerError `CONSUMER_INVALID_ARGUMENT` */
export function checkPlace(one: unknown, attempt: string): void {
  checkPlaces([one], attempt);
}

/** @throws ConsumerError `CONSUMER_INVALID_ARGUMENT` */
export function checkAssignment(partitions: unknown): void {
  checkEach(partitions, 'assign', (one, at) => faultOf(one, assigned, at));
}

/** @throws ConsumerError `CONSUMER_INVALID_ARGUMENT` */
export function checkOffsets(offsets: unknown): asserts offsets is readonly OffsetToCommit[] {
  checkEach(offsets, 'commit', (one, at) =>
    one instanceof ConsumerRecord
      ? `${at} is a record, whose offset is not the one to commit: give it by itself, commit(record)`
      : faultOf(one, committed, at),
  );
}

/**
 * Milliseconds since the Unix epoch.
 * @throws ConsumerError `CONSUMER_INVALID_ARGUMENT`
 */
export function checkTimestamp(timestamp: unknown): number {
  const expects = 'milliseconds since 1970 or a Date';
  const time = timestamp instanceof Date ? timestamp.getTime() : timestamp;
  if (typeof timestamp === 'string') {
    refuseIf('seek', `the timestamp must be ${expects}, not ${shown(timestamp)}: give new Date(...) of it`);
  }
  refuseIf('seek', valueFault(time, required({ ...offsetRule, expects }), 'the timestamp'));
  return time as number;
}

/** @throws ConsumerError `CONSUMER_INVALID_ARGUMENT` */
export function checkCloseOptions(options: unknown): void {
  refuseIf('close', faultOf(options, closeShape));
}

/** @throws ConsumerError `CONSUMER_INVALID_ARGUMENT` */
export function checkBatchesOptions(options: unknown): void {
  refuseIf('cut batches', faultOf(options, batchesOptions));
}

/** @throws ConsumerError `CONSUMER_INVALID_ARGUMENT` */
export function checkIsWanted(isWanted: unknown): void {
  refuseIf('scan', valueFault(isWanted, required(aFunction), 'what says which records are wanted'));
}

/** What is wrong with the options of a `run` in transactions; undefined where nothing is. */
export function transactionalRunOptionsFault(options: object): string | undefined {
  const fault = faultOf(options, transactionalRunOptions);
  const { retry } = options as { readonly retry?: unknown };
  return fault !== undefined || retry === undefined ? fault : faultOf(retry, retryOptions, 'retry');
}

/** What is wrong with the options of `run`; undefined where nothing is. */
export function runOptionsFault<K, V>(options: RunOptions<K, V>): string | undefined {
  const fault = faultOf(options, runOptions);
  if (fault !== undefined || options.retry === undefined) return fault;
  return faultOf(options.retry, retryOptions, 'retry');
}

/** What is told of a call that is given more than it takes. */
export function surplus(fault: string): ConsumerError {
  return new ConsumerError('CONSUMER_INVALID_ARGUMENT', `Cannot call the consumer: ${fault}`);
}

function checkEach(list: unknown, attempt: string, fault: (one: unknown, at: string) => string | undefined): void {
  if (!Array.isArray(list)) refuseIf(attempt, `partitions must be an array, not ${shown(list)}`);
  for (const [index, one] of (list as unknown[]).entries()) refuseIf(attempt, fault(one, `partitions[${index}]`));
}

function refuseIf(attempt: string, fault: string | undefined): void {
  if (fault !== undefined) throw new ConsumerError('CONSUMER_INVALID_ARGUMENT', `Cannot ${attempt}: ${fault}`);
}

function pick(from: object, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, (from as Record<string, unknown>)[name]]));
}
