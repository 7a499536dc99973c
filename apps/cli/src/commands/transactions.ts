import type { Admin, DescribedTransaction, ProducerState, TransactionToAbort } from '@millrace/admin';
import { KafkaError, type TopicPartition, UnsupportedVersionError } from '@millrace/client';
import type { CommandContext } from '../context.ts';
import { type CliError, failure, usageError } from '../errors.ts';
import { counted, formatCount, formatDuration, formatTimestamp, listPartitions, printable } from '../output/format.ts';
import { renderPairs, renderTable } from '../output/table.ts';
import { choosePartitions, findTopic, findTopics } from './find-topics.ts';
import { knownState, TRANSACTION_STATES } from './known-state.ts';

export interface ListTransactionsOptions {
  readonly state?: readonly string[];
  readonly producerId?: readonly number[];
  readonly openFor?: number;
  readonly idPattern?: string;
}

export interface DescribeProducersOptions {
  readonly partition?: readonly number[];
}

export interface FindHangingOptions {
  readonly topic?: readonly string[];
  readonly partition?: readonly number[];
  readonly idleFor?: number;
}

export interface AbortTransactionOptions {
  readonly partition: number;
  readonly startOffset?: number;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly coordinatorEpoch?: number;
}

const right = (header: string) => ({ header, align: 'right' }) as const;

export async function listTransactions(
  context: CommandContext,
  { state, producerId, openFor, idPattern }: ListTransactionsOptions,
): Promise<void> {
  await context.withAdmin(async (admin) => {
    const states = state?.map((each) => knownState(each, TRANSACTION_STATES, 'transactions'));
    const filters = { states, producerIds: producerId, openForMs: openFor, idPattern };
    const listed = await admin.listTransactions(filters);
    if (context.out.quiet && !context.out.json) {
      await context.out.write(listed.map(({ transactionalId }) => `${transactionalId}\n`).join(''));
      return;
    }
    await context.out.result(listed, (paint) =>
      listed.length === 0
        ? 'No transactional ids'
        : renderTable(
            [{ header: 'TRANSACTIONAL ID' }, right('COORDINATOR'), right('PRODUCER'), { header: 'STATE' }],
            listed.map((each) => [
              each.transactionalId,
              String(each.coordinatorId),
              String(each.producerId),
              each.state,
            ]),
            paint,
          ),
    );
  });
}

export async function describeTransactions(context: CommandContext, ids: readonly string[]): Promise<void> {
  await context.withAdmin(async (admin) => {
    const { described, unknown, failed } = await lookUp(admin, ids);
    const nowMs = Date.now();
    if (described.length > 0) {
      await context.out.result(described, (paint) =>
        described.map((each) => renderPairs(pairsOf(each, nowMs), paint)).join('\n\n'),
      );
    }
    if (unknown.length > 0 && failed.length > 0) context.out.warn(`no transactional id is called ${quoted(unknown)}.`);
    if (failed.length > 0) throw failed[0];
    if (unknown.length > 0) throw noSuchIds(unknown);
  });
}

function pairsOf(described: DescribedTransaction, nowMs: number): [string, string][] {
  const { coordinator, startTimestamp, state } = described;
  const isOpen = state === 'Ongoing' || state.startsWith('Prepare');
  const age =
    startTimestamp !== undefined && isOpen ? `, ${formatDuration(Math.max(nowMs - startTimestamp, 0))} ago` : '';
  return [
    ['Transactional id', described.transactionalId],
    ['State', state],
    ['Producer', `${described.producerId}, epoch ${described.producerEpoch}`],
    ['Coordinator', `broker ${coordinator.nodeId} at ${coordinator.host}:${coordinator.port}`],
    ['Timeout', formatDuration(described.timeoutMs)],
    ['Began', startTimestamp === undefined ? '' : `${formatTimestamp(startTimestamp)}${age}`],
    ['Partitions', listPartitions(described.partitions)],
  ];
}

