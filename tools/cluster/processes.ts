/** Starts, watches and ends the processes of a plan; what runs is known by a file, so that another call finds it. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { root } from '../source/index.ts';
import { defaultClassPath } from '../zookeeper/ensemble.ts';
import type { Process } from './plan.ts';

/** How long a process may take until it serves. */
const START_MS_MAX = 60_000;
/** How long one may take to stop in order before it is killed. */
const STOP_MS_MAX = 60_000;
const ASK_MS = 100;

/** A process that was started: its number is another's when it has ended, or the machine was started anew, and its birth is not. */
interface Started {
  readonly id: number;
  readonly born: string | undefined;
}

/** The processes that run, by the service's name. */
type AllStarted = Readonly<Record<string, Started>>;

/** The processes of one cluster, in one folder. */
export class Processes {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Starts a process, or leaves one that runs; it outlives this program. */
  async start(process: Process): Promise<void> {
    if (this.isRunning(process.name)) return;
    for (const folder of process.folders) mkdirSync(folder, { recursive: true });
    for (const [path, text] of process.files) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text, { mode: 0o600 });
    }
    mkdirSync(join(this.#folder, 'logs'), { recursive: true });
    const log = openSync(this.logOf(process.name), 'a');
    const { file, args } = await commandOf(process);
    const child = spawn(file, args, {
      cwd: this.#folder,
      env: { ...cleanEnvironment(), ...process.environment },
      stdio: ['ignore', log, log],
      detached: true,
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    this.#note(process.name, child.pid === undefined ? undefined : { id: child.pid, born: bornAt(child.pid) });
  }

  /** Resolves when the process serves. */
  async untilServing(process: Process): Promise<void> {
    const limitMs = performance.now() + START_MS_MAX;
    while (!(await isServing(process))) {
      const why = this.isRunning(process.name) ? (performance.now() > limitMs ? 'does not serve' : undefined) : 'ended';
      if (why !== undefined) throw new Error(`${process.name} ${why}; see ${this.logOf(process.name)}`);
      await pause();
    }
  }

  /** Ends a process; it has ended when this resolves. */
  async end(name: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<boolean> {
    const id = this.#runningId(name);
    if (id === undefined) return false;
    process.kill(id, signal);
    const limitMs = performance.now() + STOP_MS_MAX;
    while (this.isRunning(name)) {
      if (performance.now() > limitMs) process.kill(id, 'SIGKILL');
      await pause();
    }
    this.#note(name, undefined);
    return true;
  }

  /** Whether the process that was started still runs: its number alone may be another's by now. */
  isRunning(name: string): boolean {
    return this.#runningId(name) !== undefined;
  }

  #runningId(name: string): number | undefined {
    const { id, born } = this.#started()[name] ?? {};
    return id !== undefined && born !== undefined && bornAt(id) === born ? id : undefined;
  }

  logOf(name: string): string {
    return join(this.#folder, 'logs', `${name}.log`);
  }

  #started(): AllStarted {
    const file = join(this.#folder, 'processes.json');
    // Written by #note alone.
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as AllStarted) : {};
  }

  #note(name: string, started: Started | undefined): void {
    const all = { ...this.#started(), [name]: started };
    writeFileSync(join(this.#folder, 'processes.json'), `${JSON.stringify(all, null, 2)}\n`);
  }
}

/** Since which start of the machine, and of when in it, a process is; undefined where it does not run. */
export function bornAt(id: number): string | undefined {
  try {
    if (!existsSync('/proc/self/stat')) return bornByPs(id);
    // The name of the program, in brackets, may have anything in it; the state follows it, and the time of birth is the 22nd of all.
    const [state, ...rest] = readFileSync(`/proc/${id}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    if (state === 'Z') return undefined;
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${rest[BORN_FIELD - STATE_FIELD - 1]}`;
  } catch {
    return undefined;
  }
}

/** Where they stand in /proc/PID/stat, counted from 1 (proc_pid_stat(5)). */
const [STATE_FIELD, BORN_FIELD] = [3, 22];

function bornByPs(id: number): string | undefined {
  const told = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(id)], { encoding: 'utf8' }).trim();
  return told === '' || told.startsWith('Z') ? undefined : told.replace(/^\S+\s+/, '');
}

/** Whoever works with a cluster may have settings of his own in the environment; the file's are the ones that count. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(?:KAFKA|MILLRACE|ZOOKEEPER)_/.test(name)),
  );
}

async function commandOf({ kind, args }: Process): Promise<{ file: string; args: string[] }> {
  if (kind !== 'zookeeper') return { file: process.execPath, args: [join(root, 'apps/cli/src/main.ts'), ...args] };
  const main = 'org.apache.zookeeper.server.quorum.QuorumPeerMain';
  const quiet = ['-Xmx256m', '-Dzookeeper.jmx.log4j.disable=true', '-cp', await defaultClassPath()];
  return { file: 'java', args: [...quiet, main, ...args] };
}

async function isServing({ kind, port }: Process): Promise<boolean> {
  if (kind === 'zookeeper') return /Mode: (?:standalone|leader|follower)/.test(await askZooKeeper(port));
  const path = kind === 'broker' ? '/health' : '/api/session';
  try {
    const { status } = await fetch(`http://127.0.0.1:${port}${path}`);
    // A console that asks for a login serves.
    return kind === 'broker' ? status === 200 : status < 500;
  } catch {
    return false;
  }
}

function askZooKeeper(port: number): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write('srvr'));
    socket.setTimeout(2000, () => socket.destroy());
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer));
  });
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ASK_MS));
}
