import type { TopicPartition } from '@millrace/client';
import { partitionName } from '@millrace/client/internal';
import type { Consumer, ConsumerBatch } from '@millrace/consumer';
import type { CommandContext } from '../context.ts';
import { ExitCode, usageError } from '../errors.ts';
import { tellConnectionNews } from '../output/connection-news.ts';
import { counted, formatBytes, formatDuration } from '../output/format.ts';
import { jsonFormatter, type RecordFormatter, templateFormatter, valueFormatter } from '../output/record-format.ts';
import { type Tally, throughput } from '../output/throughput.ts';
import { unescapeText } from '../parse/escapes.ts';
import type { ConsumeOptions } from './consume-options.ts';
import { GroupNews } from './group-news.ts';
import { offlineError } from './partition-leaders.ts';
import { ReadingEnd } from './reading-end.ts';
import { type ReadingPlan, readingPlan, startOf } from './reading-plan.ts';

export async function consume(
  context: CommandContext,
  topics: readonly string[],
  options: ConsumeOptions,
): Promise<void> {
  refuseContradictions(options);
  const formatter = formatterOf(options, context.out.json);
  const plan = await context.withAdmin((admin) => readingPlan(admin, topics, options));
  for (const warning of plan.warnings) context.out.warn(warning);
  tellOffline(context, plan, options);
  const { Consumer } = await import('@millrace/consumer');
  using _news = tellConnectionNews(context.out);
  const consumer: Consumer = new Consumer({
    ...(await context.clientOptions()),
    groupId: options.group,
    groupInstanceId: options.instanceId,
    autoOffsetReset: plan.autoOffsetReset,
    isolationLevel: options.isolationLevel,
    // The topics were there a moment ago; one that is deleted meanwhile stays deleted.
    allowAutoTopicCreation: false,
    onPartitionsAssigned: (partitions) => news?.assigned(partitions),
    onPartitionsRevoked: (partitions) => news?.revoked(partitions),
    onPartitionsLost: (partitions) => news?.lost(partitions),
  });
  const news: GroupNews | undefined =
    options.group === undefined ? undefined : new GroupNews(context.out, consumer, options.group);
  const reading = new Reading(context, consumer, formatter, plan, options);
  try {
    await using _closed = consumer;
    await read(context, consumer, reading, plan, options).finally(() => news?.leaving());
  } finally {
    // Not before the group is left and what was printed is committed: until then a closed terminal must not end the process.
    reading.release();
  }
}

async function read(
  context: CommandContext,
  consumer: Consumer,
  reading: Reading,
  plan: ReadingPlan,
  options: ConsumeOptions,
): Promise<void> {
  const isGroup = options.group !== undefined;
  if (isGroup) consumer.subscribe(plan.topics);
  else assign(consumer, plan, options);
  if (!isGroup && !isBounded(options) && startOf(options).at === 'end') {
    context.out.note('Waiting for new records; Ctrl-C ends. `--from-beginning` reads those that are there.');
  }
  await reading.run();
  if (reading.unread.length > 0) throw offlineError('read', reading.unread, plan.partitionCount);
}

/** Partitions without a leader are read when they have one again, unless only what was there at the start is wanted. */
function assign(consumer: Consumer, { assignment, offline, ends }: ReadingPlan, options: ConsumeOptions): void {
  if (ends !== undefined || offline.length === 0) {
    consumer.assign(assignment);
    return;
  }
  consumer.assign([...assignment, ...offline]);
  const start = startOf(options);
  if (start.at === 'beginning') consumer.seekToBeginning(offline);
  else if (start.at === 'time') consumer.seekToTimestamp(start.timestamp, offline);
  else if (start.at === 'offset') for (const each of offline) consumer.seek({ ...each, offset: start.offset });
  // How many records there are is not known, so that the last of them cannot be counted: new ones are read.
  else consumer.seekToEnd(offline);
}

/**
 * What is not waited for is told before the others are read; of the rest the consumer tells itself.
 * @throws CliError where there is nothing else to read
 */
function tellOffline({ out }: CommandContext, plan: ReadingPlan, { group }: ConsumeOptions): void {
  const { offline, partitionCount, ends } = plan;
  if (offline.length === 0 || ends === undefined) return;
  const error = offlineError('read', offline, partitionCount);
  if (offline.length === partitionCount) throw error;
  if (group === undefined) out.warn(`${error.message}; the others are read`);
}

function refuseContradictions(options: ConsumeOptions): void {
  if (options.group !== undefined && (options.partition !== undefined || options.offset !== undefined)) {
    const option = options.partition !== undefined ? '--partition' : '--offset';
    throw usageError(
      `${option} cannot be given with --group: the group decides what is read, and from where`,
      '`millrace groups reset-offsets` sets where a group goes on.',
    );
  }
  if (options.instanceId !== undefined && options.group === undefined) {
    throw usageError('--instance-id needs --group: it is a name within a group');
  }
  if (options.fromBeginning === true && options.offset !== undefined) {
    throw usageError('Give --from-beginning or --offset, not both');
  }
}

/** Whether the command is to end by itself. */
function isBounded({ maxMessages, exitAtEnd, idleTimeout }: ConsumeOptions): boolean {
  return maxMessages !== undefined || exitAtEnd === true || idleTimeout !== undefined;
}

