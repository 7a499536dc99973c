/** Has Kafka's dump tool look at every file of a partition's folder. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { kafkaTool } from '../kafka/index.ts';

/** What one run of the tool said of one kind of file. */
export interface DumpFinding {
  readonly what: string;
  readonly isGood: boolean;
  readonly detail: string;
}

interface Look {
  readonly what: string;
  readonly suffix: string;
  readonly args: readonly string[];
  /** Whether what the tool printed of `files` files means that all is well. */
  readonly judge: (output: string, files: number) => boolean;
}

/** Lines in which the tool tells of something wrong, whatever its exit code. */
const COMPLAINT = /mismatch|isvalid: false|corrupt|exception|not found|out of order|cannot|couldn't|error/i;

const looks: readonly Look[] = [
  {
    what: 'batches and records',
    suffix: '.log',
    args: ['--deep-iteration'],
    judge: (out) => out.includes('isvalid: true'),
  },
  {
    what: 'offset indexes, by themselves',
    suffix: '.index',
    args: ['--index-sanity-check'],
    judge: (out, files) => out.split('passed sanity check').length - 1 === files,
  },
  { what: 'offset indexes, against the log', suffix: '.index', args: ['--verify-index-only'], judge: () => true },
  {
    what: 'time indexes, by themselves',
    suffix: '.timeindex',
    args: ['--index-sanity-check'],
    judge: (out, files) => out.split('passed sanity check').length - 1 === files,
  },
  { what: 'time indexes, against the log', suffix: '.timeindex', args: ['--verify-index-only'], judge: () => true },
  { what: 'transaction indexes', suffix: '.txnindex', args: [], judge: (out) => out.includes('lastStableOffset') },
  { what: 'producer snapshots', suffix: '.snapshot', args: [], judge: (out) => out.includes('producerEpoch') },
];

/** Looks at the folder with the dump tool of a version of Kafka. */
export async function dumpFolder(folder: string, version: string): Promise<DumpFinding[]> {
  const findings: DumpFinding[] = [];
  for (const { what, suffix, args, judge } of looks) {
    const files = readdirSync(folder).filter((name) => name.endsWith(suffix));
    const paths = files.map((name) => join(folder, name)).join(',');
    const { exitCode, stdout, stderr } = await kafkaTool('kafka-dump-log', ['--files', paths, ...args], { version });
    const output = stdout + stderr;
    const complaint = output.split('\n').find((line) => COMPLAINT.test(line));
    const isGood = files.length > 0 && exitCode === 0 && complaint === undefined && judge(output, files.length);
    findings.push({ what, isGood, detail: complaint ?? `${files.length} files` });
  }
  return findings;
}
