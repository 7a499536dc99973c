/** Has Kafka's dump tool look at every file of a partition's folder. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { kafkaTool } from '../kafka/index.ts';

/** What came of one thing that was tried. */
export interface Finding {
  readonly what: string;
  readonly isGood: boolean;
  readonly detail: string;
}

interface Look {
  readonly suffix: string;
  readonly args: readonly string[];
  /** What the tool says of each file that is as it should be; nothing where it only tells of faults. */
  readonly saysOfEach?: RegExp;
}

const SANE = { args: ['--index-sanity-check'], saysOfEach: /passed sanity check|is empty/g };

const LOOKS: readonly Look[] = [
  { suffix: '.log', args: ['--deep-iteration', '--print-data-log'], saysOfEach: /starting offset/gi },
  { suffix: '.index', ...SANE },
  { suffix: '.index', args: ['--verify-index-only'] },
  { suffix: '.timeindex', ...SANE },
  { suffix: '.timeindex', args: ['--verify-index-only'] },
  { suffix: '.txnindex', args: [], saysOfEach: /lastStableOffset/g },
  { suffix: '.snapshot', args: [] },
];

/** Lines in which the tool tells of something wrong, whatever its exit code. Records are lines that begin with `|`. */
const COMPLAINT =
  /^(?!\|).*(mismatch|isvalid: false|corrupt|exception|not found|out of order|cannot|couldn't|\berror\b)/im;

/**
 * The tool reads a time index through the offset index beside it, and fails where there is none: a small active segment of ours has
 * no entry for one yet. Kafka's broker makes it.
 */
function hasOffsetIndex(name: string, names: readonly string[]): boolean {
  return !name.endsWith('.timeindex') || names.includes(name.replace('.timeindex', '.index'));
}

/** Looks at each kind of file that is there, and at all of that kind in one go. */
export async function dumpFolder(folder: string, version: string): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { suffix, args, saysOfEach } of LOOKS) {
    const names = readdirSync(folder);
    const files = names.filter((name) => name.endsWith(suffix) && hasOffsetIndex(name, names));
    if (files.length === 0) continue;
    const paths = files.map((name) => join(folder, name)).join(',');
    const tool = ['--files', paths, ...args];
    const { exitCode, stdout, stderr } = await kafkaTool('kafka-dump-log', tool, { version, timeoutMs: 120_000 });
    const complaint = COMPLAINT.exec(stdout + stderr)?.[0];
    const lines = stdout.split('\n').length;
    const saidOfAll = saysOfEach === undefined || (stdout.match(saysOfEach) ?? []).length >= files.length;
    findings.push({
      what: `kafka-dump-log ${[`*${suffix}`, ...args].join(' ')}`,
      isGood: exitCode === 0 && complaint === undefined && lines > files.length && saidOfAll,
      detail: complaint ?? `${files.length} files, ${lines} lines`,
    });
  }
  return findings;
}

/** Whether the folder holds every kind of file, so that looking at it shows something. */
export function holdsAllKinds(folder: string): Finding {
  const names = readdirSync(folder);
  const missing = [...new Set(LOOKS.map(({ suffix }) => suffix))].filter(
    (suffix) => !names.some((name) => name.endsWith(suffix)),
  );
  return {
    what: 'every kind of file',
    isGood: missing.length === 0,
    detail: missing.length === 0 ? `${names.length} files` : `no ${missing.join(', ')}`,
  };
}
