import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { Admin } from '@millrace/admin';
import { nearestName } from '@millrace/ports';
import type { Acks, CompressionName, HeadersInput, Producer, Transaction } from '@millrace/producer';
import { fileFault } from '../client-config.ts';
import type { CommandContext } from '../context.ts';
import { CliError, ExitCode, failure, usageError } from '../errors.ts';
import { capitalized, withoutAdvice } from '../explain-error.ts';
import { tellConnectionNews } from '../output/connection-news.ts';
import { counted, formatCount } from '../output/format.ts';
import { type Tally, throughput } from '../output/throughput.ts';
import { unescapeText } from '../parse/escapes.ts';
import { readLines } from '../parse/lines.ts';
import { type InputRecord, type RecordReader, recordReader } from '../parse/record-input.ts';
import type { Assignment } from '../parse/values.ts';
import { choosePartitions, findTopic } from './find-topics.ts';

export interface ProduceOptions {
  readonly file?: string;
  readonly format?: 'value' | 'json';
  readonly key?: string;
  readonly keySeparator?: string;
  readonly keyField?: string;
  readonly header?: readonly Assignment[];
  readonly partition?: number;
  readonly keepPartitions?: boolean;
  readonly nullMarker?: string;
  readonly acks?: Acks;
  readonly compression?: CompressionName;
  readonly maxRecordBytes?: number;
  readonly transactionalId?: string;
}

/** How long a batch waits for more lines: input from a file comes quickly, and a person does not feel it. */
const LINGER_MS = 5;

/** After Ctrl-C, what is under way is answered within moments; whoever waits for longer should know for what. */
const PATIENCE_MS = 300;

export async function produce(context: CommandContext, topic: string, options: ProduceOptions): Promise<void> {
  const read = recordReader({
    format: options.format ?? 'value',
    keySeparator: options.keySeparator === undefined ? undefined : unescapeText(options.keySeparator),
    key: options.key,
    keyField: options.keyField,
    nullMarker: options.nullMarker,
    headers: headersOf(options.header),
    partition: options.partition,
    keepPartitions: options.keepPartitions,
  });
  if (options.key !== undefined && options.keySeparator !== undefined) {
    throw usageError(
      'Give --key or --key-separator: the one is for all records, the other has each line bring its own',
    );
  }
  if (options.keyField !== undefined && (options.keySeparator !== undefined || options.format === 'json')) {
    throw usageError('--key-field goes with lines that are values: without --key-separator and --format json');
  }
  const totalBytes = await sizeOfFile(options.file);
  await context.withAdmin((admin) => lookAtTopic(context, admin, topic, options.partition));
  const source = openSource(context, options.file);
  const { Producer } = await import('@millrace/producer');
  using _news = tellConnectionNews(context.out);
  const clientOptions = await context.clientOptions();
  const losses: Losses = { first: undefined, records: 0, unknown: 0 };
  const producer = new Producer({
    ...clientOptions,
    acks: options.acks ?? 'all',
    compression: options.compression ?? 'none',
    lingerMs: LINGER_MS,
    ...(options.transactionalId === undefined ? {} : { transactionalId: options.transactionalId }),
    ...(options.maxRecordBytes === undefined ? {} : { requestBytesMax: options.maxRecordBytes }),
    blockMsMax: clientOptions.apiTimeoutMs ?? 0,
    deliveryTimeoutMs: clientOptions.apiTimeoutMs ?? 0,
    onDeliveryError: (error) => {
      noteLoss(losses, error);
      source.destroy();
    },
  });
  await sendAll(context, {
    producer,
    transaction: options.transactionalId === undefined ? undefined : await begin(producer),
    source,
    name: options.file ?? 'standard input',
    totalBytes,
    topic,
    read,
    losses,
  });
}

async function begin(producer: Producer): Promise<Transaction> {
  try {
    return await producer.begin();
  } catch (error) {
    await producer.close();
    throw error;
  }
}

interface Sending {
  readonly producer: Producer;
  /** What all of it belongs to, where it is to be seen as a whole or not at all. */
  readonly transaction: Transaction | undefined;
  readonly source: Readable;
  /** How many bytes there are to read, where that is known. */
  readonly totalBytes: number | undefined;
  /** What the source is called in messages. */
  readonly name: string;
  readonly topic: string;
  readonly read: RecordReader;
  readonly losses: Readonly<Losses>;
}