export async function describeProducers(
  context: CommandContext,
  name: string,
  { partition }: DescribeProducersOptions,
): Promise<void> {
  await context.withAdmin(async (admin) => {
    const described = await admin.describeProducers(choosePartitions(await findTopic(admin, name), partition));
    described.sort((a, b) => a.partition - b.partition);
    const rows = described.flatMap(({ producers, ...place }) => producers.map((each) => ({ ...each, ...place })));
    await context.out.result(described, (paint) =>
      rows.length === 0
        ? `No producer is known in ${counted(described.length, 'partition')}`
        : renderTable(
            [
              right('PARTITION'),
              right('PRODUCER'),
              right('EPOCH'),
              right('COORDINATOR EPOCH'),
              right('LAST SEQUENCE'),
              { header: 'LAST WRITE' },
              right('OPEN SINCE OFFSET'),
            ],
            rows.map((each) => [
              String(each.partition),
              String(each.producerId),
              String(each.producerEpoch),
              each.coordinatorEpoch < 0 ? '' : String(each.coordinatorEpoch),
              each.lastSequence < 0 ? '' : String(each.lastSequence),
              formatTimestamp(each.lastTimestamp),
              each.transactionStartOffset === undefined ? '' : formatCount(each.transactionStartOffset),
            ]),
            paint,
          ),
    );
  });
}

export async function findHanging(context: CommandContext, options: FindHangingOptions): Promise<void> {
  const { topic, partition, idleFor } = options;
  if (partition !== undefined && topic?.length !== 1) throw usageError('`--partition` goes with one `--topic`');
  await context.withAdmin(async (admin) => {
    const partitions = await placesOf(admin, topic, partition);
    const found = await admin.findHangingTransactions({ partitions, idleForMs: idleFor });
    const nowMs = Date.now();
    await context.out.result(found, (paint) =>
      found.length === 0
        ? 'No transaction hangs'
        : renderTable(
            [
              { header: 'TOPIC' },
              right('PARTITION'),
              right('START OFFSET'),
              right('PRODUCER'),
              right('EPOCH'),
              { header: 'LAST WRITE' },
              right('IDLE FOR'),
              { header: 'TRANSACTIONAL ID' },
            ],
            found.map((each) => [
              each.topic,
              String(each.partition),
              String(each.startOffset),
              String(each.producerId),
              String(each.producerEpoch),
              formatTimestamp(each.lastTimestamp),
              formatDuration(Math.max(nowMs - each.lastTimestamp, 0)),
              each.transactionalId ?? '',
            ]),
            paint,
          ),
    );
    if (found.length > 0) {
      context.out.note('`millrace transactions abort TOPIC --partition N --start-offset OFFSET` ends one.');
    }
  });
}

async function placesOf(
  admin: Admin,
  topics: readonly string[] | undefined,
  partition: readonly number[] | undefined,
): Promise<TopicPartition[] | undefined> {
  if (topics === undefined) return undefined;
  const found = await findTopics(admin, [...new Set(topics)]);
  return found.flatMap((each) => choosePartitions(each, partition));
}

export async function abortTransaction(
  context: CommandContext,
  name: string,
  options: AbortTransactionOptions,
): Promise<void> {
  const { startOffset, producerId, producerEpoch } = options;
  if ((startOffset === undefined) === (producerId === undefined)) {
    throw usageError('Say which transaction: `--start-offset`, or `--producer-id` with `--producer-epoch`');
  }
  if (producerId !== undefined && producerEpoch === undefined) {
    throw usageError('`--producer-id` goes with `--producer-epoch`');
  }
  await context.withAdmin(async (admin) => {
    const [place] = choosePartitions(await findTopic(admin, name), [options.partition]);
    const transaction = await transactionOf(admin, place!, options);
    await admin.abortTransactions([transaction]);
    await context.out.done(
      transaction,
      () =>
        `The transaction of producer ${transaction.producerId} (epoch ${transaction.producerEpoch}) in ${name} ${transaction.partition} is aborted`,
    );
  });
}

