/** The programs that are measured, each a process of its own, as people have it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { root } from '../source/index.ts';

/** What `--program` is where nobody says otherwise: the source, which Node takes the types from as it runs. */
export const PROGRAM: string = join(root, 'apps/cli/src/main.ts');

/** Resolves with what the expression finds in a line that the program prints, which goes on to be read. */
export async function printed(child: ChildProcess, wanted: RegExp): Promise<RegExpExecArray> {
  if (child.stdout === null) throw new Error('The program has no output that could be read.');
  const lines = createInterface({ input: child.stdout });
  return new Promise((resolve, reject) => {
    // It is read to the end, or the program would wait for somebody who reads.
    lines.on('line', (line) => {
      const found = wanted.exec(line);
      if (found !== null) resolve(found);
    });
    lines.on('close', () => reject(new Error(`${child.spawnargs.join(' ')} has ended and not said ${wanted}.`)));
  });
}

/** The console as people start it, for a cluster that it calls `name`; resolves with where it is. */
export async function startConsole(
  program: string,
  { name, bootstrapServers }: { readonly name: string; readonly bootstrapServers: string },
): Promise<{ child: ChildProcess; origin: string }> {
  const args = [program, 'console', '--cluster', `${name}=${bootstrapServers}`, '--port', '0'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [origin] = await printed(child, /http:[^\s"]+/);
  return { child, origin };
}

/** A broker as people start it. */
export interface BrokerProgram {
  readonly child: ChildProcess;
  readonly bootstrapServers: string;
  /** Where its console is. */
  readonly origin: string;
  stop(): Promise<void>;
}

/** Starts a broker with its data in a folder that goes with it. */
export async function startBrokerProgram(program: string, nodeOptions: readonly string[] = []): Promise<BrokerProgram> {
  const folder = mkdtempSync(join(tmpdir(), 'console-broker-'));
  const args = [...nodeOptions, program, 'start', '--data', join(folder, 'data'), '--port', '0'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill();
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const [, bootstrapServers = '', port] = await printed(
      child,
      /ready at PLAINTEXT:\/\/([^\s",]+).*console and metrics on port (\d+)/,
    );
    return { child, bootstrapServers, origin: `http://localhost:${port}`, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What the system counts as the process's memory now, and at its most, in MiB. */
export function memoryOf({ pid }: Pick<ChildProcess, 'pid'>): { now: number; most: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mib = (name: string): number => Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
  return { now: mib('VmRSS'), most: mib('VmHWM') };
}

/** The middle of what was measured, its least and its most. */
export function spreadOf(taken: readonly number[]): { median: number; least: number; most: number } {
  const sorted = taken.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  return { median: at(Math.floor(sorted.length / 2)), least: at(0), most: at(sorted.length - 1) };
}