/** Records that were not acknowledged. */
export interface Losses {
  first: Error | undefined;
  records: number;
  /** Those of them that may be there all the same. */
  unknown: number;
}

async function sendAll(context: CommandContext, sending: Sending): Promise<void> {
  const { producer, source, topic } = sending;
  const tally: Tally = { records: 0, bytes: 0, startedAt: performance.now() };
  let interrupted = false;
  let patience: NodeJS.Timeout | undefined;
  const offInterrupt = context.io.onInterrupt(() => {
    interrupted = true;
    source.destroy();
    patience = setTimeout(() => context.out.note(stillWaiting(producer)), PATIENCE_MS);
  });
  const progress = context.out.progress(
    () => `${shareRead(sending)}${throughput(tally, performance.now())}, ${waiting(producer)}`,
    sending.totalBytes === undefined ? 'stdin' : undefined,
  );
  let inputFault: unknown;
  try {
    await sendLines(sending, tally);
  } catch (error) {
    // Whoever stopped the reading knows why; only the other reasons are news.
    if (!interrupted && sending.losses.first === undefined) inputFault = error;
  } finally {
    await producer.flush();
    clearTimeout(patience);
    progress.stop();
    offInterrupt();
  }
  const durationMs = performance.now() - tally.startedAt;
  const { recordsAcknowledged } = producer.metrics();
  const { losses } = sending;
  try {
    if (!interrupted && inputFault === undefined && losses.first === undefined) await sending.transaction?.commit();
    else await sending.transaction?.abort();
  } finally {
    await producer.close();
  }
  if (losses.first !== undefined) throw lostRecords(losses, topic, recordsAcknowledged, tally.records);
  if (context.out.json) {
    await context.out.result(
      { topic, records: tally.records, bytes: tally.bytes, durationMs: Math.round(durationMs) },
      () => '',
    );
  } else if (tally.records > 0 || inputFault === undefined) {
    context.out.note(`${throughput(tally, tally.startedAt + durationMs)}, into ${topic}`);
  }
  if (inputFault !== undefined) throw inputError(inputFault, sending.name);
  if (interrupted) context.exitCode = ExitCode.INTERRUPTED;
}

async function sendLines({ producer, source, topic, read, losses }: Sending, tally: Tally): Promise<void> {
  let lineNumber = 0;
  for await (const lines of readLines(source)) {
    for (const line of lines) {
      lineNumber += 1;
      const record = read(line, lineNumber);
      tally.records += 1;
      tally.bytes += sizeOf(record);
      if (!producer.enqueue({ topic, ...record })) await producer.ready();
      if (losses.first !== undefined) return;
    }
  }
}

/** `42 %, ` of a file. */
function shareRead({ source, totalBytes }: Sending): string {
  const { bytesRead } = source as { readonly bytesRead?: number };
  return totalBytes === undefined || totalBytes === 0 || bytesRead === undefined
    ? ''
    : `${Math.min(Math.floor((bytesRead / totalBytes) * 100), 100)} %, `;
}

/**
 * How long a file is; undefined for what has no length, such as a pipe.
 * @throws CliError when it cannot be read, before anything is looked up in a cluster
 */
async function sizeOfFile(file: string | undefined): Promise<number | undefined> {
  if (file === undefined || file === '-') return undefined;
  try {
    const found = await stat(file);
    return found.isFile() ? found.size : undefined;
  } catch (fault) {
    throw inputError(fault, file);
  }
}

function sizeOf({ key, value }: InputRecord): number {
  return Buffer.byteLength(key ?? '') + Buffer.byteLength(value ?? '');
}

function waiting(producer: Producer): string {
  const { recordsSent, recordsAcknowledged } = producer.metrics();
  return `${formatCount(recordsSent - recordsAcknowledged)} not acknowledged yet`;
}

/** What a person who wants to stop waits for, and how not to. */
function stillWaiting(producer: Producer): string {
  const { recordsSent, recordsAcknowledged, recordsFailed } = producer.metrics();
  const left = counted(Math.max(recordsSent - recordsAcknowledged - recordsFailed, 0), 'record');
  return `Stopping: waiting until what becomes of ${left} is known, for as long as --timeout says; Ctrl-C again ends at once`;
}

