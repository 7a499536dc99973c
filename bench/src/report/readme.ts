/** Puts the figures of a report into bench/README.md, between two marks, so that nobody copies numbers by hand. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawChart } from './chart.ts';
import { aimsMarkdown, chartFile, headOf, type Sections, sectionMarkdown } from './report.ts';

const README = join(import.meta.dirname, '../../README.md');
const CHARTS = 'charts';
const BEGIN = '<!-- figures: written by `pnpm bench report --readme` -->';
const END = '<!-- end of figures -->';

/** The figures that are stored, as Markdown. */
export function readFigures(): string {
  return readFileSync(README, 'utf8');
}

export function writeReadme(sections: Sections): void {
  const text = readFileSync(README, 'utf8');
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin === -1 || end < begin) throw new Error(`${README} has no place for figures: the marks ${BEGIN} and ${END}`);
  const charts = join(README, '..', CHARTS);
  rmSync(charts, { recursive: true, force: true });
  mkdirSync(charts);
  const all = Object.values(sections);
  for (const chart of all.flatMap((section) => section.charts))
    writeFileSync(join(charts, chartFile(chart)), drawChart(chart));
  const bodies = all.map((section) => {
    const markdown = sectionMarkdown(section, `${CHARTS}/`).replace(/^## .*\n/, '');
    return `<details>\n<summary>${section.title}</summary>\n${markdown}\n</details>\n`;
  });
  const figures = [BEGIN, '', headOf(all), '', aimsMarkdown(all).replaceAll(/^(#+) /gm, '$1# '), ...bodies].join('\n');
  writeFileSync(README, `${text.slice(0, begin)}${figures}\n${text.slice(end)}`);
}
