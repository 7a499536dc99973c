/** A broker as a user runs it: a process of its own, on a folder and a port that stay when it is killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { within } from '../clients/client.ts';
import { root } from '../source/index.ts';

export interface SpawnedBrokerOptions {
  /** `log.dirs`. */
  readonly folder: string;
  /** On 127.0.0.1; 0, the default, takes a free one. */
  readonly port?: number;
  /** Further settings by Kafka's names. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** What node is given: options of its own, the program, and the program's first arguments. Default: the broker's source. */
  readonly program?: readonly string[];
  /** `ulimit -n`: descriptors that the process may have. Default: as this one. */
  readonly descriptorsMax?: number;
  /** Beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/** How a process ended and what it had said. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

/** The process that `pnpm start` runs, without the command line in front. */
export const BROKER_PROGRAM: readonly string[] = [
  '--import',
  join(root, 'tools/source/compile-cache.mjs'),
  join(root, 'apps/broker/src/main.ts'),
];

const START_MS_MAX = 60_000;
const STOP_MS_MAX = 60_000;
/** What is kept of a process' output, so that a talkative one costs nothing. */
const OUTPUT_CHARS_MAX = 1_000_000;

/** Starts a broker and does not wait for it: for starts that are to fail, or to be cut short. */
export class SpawnedBroker {
  readonly startedAt: number = performance.now();
  /** Resolves when the process has ended. */
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcess;
  #output = '';
  #bootstrap: string | undefined;
  #readyMs: number | undefined;
  readonly #onOutput = new Set<() => void>();

  constructor(options: SpawnedBrokerOptions) {
    const { program = BROKER_PROGRAM, env } = options;
    const settings = {
      listeners: `PLAINTEXT://127.0.0.1:${options.port ?? 0}`,
      'log.dirs': options.folder,
      'group.initial.rebalance.delay.ms': 0,
      'millrace.http.port': -1,
      'millrace.log.format': 'json',
      ...options.settings,
    };
    const overrides = Object.entries(settings).flatMap(([name, value]) => ['--override', `${name}=${value}`]);
    const command = [process.execPath, ...program, ...overrides];
    const [file = '', ...args] =
      options.descriptorsMax === undefined ? command : limited(options.descriptorsMax, command);
    this.#child = spawn(file, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.#heard(text));
    }
    this.ended = new Promise((resolve, reject) => {
      this.#child.on('error', reject);
      this.#child.on('close', (code, signal) => {
        resolve({ code, signal, output: this.#output });
        for (const look of this.#onOutput) look();
      });
    });
  }

  /** Starts a broker and waits until it says that it is ready. @throws Error with its output when it ends before. */
  static async start(options: SpawnedBrokerOptions): Promise<SpawnedBroker> {
    const broker = new SpawnedBroker(options);
    try {
      await broker.ready();
    } catch (error) {
      await broker.kill();
      throw error;
    }
    return broker;
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** `host:port`, once it is ready. */
  get bootstrap(): string {
    if (this.#bootstrap === undefined) throw new Error('the broker is not ready yet');
    return this.#bootstrap;
  }

  get port(): number {
    return Number(this.bootstrap.split(':')[1]);
  }

  /** From the start of the process to its word that it is ready. */
  get readyMs(): number {
    return this.#readyMs ?? Number.NaN;
  }

  get output(): string {
    return this.#output;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  ready(): Promise<void> {
    return this.says(/is ready at/, START_MS_MAX);
  }

  /** Resolves when the output has something that matches. @throws Error with the output when the process ends before. */
  says(pattern: RegExp, timeoutMs = START_MS_MAX): Promise<void> {
    const heard = new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (pattern.test(this.#output)) resolve();
        else if (!this.isRunning) reject(new Error(`the broker ended before it said ${pattern}:\n${this.#output}`));
        else return;
        this.#onOutput.delete(look);
      };
      this.#onOutput.add(look);
      look();
    });
    return within(timeoutMs, `waiting until the broker says ${pattern}`, heard);
  }

  /** Stops it where it is: it keeps its connections and says nothing, until it is thawed or killed. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  /** Lets it go on where it was frozen. */
  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  /** Ends it as a power cut would, the disk's cache apart. */
  kill(): Promise<Ending> {
    this.#child.kill('SIGKILL');
    return this.ended;
  }

  /** Asks it to stop, and waits until it has. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ending> {
    this.#child.kill(signal);
    const late = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS_MAX);
    const ending = await this.ended;
    clearTimeout(late);
    return ending;
  }

  #heard(text: string): void {
    this.#output = (this.#output + text).slice(-OUTPUT_CHARS_MAX);
    const address = /is ready at \w+:\/\/([\w.]+:\d+)/.exec(this.#bootstrap === undefined ? this.#output : '')?.[1];
    if (address !== undefined) {
      this.#bootstrap = address;
      this.#readyMs = performance.now() - this.startedAt;
    }
    for (const look of this.#onOutput) look();
  }
}

function limited(descriptorsMax: number, command: readonly string[]): string[] {
  return ['sh', '-c', `ulimit -n ${descriptorsMax} && exec "$0" "$@"`, ...command];
}

/** What a process uses. Only Linux tells. */
export interface ProcessUsage {
  readonly rssBytes: number;
  readonly rssPeakBytes: number;
  readonly cpuSeconds: number;
  readonly openFiles: number;
  readonly threads: number;
}

/** Whether {@link usageOf} works here. */
export const canMeasureProcesses: boolean = process.platform === 'linux';

/** Clock ticks a second in /proc/PID/stat: the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** What a process uses now, from /proc. */
export function usageOf(pid: number): ProcessUsage {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? Number.NaN);
  // The second field is the program's name in brackets and may hold blanks; utime and stime are the 14th and 15th.
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return {
    rssBytes: field('VmRSS') * 1024,
    rssPeakBytes: field('VmHWM') * 1024,
    cpuSeconds: (Number(stat[11]) + Number(stat[12])) / TICKS_PER_SECOND,
    openFiles: readdirSync(`/proc/${pid}/fd`).length,
    threads: field('Threads'),
  };
}
