/** A report: JSON for programs, from which Markdown for people and charts are written. It may be put together by several runs. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { aimsTables } from '../aims.ts';
import type { Chart, Section, Table } from '../bench.ts';
import { drawChart } from './chart.ts';

export const reports = join(import.meta.dirname, '../../reports');

/** Sections by the names of their benches. */
export type Sections = Record<string, Section>;

/** A folder of its own for this run: `bench/reports/2026-01-31T12-00-00`. */
export function newReportFolder(): string {
  const name = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
  const folder = join(reports, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** The folder of an earlier run: by its path, by its name in `bench/reports`, or `latest`. */
export function reportFolderOf(name: string): string {
  const inReports = existsSync(reports) ? readdirSync(reports).filter((each) => /^\d{4}-/.test(each)) : [];
  const latest = inReports.filter((each) => existsSync(join(reports, each, 'report.json'))).sort();
  const folder =
    name === 'latest' ? join(reports, latest.at(-1) ?? 'none') : [join(reports, name), resolve(name)].find(existsSync);
  if (folder === undefined) throw new Error(`There is no report ${name}; in ${reports} are: ${inReports.join(', ')}`);
  return folder;
}

/** What a report holds so far; nothing where there is none. */
export function readSections(folder: string): Sections {
  const file = join(folder, 'report.json');
  if (!existsSync(file)) return {};
  return (JSON.parse(readFileSync(file, 'utf8')) as { sections: Sections }).sections;
}

/** Writes `report.json`, `report.md` and a file per chart. */
export function writeReport(folder: string, sections: Sections, order: readonly string[]): void {
  const sorted = Object.fromEntries(order.filter((name) => sections[name]).map((name) => [name, sections[name]!]));
  writeFileSync(join(folder, 'report.json'), `${JSON.stringify({ sections: sorted }, undefined, 1)}\n`);
  for (const chart of Object.values(sorted).flatMap(({ charts }) => charts)) {
    writeFileSync(join(folder, chartFile(chart)), drawChart(chart));
  }
  const all = Object.values(sorted);
  const bodies = all.map((section) => `${sectionMarkdown(section, '')}`);
  writeFileSync(
    join(folder, 'report.md'),
    `${['# Benches', '', headOf(all), '', aimsMarkdown(all), ...bodies].join('\n')}\n`,
  );
}

/** A part that was measured anew takes the place of what was found before; the rest stays. */
export function merged(before: Section | undefined, now: Section): Section {
  if (before === undefined) return now;
  const anew = new Map(now.tables.map((table) => [table.title, table]));
  const charts = new Set(now.charts.map(({ title }) => title));
  return {
    ...now,
    tables: [
      ...before.tables.map((table) => withRows(table, anew.get(table.title))),
      ...now.tables.filter(({ title }) => before.tables.every((table) => table.title !== title)),
    ],
    charts: [...before.charts.filter(({ title }) => !charts.has(title)), ...now.charts],
    facts: [...before.facts.filter(({ table }) => !anew.has(table)), ...now.facts],
    failures: [...before.failures, ...now.failures],
    raw: { ...before.raw, ...now.raw },
    taken: { ...now.taken, only: before.taken.only, seconds: before.taken.seconds + now.taken.seconds },
  };
}

/** Some tables are filled by several parts, so rows of parts that were not measured stay. */
function withRows(before: Table, now: Table | undefined): Table {
  if (now === undefined) return before;
  const anew = new Set(now.rows.map(([what]) => what));
  return { ...now, rows: [...before.rows.filter(([what]) => !anew.has(what ?? '')), ...now.rows] };
}

/** Machine, versions and settings; told once where all sections agree. */
export function headOf(sections: readonly Section[]): string {
  const machines = new Set(sections.flatMap(({ taken }) => taken.machine));
  const lines = [...machines].map((line) => `- ${line}`);
  const settings = new Set(sections.map(({ taken }) => describeRounds(taken)));
  lines.push(...[...settings].map((line) => `- ${line}`));
  const dates = sections.map(({ taken }) => taken.at).sort();
  const seconds = sections.reduce((sum, { taken }) => sum + taken.seconds, 0);
  lines.push(
    `- taken from ${dates[0]?.slice(0, 16)} to ${dates.at(-1)?.slice(0, 16)} UTC, in ${(seconds / 60).toFixed(1)} minutes`,
  );
  return lines.join('\n');
}

function describeRounds({ rounds, isQuick }: Section['taken']): string {
  const what =
    rounds === 1
      ? '1 round'
      : `${rounds} rounds, ${Math.max(1, rounds - 1)} where no aim hangs on it; interleaved; medians, ± half the distance of the extremes`;
  return `${what}${isQuick ? '; --quick: the figures are rough' : ''}`;
}

export function aimsMarkdown(sections: readonly Section[]): string {
  const tables = aimsTables(sections.flatMap(({ facts }) => facts));
  return tables.length === 0 ? '' : `## Aims\n\n${tables.map(tableMarkdown).join('\n')}\n`;
}

/** @param charts the folder of the charts, as it stands before their names in links */
export function sectionMarkdown({ title, tables, charts, failures, taken }: Section, chartFolder: string): string {
  const only = taken.only.length === 0 ? '' : `, only ${taken.only.join(', ')}`;
  const settings = `${describeRounds(taken)}${only}; ${(taken.seconds / 60).toFixed(1)} minutes until ${taken.at.slice(0, 16)}; ${taken.load}`;
  const parts = [`## ${title}`, '', `*${settings}*`, ''];
  if (failures.length > 0) parts.push('Not measured:', '', ...failures.map((failure) => `- ${failure}`), '');
  for (const table of tables) parts.push(tableMarkdown(table), '');
  for (const chart of charts) parts.push(`![${chart.title}](${chartFolder}${chartFile(chart)})`, '');
  return parts.join('\n');
}

/** The name of a chart's file. */
export function chartFile({ title }: Chart): string {
  return `${title.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}.svg`;
}

export function tableMarkdown({ title, columns, rows, notes }: Table): string {
  const widths = columns.map((column, index) =>
    Math.max(column.length, ...rows.map((row) => (row[index] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, index) => (index === 0 ? (cells[index] ?? '').padEnd(width) : (cells[index] ?? '').padStart(width))).join(' | ')} |`;
  const rule = `|${widths.map((width, index) => (index === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  const notesText = (notes ?? []).map((note) => `\n${note}\n`).join('');
  return `### ${title}\n\n${line(columns)}\n${rule}\n${rows.map(line).join('\n')}\n${notesText}`;
}
