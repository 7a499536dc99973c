import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type LogProblem, type VerifyProgress, type VerifyResult, verifyLogDirectory } from '@millrace/log';
import { NodeDisk } from '@millrace/ports';
import { fileFault } from '../client-config.ts';
import type { CommandContext } from '../context.ts';
import { CliError, ExitCode } from '../errors.ts';
import { counted, formatBytes, formatCount, printable } from '../output/format.ts';

export interface VerifyLogOptions {
  readonly deep?: boolean;
}

/** What was found in one folder, as scripts get it. */
interface FolderReport extends VerifyResult {
  readonly folder: string;
  readonly problems: readonly LogProblem[];
  /** Whether Ctrl-C ended it before all was read. */
  readonly isComplete: boolean;
}

/** Problems kept for `--json` per folder; all are counted. */
const PROBLEMS_KEPT_MAX = 10_000;

/** Checks all data of stopped brokers. */
export async function verifyLogs(
  context: CommandContext,
  folders: readonly string[],
  options: VerifyLogOptions,
): Promise<void> {
  await assertFolders(folders);
  let isInterrupted = false;
  const release = context.io.onInterrupt(() => {
    isInterrupted = true;
  });
  try {
    const reports: FolderReport[] = [];
    for (const folder of folders) {
      reports.push(await verifyFolder(context, folder, options, () => isInterrupted));
      if (isInterrupted) break;
    }
    await context.out.result(reports, () => reports.map(summaryOf).join('\n'));
    // A script that hears nothing of damage shall not take for whole what was not looked at.
    const isDamaged = reports.some(({ damages }) => damages > 0);
    const isEmpty = reports.some(({ segments, isComplete }) => isComplete && segments === 0);
    if (isDamaged || isEmpty) context.exitCode = ExitCode.FAILED;
    else if (isInterrupted) context.exitCode = ExitCode.INTERRUPTED;
  } finally {
    release();
  }
}

/** @throws CliError for what is not there, or no folder */
async function assertFolders(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    const isFolder = await stat(folder).then(
      (found) => found.isDirectory(),
      (cause: unknown) => {
        const { code } = cause as NodeJS.ErrnoException;
        const why = code === 'ENOENT' || code === 'ENOTDIR' ? 'there is no such folder' : fileFault(cause);
        throw new CliError('CLI_FILE_UNREADABLE', `Cannot verify ${printable(folder)}: ${why}`, { cause });
      },
    );
    if (isFolder) continue;
    throw new CliError('CLI_FILE_UNREADABLE', `Cannot verify ${printable(folder)}: it is a file, not a folder`, {
      hint: '`millrace log dump FILE` looks into a file, with `--verify` for damage.',
    });
  }
}

async function verifyFolder(
  context: CommandContext,
  folder: string,
  { deep = false }: VerifyLogOptions,
  isStopped: () => boolean,
): Promise<FolderReport> {
  const problems: LogProblem[] = [];
  let seen: VerifyProgress | undefined;
  const progress = context.out.progress(() => progressLine(seen));
  try {
    const result = await verifyLogDirectory(new NodeDisk(), resolve(folder), {
      deep,
      isStopped,
      onProgress: (now) => {
        seen = now;
      },
      onProblem: (problem) => {
        if (problems.length < PROBLEMS_KEPT_MAX) problems.push(problem);
      },
    });
    progress.stop();
    if (!context.out.json) for (const problem of problems) await context.out.write(`${problemLine(folder, problem)}\n`);
    return { folder, ...result, problems, isComplete: !isStopped() };
  } finally {
    progress.stop();
  }
}

const BAR_CHARACTERS = 24;

function progressLine(seen: VerifyProgress | undefined): string {
  if (seen === undefined) return 'Looking for partitions';
  const { bytesDone, bytesTotal, topic, partition } = seen;
  const share = bytesTotal === 0 ? 1 : bytesDone / bytesTotal;
  const filled = Math.round(share * BAR_CHARACTERS);
  const bar = '#'.repeat(filled) + '-'.repeat(BAR_CHARACTERS - filled);
  const sizes = `${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}`;
  return `[${bar}] ${Math.floor(share * 100)} %  ${sizes}  ${printable(topic)}-${partition}`;
}

function problemLine(folder: string, { topic, partition, file, position, problem, isTornEnd }: LogProblem): string {
  const where = topic === undefined ? printable(folder) : `${printable(topic)}-${partition}`;
  const at = position === undefined ? '' : ` at byte ${formatCount(position)}`;
  const note = isTornEnd ? ' (a torn end: the next start cuts it off)' : '';
  return `${where}: ${printable(file)}${at}: ${printable(problem)}${note}`;
}

function summaryOf({ folder, ...report }: FolderReport): string {
  if (report.segments === 0 && report.damages === 0 && report.isComplete) {
    return `${printable(folder)}: nothing to verify. A log directory has folders such as orders-0, and segments (.log) in them`;
  }
  const seen = [
    counted(report.partitions, 'partition'),
    counted(report.segments, 'segment'),
    counted(report.records, 'record'),
    formatBytes(report.sizeBytes),
  ].join(', ');
  const found = report.damages === 0 ? 'no damage' : counted(report.damages, 'problem');
  const torn = report.tornEnds === 0 ? '' : `, ${counted(report.tornEnds, 'torn end')}`;
  return `${printable(folder)}: ${found}${torn} in ${seen}${report.isComplete ? '' : '; stopped before the end'}`;
}
