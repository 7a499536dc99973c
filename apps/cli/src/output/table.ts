import { stripVTControlCharacters } from 'node:util';
import type { Paint } from './paint.ts';
import { paintFor } from './paint.ts';

/** A column of a table. */
export interface Column {
  readonly header: string;
  /** Numbers are easier to compare when they end below each other. `left` by default. */
  readonly align?: 'left' | 'right' | undefined;
}

const GAP = '  ';
const EMPTY = '-';

/**
 * Lines text up in columns. An empty cell is shown as `-`, so that every line has as many words as the header and scripts
 * that cut columns find them.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  paint: Paint = paintFor(false),
): string {
  const cells = rows.map((row) => columns.map((_, index) => row[index] || EMPTY));
  const widths = columns.map(({ header }, index) =>
    cells.reduce((width, row) => Math.max(width, displayWidth(row[index]!)), displayWidth(header)),
  );
  const line = (texts: readonly string[], painted: (text: string) => string): string =>
    texts
      .map((text, index) => {
        const padding = ' '.repeat(widths[index]! - displayWidth(text));
        return columns[index]!.align === 'right' ? padding + painted(text) : painted(text) + padding;
      })
      .join(GAP)
      .trimEnd();
  const header = line(
    columns.map((column) => column.header),
    (text) => paint.bold(text),
  );
  return [header, ...cells.map((row) => line(row, (text) => text))].join('\n');
}

/** Names with their values, the values below each other. */
export function renderPairs(pairs: readonly (readonly [name: string, value: string])[], paint: Paint): string {
  const width = Math.max(...pairs.map(([name]) => displayWidth(name)));
  return pairs
    .map(([name, value]) => `${paint.dim(name)}${' '.repeat(width - displayWidth(name))}${GAP}${value || EMPTY}`)
    .join('\n');
}

// East Asian wide and full-width characters, and emoji, take two columns of a terminal.
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\p{Emoji}\ufe0f/u;
const INVISIBLE = /^[\p{Mn}\p{Cf}]*$/u;
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** How many columns of a terminal a text takes. */
export function displayWidth(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  let width = 0;
  // What is seen as one character may be several: a family of emoji, a letter with its accents.
  for (const { segment } of graphemes.segment(stripVTControlCharacters(text))) {
    if (!INVISIBLE.test(segment)) width += WIDE.test(segment) ? 2 : 1;
  }
  return width;
}
