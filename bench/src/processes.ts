/** Runs what is measured in a process of its own, so that no client or case warms up, or slows down, another. */
import { type ChildProcess, spawn } from 'node:child_process';

/** What a run of a child is given beside its script. */
export interface ChildOptions {
  /** Names of the profile's file; no profile without it. */
  readonly profile?: { readonly folder: string; readonly name: string } | undefined;
  /** After this long the child is killed and the run has failed. */
  readonly timeoutMs: number;
}

/** What a program printed, parsed, when it was one line of JSON at the end of its standard output. */
export async function runJson<Result>(program: string, args: readonly string[], timeoutMs: number): Promise<Result> {
  const { stdout, stderr, exitCode } = await run(program, args, timeoutMs);
  const line = stdout.trimEnd().split('\n').at(-1) ?? '';
  if (exitCode !== 0 || !line.startsWith('{')) {
    const said = /^\w*Error: .*$/m.exec(stderr)?.[0] ?? stderr.trim().split('\n').at(-1);
    const reason = exitCode === null ? `it did not end within ${timeoutMs / 1000} s` : said;
    const command = [program, ...args].join(' ').slice(0, 400);
    throw new Error(`${reason}\n${command} ended with ${exitCode}:\n${stderr.slice(-2000)}\n${stdout.slice(-1000)}`);
  }
  return JSON.parse(line) as Result;
}

/** Runs a script of this folder under this Node with a job as JSON, and returns what it printed. */
export function runNode<Result>(script: string, job: unknown, options: ChildOptions): Promise<Result> {
  const { profile, timeoutMs } = options;
  const profiling =
    profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', profile.folder, '--cpu-prof-name', profile.name];
  const args = ['--expose-gc', ...profiling, script, JSON.stringify(job)];
  return runJson<Result>(process.execPath, args, timeoutMs);
}

/** The job that {@link runNode} gave to this process. */
export function jobOfThisChild<Job>(): Job {
  return JSON.parse(process.argv[2] ?? '{}') as Job;
}

/** Prints the result that {@link runNode} waits for. */
export function finishChild(result: unknown): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

/** Everything a program printed, when it has ended. */
export function run(
  program: string,
  args: readonly string[],
  timeoutMs: number,
): Promise<{ stdout: string; stderr: string; exitCode: number | null }> {
  return new Promise((resolve, reject) => {
    const child: ChildProcess = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (exitCode) => resolve({ stdout, stderr, exitCode }));
  });
}
