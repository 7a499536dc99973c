import { parseArgs } from 'node:util';
import type { Build } from './build.ts';
import { SOUND } from './build.ts';
import { mutants } from './mutants/index.ts';
import { type FaultKind, faultKinds } from './world/fault-plan.ts';

/** What `pnpm simulate` is to do. */
export interface SimulateOptions {
  readonly command: 'seeds' | 'mutants' | 'corrupt' | 'interrupted';
  readonly from: number;
  /** Undefined: until the time is over. */
  readonly seeds: number | undefined;
  /** Undefined: until the seeds are through. */
  readonly seconds: number | undefined;
  readonly length: number;
  readonly brokers: number;
  readonly transactions: boolean;
  readonly unclean: boolean;
  readonly racks: boolean;
  readonly faults: readonly FaultKind[] | undefined;
  readonly build: Build;
  readonly jobs: number;
  readonly isJson: boolean;
  /** Whether the whole trace is printed. */
  readonly isTraced: boolean;
  readonly keepsGoing: boolean;
}

export const USAGE = `pnpm simulate [seeds]       worlds from seeds, each judged by the checker
pnpm simulate mutants       brokers that are broken on purpose, until each is caught
pnpm simulate corrupt       a small log with every bit of every file flipped in turn
pnpm simulate interrupted   a controller that is struck at each of its writes, whatever it does

  --seed N        one seed, with the trace of what went wrong
  --seeds N       so many seeds (200), or with A..B those from A to B
  --from N        the first of them (1)
  --seconds N     as many as fit into the time
  --length X      worlds that last X times as long as usual (1)
  --brokers N     clusters of so many brokers (1)
  --transactions  what is written, or much of it, is written in transactions, by several producers of which some have the same id
  --unclean       in clusters, some topics let replicas lead that are not in sync (unclean.leader.election.enable)
  --racks         in clusters, brokers and readers have racks, and readers fetch from followers in theirs (KIP-392)
  --faults a,b    only these kinds: ${faultKinds.join(', ')}; or everything, which is all of them,
                  scribble too, which is left out by default
  --mutant NAME   with a broker that is broken: ${mutants.map(({ name }) => name).join(', ')}
  --jobs N        in so many threads (1)
  --keep-going    do not stop at the first seed that fails
  --trace         print all that happens in the world of --seed
  --json          print one JSON object`;

const SEEDS = 200;

/** Arguments that make no sense. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws UsageError */
export function parseOptions(args: readonly string[]): SimulateOptions {
  const { values, positionals } = parse(args);
  const [command = 'seeds', ...others] = positionals;
  if (command !== 'seeds' && command !== 'mutants' && command !== 'corrupt' && command !== 'interrupted') {
    throw new UsageError(`There is no command ${command}`);
  }
  if (values.unclean && values.transactions) {
    throw new UsageError('--unclean takes from topics what transactions have committed: leave out --transactions');
  }
  if (others.length > 0) throw new UsageError(`${others.join(' ')} is one word too many`);
  const seed = numberOf('seed', values.seed);
  const seconds = numberOf('seconds', values.seconds);
  const range = seed === undefined ? seedRange(values.seeds) : { from: seed, seeds: 1 };
  return {
    command,
    from: range.from ?? numberOf('from', values.from) ?? 1,
    seeds: range.seeds ?? (seconds === undefined ? SEEDS : undefined),
    seconds,
    length: numberOf('length', values.length) ?? 1,
    brokers: numberOf('brokers', values.brokers) ?? 1,
    transactions: values.transactions,
    unclean: values.unclean,
    racks: values.racks,
    faults: values.faults === 'everything' ? faultKinds : values.faults?.split(',').map(faultKind),
    build: values.mutant === undefined ? SOUND : mutant(values.mutant),
    jobs: numberOf('jobs', values.jobs) ?? 1,
    isJson: values.json,
    isTraced: values.trace,
    keepsGoing: values['keep-going'],
  };
}

// The types of the result follow from the arguments here.
function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        seed: { type: 'string' },
        seeds: { type: 'string' },
        from: { type: 'string' },
        seconds: { type: 'string' },
        length: { type: 'string' },
        brokers: { type: 'string' },
        transactions: { type: 'boolean', default: false },
        unclean: { type: 'boolean', default: false },
        racks: { type: 'boolean', default: false },
        faults: { type: 'string' },
        mutant: { type: 'string' },
        jobs: { type: 'string' },
        json: { type: 'boolean', default: false },
        trace: { type: 'boolean', default: false },
        'keep-going': { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** A number of seeds, or the first and the last as `A..B`. */
function seedRange(text: string | undefined): { from?: number; seeds?: number } {
  const ends = text?.split('..') ?? [];
  if (ends.length !== 2) {
    const seeds = numberOf('seeds', text);
    return seeds === undefined ? {} : { seeds };
  }
  const [from = 0, to = 0] = ends.map((end) => numberOf('seeds', end));
  if (to < from) throw new UsageError(`--seeds ${text} ends before it begins`);
  return { from, seeds: to - from + 1 };
}

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (text.trim() === '' || !Number.isFinite(number) || number < 0) {
    throw new UsageError(`--${name} takes a number, not ${text}`);
  }
  return number;
}

function faultKind(name: string): FaultKind {
  const kind = faultKinds.find((each) => each === name);
  if (kind === undefined) throw new UsageError(`There is no fault ${name}; there are: ${faultKinds.join(', ')}`);
  return kind;
}

function mutant(name: string): Build {
  const build = mutants.find((each) => each.name === name);
  if (build !== undefined) return build;
  throw new UsageError(`There is no mutant ${name}; there are: ${mutants.map((each) => each.name).join(', ')}`);
}