function formatterOf(options: ConsumeOptions, json: boolean): RecordFormatter {
  const format = options.format ?? (json ? 'json' : 'value');
  const columns = {
    timestamp: options.printTimestamp,
    partition: options.printPartition,
    offset: options.printOffset,
    headers: options.printHeaders,
    key: options.printKey,
  };
  if (format === 'value') {
    return valueFormatter({
      ...columns,
      separator: options.separator === undefined ? undefined : unescapeText(options.separator),
    });
  }
  const extra = Object.entries(columns).find(([, wanted]) => wanted === true);
  if (extra !== undefined) {
    throw usageError(
      `--print-${extra[0]} goes with the format value; the format "${format}" says itself what is printed`,
    );
  }
  return format === 'json' ? jsonFormatter() : templateFormatter(format);
}

/** Records that are printed with one write; more at once would only be more for the garbage collector. */
const BATCH_RECORDS_MAX = 1000;

/** One run of the command, from the first record to the last. */
class Reading {
  readonly #context: CommandContext;
  readonly #consumer: Consumer;
  readonly #format: RecordFormatter;
  readonly #options: ConsumeOptions;
  readonly #recordsMax: number;
  readonly #end: ReadingEnd;
  readonly #offline: ReadonlyMap<string, TopicPartition>;
  #hasJoined = false;
  readonly #tally: Tally = { records: 0, bytes: 0, startedAt: performance.now() };

  constructor(
    context: CommandContext,
    consumer: Consumer,
    format: RecordFormatter,
    { ends, offline }: ReadingPlan,
    options: ConsumeOptions,
  ) {
    this.#offline = new Map(offline.map((each) => [partitionName(each), each]));
    this.#context = context;
    this.#consumer = consumer;
    this.#format = format;
    this.#options = options;
    this.#recordsMax = options.maxMessages ?? Number.POSITIVE_INFINITY;
    this.#end = new ReadingEnd({
      onInterrupt: context.io.onInterrupt,
      hasReachedEnd: ends === undefined ? undefined : () => this.#hasReached(ends),
      idleMs: options.idleTimeout,
    });
    // Why a group cannot be joined is told by the loop that waits for records.
    consumer.joined.then(
      () => {
        this.#hasJoined = true;
      },
      () => {},
    );
  }

  async run(): Promise<void> {
    const progress = this.#context.out.progress(() => throughput(this.#tally, performance.now()), 'stdout');
    try {
      await this.#readAll();
    } finally {
      progress.stop();
    }
    const elapsedMs = performance.now() - this.#tally.startedAt;
    this.#context.out.note(
      `${counted(this.#tally.records, 'record')} (${formatBytes(this.#tally.bytes)}) read in ${formatDuration(elapsedMs)}`,
    );
    if (this.#end.reason === 'interrupt' && isBounded(this.#options)) this.#context.exitCode = ExitCode.INTERRUPTED;
  }

  /** What had no leader when the others had been read to their ends: those that this member of a group was given, or all. */
  get unread(): readonly TopicPartition[] {
    if (this.#end.reason !== 'end') return [];
    if (this.#options.group === undefined) return [...this.#offline.values()];
    return this.#consumer.assignment.filter((each) => this.#offline.has(partitionName(each)));
  }

  /** Lets go of timers and signals. */
  release(): void {
    this.#end.release();
  }

  async #readAll(): Promise<void> {
    const batches = this.#consumer.batches({ recordsMax: BATCH_RECORDS_MAX });
    while (this.#tally.records < this.#recordsMax) {
      const next = batches.next();
      let found = await this.#end.orEnded(next);
      const ended = found === 'ended';
      // What has been handed out already is printed all the same.
      if (found === 'ended') found = await Promise.race([next, nothingMore()]);
      if (found.done === true) return;
      await this.#print(found.value, ended);
      if (ended || this.#end.reason === 'reader-gone') return;
    }
  }

  /** Prints a batch, or as much of it as is wanted; a last one is committed here, others when the next is asked for. */
  async #print(batch: ConsumerBatch, isLast: boolean): Promise<void> {
    const wanted = this.#recordsMax - this.#tally.records;
    const records = batch.records.length > wanted ? batch.records.slice(0, wanted) : batch.records;
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for (const record of records) {
      this.#format(record, chunks);
      bytes += record.sizeBytes;
    }
    // What nobody could read is not committed: the group's next member prints it again.
    if (!(await this.#context.out.write(Buffer.concat(chunks)))) return this.#end.readerGone();
    this.#tally.records += records.length;
    this.#tally.bytes += bytes;
    this.#end.progressed();
    if (this.#options.group !== undefined && (isLast || this.#tally.records >= this.#recordsMax)) {
      await this.#consumer.commit(records.length < batch.records.length ? records[records.length - 1] : batch);
    }
  }

  #hasReached(ends: ReadonlyMap<string, number>): boolean {
    if (this.#options.group !== undefined && !this.#hasJoined) return false;
    return this.#consumer.assignment.every((partition) => {
      if (this.#offline.has(partitionName(partition))) return true;
      const position = this.#consumer.position(partition);
      return position !== undefined && position >= (ends.get(partitionName(partition)) ?? 0);
    });
  }
}

const NOTHING_MORE = { done: true, value: undefined } as const;

/** Gives way once, so that what has happened already is heard of. */
function nothingMore(): Promise<typeof NOTHING_MORE> {
  return new Promise((resolve) => setImmediate(() => resolve(NOTHING_MORE)));
}
