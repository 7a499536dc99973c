/** Holds a run against the figures in bench/README.md, the last that were stored: by ratios, since machines differ from day to day. */
import type { Table } from '../bench.ts';
import { digits } from './statistics.ts';

/** What aims are judged by, one by one; the table stands in reports and in the README alike. */
export const RATIOS_TITLE = 'The same, load by load';

/** Two runs on one machine lie as far apart as this though nothing has changed. */
const NOISE_MIN = 0.15;
/** However far the rounds lay apart: what halves is told. */
const NOISE_MAX = 0.5;
const COLUMNS = ['aim', 'load', 'ours', 'the other', 'reached'] as const;

/** One ratio of ours to another's, with half the distance of its rounds' extremes as a share of it. */
interface Ratio {
  readonly name: string;
  readonly value: number;
  readonly spread: number;
}

/** What became of one ratio since the figures were stored. */
export interface Change {
  readonly name: string;
  readonly stored: number;
  readonly now: number;
  /** By how much of the stored ratio two runs may differ by their spreads alone. */
  readonly noise: number;
  readonly verdict: 'worse' | 'better' | 'within the noise';
}

/** The changes of all ratios that stand in both reports, as they are written in Markdown. */
export function changesSince(stored: string, now: string): readonly Change[] {
  const before = new Map(ratiosIn(stored).map((ratio) => [ratio.name, ratio]));
  return ratiosIn(now).flatMap((ratio) => {
    const known = before.get(ratio.name);
    return known === undefined ? [] : [changeOf(known, ratio)];
  });
}

function changeOf(stored: Ratio, now: Ratio): Change {
  const noise = Math.min(NOISE_MAX, Math.max(NOISE_MIN, stored.spread + now.spread));
  const factor = now.value / stored.value;
  const verdict = factor < 1 - noise ? 'worse' : factor > 1 + noise ? 'better' : 'within the noise';
  return { name: stored.name, stored: stored.value, now: now.value, noise, verdict };
}

/** The worse ones first, since nobody looks further than what has become worse. */
export function changesTable(changes: readonly Change[]): Table {
  const order = ['worse', 'better', 'within the noise'];
  const sorted = changes.toSorted((a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict));
  return {
    title: 'Against the figures of bench/README.md',
    columns: ['what', 'stored', 'now', 'change', 'noise', ''],
    rows: sorted.map(({ name, stored, now, noise, verdict }) => [
      name,
      `×${digits(stored)}`,
      `×${digits(now)}`,
      `${Math.round((now / stored - 1) * 100)}%`,
      `±${Math.round(noise * 100)}%`,
      verdict === 'worse' ? '**worse**' : verdict,
    ]),
    notes: [
      'Ratios of ours to the other in the same run; above 1 is in our favour. Noise: the spreads of both runs together.',
    ],
  };
}

function ratiosIn(markdown: string): readonly Ratio[] {
  const lines = markdown.split('\n');
  const title = lines.findIndex((line) => /^#+ /.test(line) && line.endsWith(` ${RATIOS_TITLE}`));
  if (title === -1) return [];
  const from = lines.findIndex((line, index) => index > title && line.startsWith('|'));
  const length = lines.slice(from).findIndex((line) => !line.startsWith('|'));
  const [head, , ...rows] = lines.slice(from, length === -1 ? undefined : from + length).map(cellsOf);
  const [aim, load, ours, other, reached] = COLUMNS.map((column) => head?.indexOf(column) ?? -1);
  return rows.flatMap((row) => {
    const parts = [row[aim!], row[load!], brokerOf(row[ours!] ?? ''), nameOf(row[other!] ?? '')];
    return ratioOf(parts.filter((part) => part !== '').join('; '), row[reached!] ?? '');
  });
}

function cellsOf(line: string): readonly string[] {
  return line
    .slice(1, -1)
    .split('|')
    .map((cell) => cell.trim());
}

/** Which of our client's ways was the fastest may change; which broker was measured is another row. */
function brokerOf(ours: string): string {
  return ours.startsWith('millrace ') ? '' : nameOf(ours);
}

/** `kafkajs 173 k/s` is of kafkajs. */
function nameOf(cell: string): string {
  return cell.replace(/ [\d.]+(?: [kMG])?(?:\/s| B\/s|B\/s| ms| MB)$/, '');
}

function ratioOf(name: string, reached: string): readonly Ratio[] {
  const [, factor, percents, spread] = /^(?:×([\d.]+)|([\d.]+)%)(?: ±(\d+)%)?$/.exec(reached) ?? [];
  const value = factor === undefined ? Number(percents) / 100 : Number(factor);
  return Number.isFinite(value) && value > 0 ? [{ name, value, spread: Number(spread ?? 0) / 100 }] : [];
}
