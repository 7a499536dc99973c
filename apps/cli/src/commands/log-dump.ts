import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import {
  type BatchEntry,
  LogError,
  type LogFileEntry,
  logFileKind,
  readLogFile,
  verifySegmentFiles,
} from '@millrace/log';
import { NodeDisk } from '@millrace/ports';
import { fileFault } from '../client-config.ts';
import type { CommandContext } from '../context.ts';
import { CliError, ExitCode, failure } from '../errors.ts';
import { counted, formatBytes, formatTimestamp, printable } from '../output/format.ts';
import { jsonBytes } from '../output/record-format.ts';
import { isOfTransactions, transactionRecord, transactionText } from './transaction-records.ts';

export interface DumpLogOptions {
  readonly records?: boolean;
  readonly verify?: boolean;
}

const CODEC_NAMES = ['uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'];

/** Output is written in pieces of about this size. */
const PIECE_CHARACTERS = 64 * 1024;

/** Prints the entries of files of a log directory. */
export async function dumpLog(
  context: CommandContext,
  files: readonly string[],
  options: DumpLogOptions,
): Promise<void> {
  const disk = new NodeDisk();
  const printer = new Printer(context);
  for (const file of files) {
    const kind = logFileKind(file);
    // What is not there is missing, whatever it is called.
    await stat(file).catch((cause: unknown) => {
      throw new CliError('CLI_FILE_UNREADABLE', `Cannot read ${printable(file)}: ${fileFault(cause)}`, { cause });
    });
    if (kind === undefined) {
      throw failure(
        `${printable(file)} is no file of a log directory, by its name`,
        'Segments and their indexes are named by an offset of 20 digits: 00000000000000000000.log.',
      );
    }
    if (files.length > 1 && !context.out.json) await printer.print(`${printable(file)}:`);
    try {
      await readLogFile(disk, file, (entry) => printer.entry(file, entry), { records: options.records === true });
      if (options.verify === true) await verify(context, disk, printer, file);
    } catch (error) {
      await printer.flush();
      throw unreadable(file, error);
    }
  }
  await printer.flush();
  if (printer.faults > 0) context.exitCode = ExitCode.FAILED;
}

/** The segment that a file belongs to, with its indexes. */
async function verify(context: CommandContext, disk: NodeDisk, printer: Printer, file: string): Promise<void> {
  const found = logFileKind(file);
  if (found === undefined || !SEGMENT_KINDS.has(found.kind)) return;
  let problems = 0;
  const summary = await verifySegmentFiles(disk, dirname(resolve(file)), found.baseOffset, {
    onProblem: ({ file: name, position, problem }) => {
      problems += 1;
      printer.problem(name, position, problem);
    },
  });
  await printer.flush();
  if (problems === 0) {
    const what = `${counted(summary.batches, 'batch', 'batches')}, ${counted(summary.records, 'record')}`;
    context.out.note(`${what}: log and indexes agree`);
  }
}

const SEGMENT_KINDS = new Set<string>(['log', 'offsetIndex', 'timeIndex', 'transactionIndex']);

function unreadable(file: string, error: unknown): unknown {
  const isSystemError = error instanceof Error && 'syscall' in error;
  if (error instanceof LogError || !isSystemError) return error;
  return failure(`Cannot read ${printable(file)}: ${error.message}`, undefined, error);
}

/** Gathers lines, so that a segment of a million batches is not a million writes. */
class Printer {
  readonly #context: CommandContext;
  #lines = '';
  /** Damaged places met. */
  faults = 0;

  constructor(context: CommandContext) {
    this.#context = context;
  }

