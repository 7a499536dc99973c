import { readFileSync } from 'node:fs';

/** Files of logs that may be open where the system allows enough. */
const LOG_FILES_MAX = 1000;
const LOG_FILES_MIN = 16;
/** A log file that is written to has a second descriptor, for synced writes. */
const DESCRIPTORS_PER_LOG_FILE = 2;
/** What is left for connections, listeners, the metadata store and Node itself. */
const SHARE_OF_OTHERS = 0.5;

/**
 * How many files of logs may be open at a time, so that half of the descriptors that this process may have are left for others.
 * Node has raised the limit (`ulimit -n`) as far as it may before.
 */
export function logFilesMax(limit: number = descriptorsMax()): number {
  const share = Math.floor((limit * (1 - SHARE_OF_OTHERS)) / DESCRIPTORS_PER_LOG_FILE);
  return Math.min(Math.max(share, LOG_FILES_MIN), LOG_FILES_MAX);
}

/** Infinity where the system does not tell. */
function descriptorsMax(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
