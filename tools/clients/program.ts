/** Runs a command-line client to its end. */
import { spawn } from 'node:child_process';
import { CLIENT_MS_MAX } from './client.ts';

export interface ProgramOptions {
  readonly input?: string;
  readonly timeoutMs?: number;
}

/** Returns what the program printed. @throws Error with all it said when it fails or takes too long. */
export function runProgram(command: string, args: readonly string[], options: ProgramOptions = {}): Promise<string> {
  const { input = '', timeoutMs = CLIENT_MS_MAX } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: timeoutMs, killSignal: 'SIGKILL' });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    // A program that ends before it has read its input breaks the pipe; its exit code tells the story.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.on('error', (cause) => reject(new Error(`could not run ${command}`, { cause })));
    child.on('close', (code, signal) => {
      if (code === 0) {
        resolve(stdout);
      } else {
        const end = signal === null ? `ended with ${code}` : `was ended by ${signal} (limit ${timeoutMs} ms)`;
        reject(new Error(`${command} ${args.join(' ')} ${end}:\n${stderr}\n${stdout.slice(-2000)}`));
      }
    });
  });
}
