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

const LOOKS: readonly { readonly suffix: string; readonly args: readonly string[] }[] = [
  { suffix: '.log', args: ['--deep-iteration', '--print-data-log'] },
  { suffix: '.index', args: ['--index-sanity-check'] },
  { suffix: '.index', args: ['--verify-index-only'] },
  { suffix: '.timeindex', args: ['--index-sanity-check'] },
  { suffix: '.timeindex', args: ['--verify-index-only'] },
  { suffix: '.txnindex', args: [] },
  { suffix: '.snapshot', args: [] },
];

/** Lines in which the tool tells of something wrong, whatever its exit code. Records are lines that begin with `|`. */
const COMPLAINT = /^(?!\|).*(mismatch|isvalid: false|corrupt|exception|not found|out of order|cannot|couldn't)/im;

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
  for (const { suffix, args } of LOOKS) {
    const names = readdirSync(folder);
    const files = names.filter((name) => name.endsWith(suffix) && hasOffsetIndex(name, names));
    if (files.length === 0) continue;
    const paths = files.map((name) => join(folder, name)).join(',');
    const tool = ['--files', paths, ...args];
    const { exitCode, stdout, stderr } = await kafkaTool('kafka-dump-log', tool, { version, timeoutMs: 120_000 });
    const complaint = COMPLAINT.exec(stdout + stderr)?.[0];
    const lines = stdout.split('\n').length;
    findings.push({
      what: `kafka-dump-log ${[`*${suffix}`, ...args].join(' ')}`,
      isGood: exitCode === 0 && complaint === undefined && lines > files.length,
      detail: complaint ?? `${files.length} files, ${lines} lines`,
    });
  }
  return findings;
}
