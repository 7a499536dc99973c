/** `pnpm faults kill-nine|disk-full [options]`: see README.md beside this file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type KillNineReport, killNine } from './kill-nine.ts';

const { values, positionals } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '20' },
    seed: { type: 'string' },
    folder: { type: 'string' },
    program: { type: 'string' },
  },
});

if (positionals[0] === 'kill-nine') {
  await runKillNine();
} else {
  console.error('usage: pnpm faults kill-nine [--rounds 20] [--seed N] [--folder DIR] [--program FILE]');
  process.exitCode = 2;
}

async function runKillNine(): Promise<void> {
  const folder = mkdtempSync(join(values.folder ?? tmpdir(), 'millrace-kill-nine-'));
  // Another run, other moments: what this one met can be asked for again.
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  console.log(`kill -9, ${values.rounds} rounds, seed ${seed}, data in ${folder}`);
  const report = await killNine({
    folder,
    rounds: Number(values.rounds),
    seed,
    ...(values.program === undefined ? {} : { program: [values.program] }),
    onRound: (line) => console.log(line),
  });
  print(report);
  if (report.violationCount === 0 && report.lastEnding.code === 0) {
    rmSync(folder, { recursive: true, force: true });
    return;
  }
  console.log(`The data stays in ${folder}`);
  process.exitCode = 1;
}

function print(report: KillNineReport): void {
  const { kills, killsWhileStarting, recordsAcknowledged, recordsRead, commitsAcknowledged } = report;
  console.log(`kills                 ${kills}, ${killsWhileStarting} of them while the broker was starting`);
  console.log(`records acknowledged  ${recordsAcknowledged}; ${recordsRead} read in the end`);
  console.log(`commits acknowledged  ${commitsAcknowledged}`);
  console.log(`ready after a kill    ${spread(report.recoveryMs)}`);
  console.log(`first record after    ${spread(report.serviceMs)}`);
  console.log(`violations            ${report.violationCount}`);
  for (const violation of report.violations) console.log(`  ${violation}`);
  if (report.lastEnding.code !== 0) console.log(`The last broker ended with ${report.lastEnding.code}`);
}

function spread(ms: readonly number[]): string {
  const sorted = ms.map(Math.round).toSorted((a, b) => a - b);
  return `median ${sorted[Math.floor(sorted.length / 2)]} ms, ${sorted[0]} to ${sorted.at(-1)} ms`;
}
