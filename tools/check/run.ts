/** Runs steps: side by side as far as the machine has cores, each as soon as those before it are over. */
import { type ChildProcess, spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { root } from '../source/index.ts';
import type { Step } from './steps.ts';

export interface StepResult {
  readonly step: Step;
  readonly passed: boolean;
  readonly seconds: number;
  readonly output: string;
}

/** What a step may print before the middle of it is dropped: enough for any report a person would read. */
const OUTPUT_CHARS_MAX = 400_000;

/**
 * Runs every step, also after one has failed, so that one run tells everything. `onResult` is called as each ends.
 * A step waits only for those of its `after` that are part of this run.
 */
export async function runSteps(
  steps: readonly Step[],
  parallelism: number,
  onResult: (result: StepResult) => void,
): Promise<StepResult[]> {
  const over = new Set<string>();
  const waiting = [...steps];
  const results: StepResult[] = [];
  const names = new Set(steps.map((step) => step.name));
  let running = 0;
  await new Promise<void>((resolve) => {
    const startWhatCan = (): void => {
      if (waiting.length === 0 && running === 0) resolve();
      while (running < parallelism) {
        const at = waiting.findIndex((step) => (step.after ?? []).every((name) => over.has(name) || !names.has(name)));
        const step = at === -1 ? undefined : waiting.splice(at, 1)[0];
        if (step === undefined) return;
        running += 1;
        void runStep(step).then((result) => {
          running -= 1;
          over.add(step.name);
          results.push(result);
          onResult(result);
          startWhatCan();
        });
      }
    };
    startWhatCan();
  });
  return results;
}

function runStep(step: Step): Promise<StepResult> {
  const startedAt = performance.now();
  const [command, ...args] = step.command;
  return new Promise((resolve) => {
    let output = '';
    const collect = (text: string): void => {
      output += text;
      if (output.length > OUTPUT_CHARS_MAX) {
        output = `${output.slice(0, OUTPUT_CHARS_MAX / 4)}\n[... cut ...]\n${output.slice(-OUTPUT_CHARS_MAX / 2)}`;
      }
    };
    const end = (passed: boolean): void => {
      resolve({ step, passed, seconds: (performance.now() - startedAt) / 1000, output });
    };
    // In a process group of its own, so that interrupting the check ends whatever the step has started.
    const child = spawn(command, args, {
      cwd: root,
      env: environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const forget = endTogether(child);
    child.stdout.setEncoding('utf8').on('data', collect);
    child.stderr.setEncoding('utf8').on('data', collect);
    child.on('error', (error) => {
      collect(`could not start ${command}: ${error.message}\n`);
      forget();
      end(false);
    });
    child.on('close', (code, signal) => {
      forget();
      if (signal !== null) collect(`\nended by ${signal}\n`);
      end(code === 0);
    });
  });
}

/** Hands SIGINT and SIGTERM on to the step's process group; returns the way to stop doing so. */
function endTogether(child: ChildProcess): () => void {
  const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];
  const kill = (signal: NodeJS.Signals): void => {
    if (child.pid !== undefined) {
      try {
        process.kill(-child.pid, signal);
      } catch {
        // It is gone already, which is what was wanted.
      }
    }
    process.exitCode = 130;
  };
  for (const signal of signals) {
    process.once(signal, kill);
  }
  return () => {
    for (const signal of signals) {
      process.off(signal, kill);
    }
  };
}

function environment(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    PATH: `${join(root, 'node_modules/.bin')}${delimiter}${process.env.PATH ?? ''}`,
    TURBO_TELEMETRY_DISABLED: '1',
    // Steps write to a pipe; colour codes would only get in the way of whoever reads a log.
    NO_COLOR: '1',
    FORCE_COLOR: undefined,
  };
}