async function transactionOf(
  admin: Admin,
  place: TopicPartition,
  { startOffset, producerId = -1, producerEpoch = -1, coordinatorEpoch }: AbortTransactionOptions,
): Promise<TransactionToAbort> {
  let producers: readonly ProducerState[];
  try {
    producers = (await admin.describeProducers([place]))[0]?.producers ?? [];
  } catch (error) {
    // Brokers before Kafka 3.0 do not say.
    if (!(error instanceof UnsupportedVersionError) || startOffset !== undefined) throw error;
    return { ...place, producerId, producerEpoch, coordinatorEpoch: coordinatorEpoch ?? 0 };
  }
  // A marker for another would end nothing, and one of a higher epoch would shut its producer out.
  const open = producers.filter((each) => each.transactionStartOffset !== undefined);
  const found = open.find((each) =>
    startOffset === undefined
      ? each.producerId === producerId && each.producerEpoch === producerEpoch
      : each.transactionStartOffset === startOffset,
  );
  if (found === undefined) {
    const which =
      startOffset === undefined ? `of producer ${producerId} (epoch ${producerEpoch})` : `since offset ${startOffset}`;
    throw failure(
      `No transaction is open in ${place.topic} ${place.partition} ${which}`,
      '`millrace transactions describe-producers` shows which are.',
    );
  }
  return {
    ...place,
    producerId: found.producerId,
    producerEpoch: found.producerEpoch,
    coordinatorEpoch: coordinatorEpoch ?? Math.max(found.coordinatorEpoch, 0),
  };
}

export async function fenceProducers(context: CommandContext, ids: readonly string[]): Promise<void> {
  await context.withAdmin(async (admin) => {
    const unique = [...new Set(ids)];
    await describeAll(admin, unique, ', so nothing was fenced');
    const fenced = await admin.fenceProducers(unique);
    await context.out.done(fenced, () =>
      fenced
        .map(
          ({ transactionalId, producerId, producerEpoch }) =>
            `Producers of ${transactionalId} below epoch ${producerEpoch} of producer ${producerId} are refused now`,
        )
        .join('\n'),
    );
  });
}

export async function forceTerminate(context: CommandContext, id: string): Promise<void> {
  await context.withAdmin(async (admin) => {
    const [before] = await describeAll(admin, [id], ', so nothing was terminated');
    const terminated = await admin.forceTerminateTransaction(id);
    const { producerId, producerEpoch } = terminated;
    await context.out.done(terminated, () => {
      // What releases that cannot describe transactions had open is not known.
      const ended =
        before === undefined || before.state === 'Ongoing'
          ? `The transaction of ${id} is aborted`
          : `No transaction of ${id} was open`;
      return `${ended}; its producers below epoch ${producerEpoch} of producer ${producerId} are refused now`;
    });
  });
}

/**
 * What is known of ids before their producers are shut out: brokers make an id then that they do not know, and a name with a slip would seem to
 * have been meant.
 */
async function describeAll(admin: Admin, ids: readonly string[], outcome: string): Promise<DescribedTransaction[]> {
  const { described, unknown } = await lookUp(admin, ids);
  if (unknown.length > 0) throw noSuchIds(unknown, outcome);
  return described;
}

/** Each by itself, so that one that nobody knows hides none of the others. */
async function lookUp(admin: Admin, ids: readonly string[]) {
  const unique = [...new Set(ids)];
  const described: DescribedTransaction[] = [];
  const unknown: string[] = [];
  const failed: unknown[] = [];
  const found = await Promise.allSettled(unique.map((id) => admin.describeTransactions([id])));
  for (const [index, outcome] of found.entries()) {
    if (outcome.status === 'fulfilled') described.push(...outcome.value);
    else if (isUnknownId(outcome.reason)) unknown.push(unique[index]!);
    else failed.push(outcome.reason);
  }
  return { described, unknown, failed };
}

function noSuchIds(ids: readonly string[], outcome = ''): CliError {
  return failure(
    `No transactional id is called ${quoted(ids)}${outcome}`,
    '`millrace transactions list` shows which ids there are.',
  );
}

function quoted(ids: readonly string[]): string {
  return ids.map((id) => `"${printable(id)}"`).join(', ');
}

/** Releases that cannot describe transactions are not held up by it. */
function isUnknownId(reason: unknown): boolean {
  return reason instanceof KafkaError && reason.code === 'KAFKA_TRANSACTIONAL_ID_NOT_FOUND';
}