/** Called for every record that is lost, with what became of it. */
export function noteLoss(losses: Losses, error: Error): void {
  losses.first ??= error;
  losses.records += 1;
  if (isUnknown(error)) losses.unknown += 1;
}

/** Whoever sends the rest again must know of how many it is not known whether they are there. */
export function lostRecords(losses: Losses, topic: string, acknowledged: number, read: number): CliError {
  const { first, records, unknown } = losses;
  const cause = first!;
  const of = (count: number): string => `${formatCount(count)} of ${counted(read, 'record')}`;
  const sure = records - unknown;
  const outcomes = [
    ...(sure > 0 ? [`${of(sure)} did not get into topic "${topic}"`] : []),
    ...(unknown > 0 ? [`it is not known whether ${of(unknown)} got into topic "${topic}"`] : []),
    `${formatCount(acknowledged)} did`,
  ];
  return failure(`${capitalized(withoutAdvice(cause.message))}; ${outcomes.join(', ')}`, hintFor(cause), cause);
}

/** Of a batch that was given up before its turn, and of a record that never came into one. */
const NEVER_SENT = /\bit was never sent\b|\bwas not sent within\b/;

/** What was sent and not answered may be there all the same: who sends it again may write it twice. */
function isUnknown(cause: Error): boolean {
  return (cause as { code?: unknown }).code === 'PRODUCER_DELIVERY_TIMED_OUT' && !NEVER_SENT.test(cause.message);
}

function hintFor(cause: Error): string | undefined {
  const code = (cause as { code?: unknown }).code;
  if (code === 'PRODUCER_RECORD_TOO_LARGE') {
    return '`--max-record-bytes` allows larger ones, if the topic does (max.message.bytes).';
  }
  if (code === 'KAFKA_MESSAGE_TOO_LARGE') {
    return '`millrace configs set topic NAME max.message.bytes=...` allows larger ones.';
  }
  return undefined;
}

/** Says what would surprise: that the topic is about to be made by itself, or cannot be. */
async function lookAtTopic(
  context: CommandContext,
  admin: Admin,
  topic: string,
  partition: number | undefined,
): Promise<void> {
  try {
    const found = await findTopic(admin, topic);
    if (partition !== undefined) choosePartitions(found, [partition]);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'KAFKA_UNKNOWN_TOPIC_OR_PARTITION') throw error;
    if (!(await createsTopics(admin))) throw error;
    const meant = nearestName(topic, await admin.listTopics());
    const question = meant === undefined ? '' : ` Did you mean "${meant}"?`;
    context.out.warn(
      `there is no topic "${topic}" yet; the first record creates it with the cluster's defaults.${question}`,
    );
  }
}

/** Whether brokers create topics that are written to; clusters that do not tell get the benefit of the doubt. */
async function createsTopics(admin: Admin): Promise<boolean> {
  try {
    const [broker] = (await admin.describeCluster()).brokers;
    const resource = { type: 'broker', name: String(broker?.nodeId) } as const;
    const [configs] = await admin.describeConfigs([resource], { names: ['auto.create.topics.enable'] });
    return configs?.entries[0]?.value !== 'false';
  } catch {
    return true;
  }
}

function openSource(context: CommandContext, file: string | undefined): Readable {
  if (file === undefined || file === '-') {
    const { stdin } = context.io;
    if (stdin.isTTY === true) context.out.note('Type records, one a line. Ctrl-D ends.');
    return stdin;
  }
  return createReadStream(file, { highWaterMark: READ_BYTES });
}

const READ_BYTES = 256 * 1024;

function inputError(fault: unknown, name: string): unknown {
  if ((fault as NodeJS.ErrnoException).syscall === undefined) return fault;
  return new CliError('CLI_FILE_UNREADABLE', `Cannot read ${name}: ${fileFault(fault)}`, { cause: fault });
}

function headersOf(assignments: readonly Assignment[] | undefined): HeadersInput | undefined {
  return assignments?.map(([key, value]) => ({ key, value }));
}
