/** `pnpm simulate [seeds | mutants | corrupt | interrupted]`: see README.md beside this file. */
import { runCampaign } from './campaign.ts';
import { parseOptions, type SimulateOptions, USAGE, UsageError } from './options.ts';
import { ProgressBar } from './progress.ts';
import { printCampaign, printCorruption, printFailure, printMutants } from './report.ts';
import { printInterruptions } from './scenarios/interruptions.ts';

async function seeds(options: SimulateOptions): Promise<number> {
  const { from, seeds, seconds, length, brokers, transactions, unclean, racks, faults, build, jobs } = options;
  const { keepsGoing, isJson, isTraced } = options;
  if (isTraced) return printFailure(from, options);
  const bar = new ProgressBar(seeds, seconds, !isJson);
  const result = await runCampaign({
    from,
    seeds,
    seconds,
    length,
    brokers,
    transactions,
    unclean,
    racks,
    faults,
    buildName: build.name,
    jobs,
    keepsGoing,
    onSeed: (campaign) => bar.show(campaign),
  });
  bar.end();
  printCampaign(result, options);
  const [first] = result.failures;
  if (first !== undefined && !isJson) await printFailure(first.seed, options);
  return result.failures.length === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options.command === 'mutants') return printMutants(options);
  if (options.command === 'corrupt') return printCorruption(options);
  if (options.command === 'interrupted') return printInterruptions(options.isJson);
  return seeds(options);
}

// Half of what a world does is to fail, and nobody reads where.
Error.stackTraceLimit = 0;

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
