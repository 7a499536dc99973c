/** Processor time and memory of other processes, from /proc. */
import { readdirSync, readFileSync } from 'node:fs';

/** `getconf CLK_TCK`, which is this on every Linux that Node runs on. */
const CLOCK_TICKS_PER_SECOND = 100;

/** Processor time of a process since it began, in milliseconds, children not counted. */
export function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The program's name stands in parentheses and may contain blanks.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * (1000 / CLOCK_TICKS_PER_SECOND);
}

/**
 * Processor time of a process from now on, as the scheduler counts it: in nanoseconds, where {@link cpuMsOf} has hundredths of a second,
 * which is 2 % of a run of half a second.
 */
export class FineCpuTime {
  readonly #pid: number;
  readonly #before: ReadonlyMap<string, number>;

  constructor(pid: number) {
    this.#pid = pid;
    this.#before = threadTimesOf(pid);
  }

  /** What threads have used that are still there; a thread that has ended meanwhile takes what it used with it. */
  elapsedMs(): number {
    let ns = 0;
    for (const [thread, time] of threadTimesOf(this.#pid)) ns += time - (this.#before.get(thread) ?? 0);
    return ns / 1e6;
  }
}

/** Nanoseconds by thread. */
function threadTimesOf(pid: number): ReadonlyMap<string, number> {
  const times = new Map<string, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      times.set(thread, Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]));
    } catch {
      // It has just ended.
    }
  }
  return times;
}

/** Memory of a process that is in RAM, in bytes. */
export function rssBytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) * 1024;
}
