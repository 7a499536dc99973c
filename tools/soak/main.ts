/** `pnpm sdk:soak [--minutes 10] [--seed N]`: see README.md beside this file. */
import { parseArgs } from 'node:util';
import { type SoakReport, soak } from './soak.ts';

const { values } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' } },
});

const MIB = 1024 * 1024;
const minutes = Number(values.minutes);
// Another run, other troubles: what this one met can be asked for again.
const seed = Number(values.seed ?? Date.now() % 1_000_000);
console.log(`A soak of ${minutes} minutes, seed ${seed}`);
const startMs = performance.now();
const report = await soak({
  timeMs: minutes * 60_000,
  seed,
  onSample: ({ atMs, heapBytes, bufferBytes, sockets, timers }, ledger) => {
    const memory = `heap ${(heapBytes / MIB).toFixed(1)} MiB, buffers ${(bufferBytes / MIB).toFixed(1)} MiB`;
    const handles = `${sockets} sockets, ${timers} timers`;
    const work = `${ledger.recordsAcknowledged} acknowledged, ${ledger.recordsHandled} handled`;
    console.log(
      `${Math.round((atMs - startMs) / 1000)} s: ${memory}, ${handles}; ${work}; ${ledger.violationCount} violations`,
    );
  },
});
print(report);
process.exitCode = report.ledger.violationCount === 0 ? 0 : 1;

function print({ ledger, troubles, cutsInFrames, heapGrowthBytes, bufferGrowthBytes, ...rest }: SoakReport): void {
  console.log('');
  for (const [name, count] of [...troubles].sort()) console.log(`${name.padEnd(34)} ${count}`);
  console.log(`${'connections cut inside a frame'.padEnd(34)} ${cutsInFrames}`);
  console.log(
    `records acknowledged   ${ledger.recordsAcknowledged}, each found once, in order, where it was said to be`,
  );
  console.log(`records handled        ${ledger.recordsHandled}`);
  console.log(`commits acknowledged   ${ledger.commitsAcknowledged}`);
  console.log(`heap growth            ${Math.round(heapGrowthBytes / 1024)} KiB a minute`);
  console.log(`growth of buffers      ${Math.round(bufferGrowthBytes / 1024)} KiB a minute`);
  console.log(`most sockets, timers   ${rest.socketsMax}, ${rest.timersMax}; none are left`);
  console.log(`violations             ${ledger.violationCount}`);
  for (const violation of ledger.violations) console.log(`  ${violation}`);
}
