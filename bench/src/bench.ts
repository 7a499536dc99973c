/** What a bench is, and what it hands back. */

/** Figures under each other, the first column telling of what. */
export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What a reader must know to judge the figures. */
  readonly notes?: readonly string[];
}

/** A line per series, drawn as SVG. */
export interface Chart {
  /** Names the file, too. */
  readonly title: string;
  readonly x: string;
  readonly y: string;
  /** Whether the axes are logarithmic; the x axis is when not told otherwise. */
  readonly logX?: boolean;
  readonly logY?: boolean;
  readonly series: readonly { readonly name: string; readonly points: readonly (readonly [number, number])[] }[];
}

/** One figure with what it was measured on, so that aims can be judged by it after the run: a value per round. */
export interface Fact {
  readonly what: FactKind;
  readonly broker: string;
  readonly client: string;
  /** What was done: size of the records, partitions, acks. */
  readonly load: string;
  readonly values: readonly number[];
  /** The table that shows it. */
  readonly table: string;
}

export type FactKind =
  | 'produced records/s'
  | 'consumed records/s'
  | 'p50 ms'
  | 'p99 ms'
  | 'start ms'
  | 'idle RSS'
  | 'loaded RSS'
  | 'bytes/s'
  | 'limit'
  | 'transactions/s'
  | 'records/s with commits'
  | 'CPU us/record';

/** What one bench found. Kept as JSON in the report, from which the rest is written. */
export interface Section {
  readonly title: string;
  readonly tables: readonly Table[];
  readonly charts: readonly Chart[];
  readonly facts: readonly Fact[];
  /** What could not be measured, and why. */
  readonly failures: readonly string[];
  /** Everything measured, every round. */
  readonly raw: Readonly<Record<string, unknown>>;
  /** When and how it was taken. A report may be made of several runs. */
  readonly taken: Taken;
}

export interface Taken {
  readonly at: string;
  readonly seconds: number;
  readonly rounds: number;
  readonly isQuick: boolean;
  readonly only: readonly string[];
  readonly load: string;
  readonly machine: readonly string[];
}

/** What the command line asks of a bench. */
export interface BenchContext {
  /** Short runs, to see that all works. The figures are rough. */
  readonly isQuick: boolean;
  /** Every combination of settings instead of those that differ from the first in one thing. Takes more than an hour. */
  readonly isFull: boolean;
  /** How often everything is measured; the median is reported, with the spread. */
  readonly rounds: number;
  /** With `--only`: what to leave in. Benches tell in `parts` what there is. */
  readonly only: readonly string[];
  /** Where profiles and charts go. */
  readonly reportFolder: string;
  /** Whether child processes shall write CPU profiles into the report's folder. */
  readonly profiles: boolean;
  /** Says what is going on, on the standard error. */
  progress(text: string): void;
  /** Notes for the report what could not be measured; the run goes on. */
  failed(what: string, error: unknown): void;
}

/** Takes what a bench finds as it finds it, so that a run that is cut off leaves what it has. */
export interface Findings {
  table(table: Table): void;
  chart(chart: Chart): void;
  fact(fact: Fact): void;
  raw(title: string, values: unknown): void;
  /** Does one part; what it throws is noted, and the run goes on. */
  attempt(what: string, work: () => Promise<void>): Promise<void>;
}

/** One bench: `pnpm bench NAME`. */
export interface Bench {
  readonly title: string;
  /** A sentence for the list. */
  readonly about: string;
  /** What `--only` chooses from. */
  readonly parts: readonly string[];
  /** How long a complete run takes on two cores, with the default rounds and with `--quick`. */
  readonly seconds: { readonly full: number; readonly quick: number };
  run(context: BenchContext, findings: Findings): Promise<void>;
}

/** Whether `--only` leaves this part in. */
export function isWanted({ only }: BenchContext, part: string): boolean {
  return only.length === 0 || only.some((each) => part.includes(each));
}
