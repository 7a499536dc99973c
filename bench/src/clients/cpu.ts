/** Processor time and memory of other processes, from /proc. */
import { readFileSync } from 'node:fs';

/** `getconf CLK_TCK`, which is this on every Linux that Node runs on. */
const CLOCK_TICKS_PER_SECOND = 100;

/** Processor time of a process since it began, in milliseconds, children not counted. */
export function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The program's name stands in parentheses and may contain blanks.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * (1000 / CLOCK_TICKS_PER_SECOND);
}

/** Memory of a process that is in RAM, in bytes. */
export function rssBytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) * 1024;
}
