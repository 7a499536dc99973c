/** What the figures were taken on. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';

/** The machine and the versions, as lines of a report. */
export function describeMachine(): string[] {
  const [cpu] = cpus();
  return [
    `${cpu?.model ?? 'unknown processor'}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB memory, ${arch()}`,
    `Linux ${release()}, Node ${process.version}, ${tool('java', ['-version'])}`,
    `commit ${tool('git', ['describe', '--always', '--dirty'])}`,
  ];
}

/** Load averages over one and five minutes: what else the machine did. */
export function describeLoad(): string {
  const [one = 0, five = 0] = loadavg();
  return `load ${one.toFixed(2)} (1 min), ${five.toFixed(2)} (5 min); processes waiting now: ${runnable()}`;
}

function runnable(): string {
  try {
    return readFileSync('/proc/loadavg', 'utf8').split(' ')[3] ?? '?';
  } catch {
    return '?';
  }
}

/** The first line of what a program prints; `no NAME` where there is none. */
function tool(name: string, args: string[]): string {
  try {
    const output = execFileSync('sh', ['-c', `${[name, ...args].join(' ')} 2>&1`], { encoding: 'utf8' });
    return output.split('\n')[0] ?? '';
  } catch {
    return `no ${name}`;
  }
}
