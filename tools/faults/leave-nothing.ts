import { execFileSync } from 'node:child_process';
import { constants } from 'node:os';

/** Has whatever this process has started, and what that has, end with it when somebody stops it: brokers would go on for ever. */
export function leaveNothingBehind(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      for (const pid of descendantsOf(process.pid)) end(pid);
      process.exit(128 + constants.signals[signal]);
    });
  }
}

/** Parents before their children: a parent that lives would start them again. */
function descendantsOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const line of execFileSync('ps', ['-eo', 'ppid=,pid='], { encoding: 'utf8' }).trim().split('\n')) {
    const [parent = 0, pid = 0] = line.trim().split(/\s+/).map(Number);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const found: number[] = [];
  const next = [...(children.get(root) ?? [])];
  for (let pid = next.shift(); pid !== undefined; pid = next.shift()) {
    found.push(pid);
    next.push(...(children.get(pid) ?? []));
  }
  return found;
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
