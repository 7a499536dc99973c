/** The gaps of a run as a table. */

/** What a row of the table is made of. */
export interface TableGap {
  readonly client: string;
  readonly victim: string;
  readonly ending: string;
  readonly ms: number;
  readonly boundMs: number | undefined;
}

interface Row {
  readonly gaps: number[];
  /** Where events of a kind had several, the largest. */
  boundMs: number | undefined;
}

/** A row for each client, kind of victim and ending: p50, p99, worst, and what each gap of it should stay below. */
export function gapTable(gaps: readonly TableGap[]): string {
  const rows = new Map<string, Row>();
  for (const { client, victim, ending, ms, boundMs } of gaps) {
    for (const whom of victim === 'keeper' ? [victim] : [victim, 'all']) {
      const name = heading(client, whom, ending);
      const row = rows.get(name) ?? { gaps: [], boundMs: undefined };
      rows.set(name, row);
      row.gaps.push(ms);
      if (boundMs !== undefined) row.boundMs = Math.max(row.boundMs ?? 0, boundMs);
    }
  }
  const lines = [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, row]) => rowOf(name, row));
  const columns = cells(['rounds', 'p50', 'p99', 'worst', 'bound']);
  return [`${heading('client', 'victim', 'ending')} ${columns}`, ...lines].join('\n');
}

function heading(client: string, victim: string, ending: string): string {
  return `${client.padEnd(10)} ${victim.padEnd(12)} ${ending.padEnd(14)}`;
}

function rowOf(name: string, { gaps, boundMs }: Row): string {
  const sorted = gaps.toSorted((a, b) => a - b);
  const at = (share: number): string => `${Math.round(sorted[Math.ceil(share * sorted.length) - 1]!)} ms`;
  const bound = boundMs === undefined ? '-' : `${Math.round(boundMs)} ms`;
  return `${name} ${cells([String(sorted.length), at(0.5), at(0.99), at(1), bound])}`;
}

function cells(values: readonly string[]): string {
  return values.map((value) => value.padStart(9)).join(' ');
}