  async entry(file: string, entry: LogFileEntry): Promise<boolean> {
    if (entry.kind === 'fault') this.faults += 1;
    if (this.#context.out.json) await this.print(JSON.stringify({ file, ...jsonEntry(entry, isOfTransactions(file)) }));
    else for (const line of textOf(entry, isOfTransactions(file))) await this.print(line);
    return true;
  }

  problem(file: string, position: number | undefined, problem: string): void {
    this.faults += 1;
    if (this.#context.out.json) this.#lines += `${JSON.stringify({ kind: 'problem', file, position, problem })}\n`;
    else this.#lines += `${file}${position === undefined ? '' : ` at byte ${position}`}: ${printable(problem)}\n`;
  }

  async print(line: string): Promise<void> {
    this.#lines += `${line}\n`;
    if (this.#lines.length >= PIECE_CHARACTERS) await this.flush();
  }

  async flush(): Promise<void> {
    const lines = this.#lines;
    this.#lines = '';
    await this.#context.out.write(lines);
  }
}

/** @param tells whether records tell of transactions */
function jsonEntry(entry: LogFileEntry, tells: boolean): object {
  if (entry.kind !== 'batch') return entry;
  const { compression, records, ...rest } = entry;
  const named = { ...rest, compression: CODEC_NAMES[compression] };
  if (records === undefined) return named;
  return {
    ...named,
    records: records.map(({ offset, timestamp, key, value, headers }) => ({
      offset,
      timestamp,
      key: jsonBytes(key),
      value: jsonBytes(value),
      headers: headers.map((header) => ({ key: header.key, value: jsonBytes(header.value) })),
      ...(tells ? { transaction: transactionRecord(key, value) } : {}),
    })),
  };
}

function textOf(entry: LogFileEntry, tells: boolean): string[] {
  switch (entry.kind) {
    case 'batch':
      return [batchLine(entry), ...recordLines(entry, tells)];
    case 'fault':
      return [
        `byte ${entry.position}: damaged (${entry.fault}); ${entry.next === undefined ? 'nothing behind it is read' : `read on at byte ${entry.next}`}`,
      ];
    case 'offsetIndex':
      return [`offset ${entry.offset} at byte ${entry.position}`];
    case 'timeIndex':
      return [`timestamp ${entry.timestamp} (${formatTimestamp(entry.timestamp)}) at offset ${entry.offset}`];
    case 'aborted':
      return [
        `producer ${entry.producerId} aborted offsets ${entry.firstOffset} to ${entry.lastOffset}, last stable offset ${entry.lastStableOffset}`,
      ];
    case 'producer':
      return [
        `producer ${entry.producerId} epoch ${entry.producerEpoch}, last sequence ${entry.lastSequence} at offset ${entry.lastOffset}, last seen ${formatTimestamp(entry.lastTimestamp)}, coordinator epoch ${entry.coordinatorEpoch}, ${entry.currentTxnFirstOffset < 0 ? 'no open transaction' : `transaction open since offset ${entry.currentTxnFirstOffset}`}`,
      ];
    case 'epoch':
      return [`leader epoch ${entry.epoch} from offset ${entry.startOffset}`];
    case 'checkpoint':
      return [`${printable(entry.topic)}-${entry.partition} ${entry.offset}`];
    default:
      return [printable(entry.line)];
  }
}

/** One line a batch, the same words in the same order, so that it can be searched. */
function batchLine(batch: BatchEntry): string {
  const codec = CODEC_NAMES[batch.compression] ?? String(batch.compression);
  const time = batch.isLogAppendTime ? 'log append time' : 'largest timestamp';
  const parts = [
    `byte ${batch.position}: offsets ${batch.baseOffset} to ${batch.lastOffset}`,
    counted(batch.recordCount, 'record'),
    `${formatBytes(batch.sizeBytes)} ${codec}`,
    `${time} ${formatTimestamp(batch.maxTimestamp)}`,
    `leader epoch ${batch.leaderEpoch}`,
  ];
  if (batch.producerId >= 0) {
    const sequence = batch.baseSequence < 0 ? '' : ` sequence ${batch.baseSequence} to ${batch.lastSequence}`;
    parts.push(`producer ${batch.producerId} epoch ${batch.producerEpoch}${sequence}`);
  }
  if (batch.marker !== undefined) {
    parts.push(
      `${batch.marker.isCommit ? 'commit' : 'abort'} marker of coordinator epoch ${batch.marker.coordinatorEpoch}`,
    );
  } else if (batch.isControl) {
    parts.push('control');
  } else if (batch.isTransactional) {
    parts.push('transactional');
  }
  if (batch.deleteHorizonMs !== undefined) {
    parts.push(`tombstones may go from ${formatTimestamp(batch.deleteHorizonMs)}`);
  }
  parts.push(`CRC ${batch.crc.toString(16).padStart(8, '0')}`);
  return parts.join(', ');
}

function recordLines({ records }: BatchEntry, tells: boolean): string[] {
  if (records === undefined) return [];
  return records.map(({ offset, timestamp, key, value, headers }) => {
    const transaction = tells ? transactionRecord(key, value) : undefined;
    if (transaction !== undefined) return `  ${offset}  ${formatTimestamp(timestamp)}  ${transactionText(transaction)}`;
    const named = headers.map((header) => `${printable(header.key)}=${bytesText(header.value)}`);
    const tail = named.length === 0 ? '' : `  (${named.join(', ')})`;
    return `  ${offset}  ${formatTimestamp(timestamp)}  ${bytesText(key)} = ${bytesText(value)}${tail}`;
  });
}

function bytesText(bytes: Buffer | null): string {
  const shown = jsonBytes(bytes);
  if (shown === null) return 'null';
  return typeof shown === 'string' ? JSON.stringify(printable(shown)) : `base64:${shown.base64}`;
}
