/**
 * `pnpm test [--only NAME[,NAME]] [--list]`: everything a submission is checked for, the same on a laptop and in CI.
 * Prints each step with its time, the whole output of what failed, and closes with the tests' counts.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { SKIPS_FILE } from '../needs/index.ts';
import { root } from '../source/index.ts';
import { failedTests } from './failed.ts';
import { runSteps, type StepResult } from './run.ts';
import { skippedSuites, type TestReport } from './skipped.ts';
import { type Step, steps, TEST_REPORT } from './steps.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    list: { type: 'boolean', default: false },
  },
});

if (values.list) {
  for (const step of steps) {
    console.log(`${step.name.padEnd(10)} ${step.why}`);
  }
} else {
  await check(choose(values.only));
}

function choose(only: readonly string[] | undefined): readonly Step[] {
  if (only === undefined) return steps;
  const names = only.flatMap((list) => list.split(','));
  const unknown = names.find((name) => !steps.some((step) => step.name === name));
  if (unknown !== undefined) {
    console.error(`There is no step ${unknown}. The steps are: ${steps.map((step) => step.name).join(', ')}.`);
    process.exit(2);
  }
  return steps.filter((step) => names.includes(step.name));
}

async function check(chosen: readonly Step[]): Promise<void> {
  const report = join(root, TEST_REPORT);
  mkdirSync(dirname(report), { recursive: true });
  rmSync(report, { force: true });
  rmSync(join(root, SKIPS_FILE), { force: true });

  const startedAt = performance.now();
  const results = await runSteps(chosen, Math.max(1, availableParallelism()), (result) => {
    console.log(`${result.passed ? 'ok    ' : 'FAILED'}  ${result.step.name.padEnd(10)} ${seconds(result.seconds)}`);
  });
  const failed = results.filter((result) => !result.passed);
  for (const result of failed) {
    printFailure(result);
  }
  const total = (performance.now() - startedAt) / 1000;
  const verdict = failed.length === 0 ? 'all passed' : `failed: ${failed.map((result) => result.step.name).join(', ')}`;
  console.log(`\n${results.length} steps in ${seconds(total).trim()}, ${verdict}`);
  if (chosen.some((step) => step.name === 'tests')) {
    const told = JSON.parse(readIfThere(report) || '{}') as TestReport;
    for (const line of failedTests(told, root)) console.log(`  ${line}`);
    printSkipped(told);
    console.log(testCounts(report));
  }
  if (failed.length > 0) process.exitCode = 1;
}

function printFailure(result: StepResult): void {
  console.log(`\n--- ${result.step.name}: ${result.step.why}`);
  console.log(`    ${result.step.command.join(' ')}\n`);
  console.log(result.output.trim());
}

/** What did not run, and what it needs: a test that is passed over unseen protects nothing. */
function printSkipped(report: TestReport): void {
  const needs = readIfThere(join(root, SKIPS_FILE)).split('\n');
  const suites = skippedSuites(report, root);
  const lines = [...new Set([...needs, ...suites])].filter((line) => line !== '');
  if (lines.length > 0) console.log(`\nSkipped on this machine:\n${lines.map((line) => `  ${line}`).join('\n')}`);
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** The closing line that CI reads. Without a report nothing ran, which counts as a failure. */
function testCounts(report: string): string {
  try {
    const counts = JSON.parse(readFileSync(report, 'utf8'));
    const skipped = counts.numPendingTests + counts.numTodoTests;
    const line = `${counts.numPassedTests} passed, ${counts.numFailedTests} failed`;
    return skipped > 0 ? `${line}, ${skipped} skipped` : line;
  } catch {
    process.exitCode = 1;
    return '0 passed, 1 failed';
  }
}

function seconds(value: number): string {
  return `${value.toFixed(1)} s`.padStart(8);
}
