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
  /** Whether the x axis is logarithmic. */
  readonly logX?: boolean;
  readonly series: readonly { readonly name: string; readonly points: readonly (readonly [number, number])[] }[];
}

/** What one bench found. */
export interface Section {
  readonly title: string;
  readonly tables: readonly Table[];
  readonly charts?: readonly Chart[];
  /** Everything measured, every round, for the JSON report. */
  readonly raw: unknown;
}

/** What the command line asks of a bench. */
export interface BenchContext {
  /** Short runs, to see that all works: about two minutes for all benches. The figures are rough. */
  readonly isQuick: boolean;
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
}

/** One bench: `pnpm bench NAME`. */
export interface Bench {
  /** A sentence for the list. */
  readonly about: string;
  /** What `--only` chooses from. */
  readonly parts: readonly string[];
  run(context: BenchContext): Promise<Section>;
}

/** Whether `--only` leaves this part in. */
export function isWanted({ only }: BenchContext, part: string): boolean {
  return only.length === 0 || only.some((each) => part.includes(each));
}
