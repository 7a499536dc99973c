/** Collects what a bench finds, and has the report written whenever a part is done. */
import type { Chart, Fact, Findings, Section, Table, Taken } from '../bench.ts';

export class Collected implements Findings {
  readonly #title: string;
  readonly #taken: () => Taken;
  readonly #onPart: (section: Section) => void;
  readonly #progress: (text: string) => void;
  readonly #tables: Table[] = [];
  readonly #charts: Chart[] = [];
  readonly #facts: Fact[] = [];
  readonly #failures: string[] = [];
  readonly #raw: Record<string, unknown> = {};
  #current = '';

  constructor(
    title: string,
    hooks: {
      readonly taken: () => Taken;
      readonly onPart: (section: Section) => void;
      readonly progress: (text: string) => void;
    },
  ) {
    this.#title = title;
    this.#taken = hooks.taken;
    this.#onPart = hooks.onPart;
    this.#progress = hooks.progress;
  }

  table(table: Table): void {
    this.#tables.push(table);
  }

  chart(chart: Chart): void {
    this.#charts.push(chart);
  }

  fact(fact: Fact): void {
    this.#facts.push(fact);
  }

  raw(title: string, values: unknown): void {
    this.#raw[title] = values;
  }

  async attempt(what: string, work: () => Promise<void>): Promise<void> {
    this.#progress(what);
    this.#current = what;
    try {
      await work();
    } catch (error) {
      this.failed(what, error);
    }
    this.#onPart(this.section());
  }

  failed(what: string, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    const [first = ''] = reason.split('\n');
    const where = what === this.#current ? what : `${this.#current}: ${what}`;
    this.#failures.push(`${where}: ${first}`);
    this.#progress(`NOT MEASURED: ${where}: ${reason}`);
  }

  get hasFailed(): boolean {
    return this.#failures.length > 0;
  }

  section(): Section {
    return {
      title: this.#title,
      tables: this.#tables,
      charts: this.#charts,
      facts: this.#facts,
      failures: this.#failures,
      raw: this.#raw,
      taken: this.#taken(),
    };
  }
}
