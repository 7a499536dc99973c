/** Writes what the benches found: Markdown for people, with charts, and JSON for programs. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchContext, Section, Table } from '../bench.ts';
import { drawChart } from './chart.ts';
import { describeLoad, describeMachine } from './machine.ts';

const reports = join(import.meta.dirname, '../../reports');

/** A folder of its own for this run: `bench/reports/2026-01-31T12-00-00`. */
export function newReportFolder(): string {
  const name = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
  const folder = join(reports, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Writes `report.md`, `report.json` and a file per chart, and prints the Markdown of the newest section. */
export async function writeReport(
  folder: string,
  sections: Readonly<Record<string, Section>>,
  context: BenchContext,
  startedMs: number,
): Promise<void> {
  const minutes = ((performance.now() - startedMs) / 60_000).toFixed(1);
  const head = [
    `# Benches of ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    '',
    ...describeMachine().map((line) => `- ${line}`),
    `- ${context.rounds} ${context.rounds === 1 ? 'round' : 'rounds, interleaved; medians, and half the distance of the extremes'}${context.isQuick ? '; --quick: the figures are rough' : ''}`,
    `- took ${minutes} minutes; at the end ${describeLoad()}`,
    '',
  ];
  const bodies = Object.values(sections).map((section) => sectionMarkdown(section, folder));
  writeFileSync(join(folder, 'report.md'), `${[...head, ...bodies].join('\n')}`);
  const raw = Object.fromEntries(Object.entries(sections).map(([name, section]) => [name, section]));
  const json = { at: new Date().toISOString(), machine: describeMachine(), load: describeLoad(), sections: raw };
  writeFileSync(join(folder, 'report.json'), `${JSON.stringify(json, undefined, 1)}\n`);
  console.log(bodies.at(-1));
}

function sectionMarkdown({ title, tables, charts }: Section, folder: string): string {
  const parts = [`## ${title}`, ''];
  for (const table of tables) parts.push(tableMarkdown(table), '');
  for (const chart of charts ?? []) {
    const file = `${chart.title.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}.svg`;
    writeFileSync(join(folder, file), drawChart(chart));
    parts.push(`![${chart.title}](${file})`, '');
  }
  return parts.join('\n');
}

function tableMarkdown({ title, columns, rows, notes }: Table): string {
  const widths = columns.map((column, index) =>
    Math.max(column.length, ...rows.map((row) => (row[index] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, index) => (index === 0 ? (cells[index] ?? '').padEnd(width) : (cells[index] ?? '').padStart(width))).join(' | ')} |`;
  const rule = `|${widths.map((width, index) => (index === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  const notesText = (notes ?? []).map((note) => `\n${note}`).join('');
  return `### ${title}\n\n${line(columns)}\n${rule}\n${rows.map(line).join('\n')}\n${notesText}`;
}
