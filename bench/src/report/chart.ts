/** Draws lines as SVG, without anything but text: a report is to be read in a browser and on a code host, in light and in dark. */
import type { Chart } from '../bench.ts';
import { si } from './statistics.ts';

const WIDTH = 760;
const HEIGHT = 380;
const LEFT = 80;
const RIGHT = 30;
const TOP = 70;
const BOTTOM = 55;
const TICKS = 5;

/** Told apart by those who do not see colours alike (Okabe and Ito), and by their marks. */
const COLOURS = ['#2f81f7', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
const MARKS = ['circle', 'square', 'diamond'] as const;
const MARK_SIZE = 4.5;
const LEGEND_CHAR_WIDTH = 7;

const STYLE = `.paper{fill:#ffffff}.ink{fill:#1f2328}.grid{stroke:#d0d7de}
@media (prefers-color-scheme: dark){.paper{fill:#0d1117}.ink{fill:#e6edf3}.grid{stroke:#3d444d}}`;

/** One axis: where a value lies, and where lines and numbers go. */
interface Axis {
  readonly ticks: readonly number[];
  at(value: number): number;
}

export function drawChart(chart: Chart): string {
  const points = chart.series
    .flatMap((series) => series.points)
    .filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  if (points.length === 0) return emptyChart(chart.title);
  const xs = [...new Set(points.map(([x]) => x))].sort((a, b) => a - b);
  const x = scale(xs, chart.logX ?? true, [xs[0]!, xs.at(-1)!], [LEFT + 20, WIDTH - RIGHT - 20]);
  const ys = points.map(([, y]) => y);
  const y = chart.logY === true ? logAxis(ys) : linearAxis(ys);
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="13">`,
    `<title>${escapeXml(chart.title)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect class="paper" width="${WIDTH}" height="${HEIGHT}"/>`,
    text(WIDTH / 2, 24, chart.title, 'middle', 'font-weight="bold" font-size="15"'),
    text(
      (WIDTH + LEFT - RIGHT) / 2,
      HEIGHT - 10,
      `${chart.x}${(chart.logX ?? true) ? ' (logarithmic)' : ''}`,
      'middle',
    ),
    `<text class="ink" transform="translate(18 ${(HEIGHT + TOP - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escapeXml(`${chart.y}${chart.logY === true ? ' (logarithmic)' : ''}`)}</text>`,
  ];
  for (const tick of y.ticks) {
    const at = y.at(tick).toFixed(1);
    lines.push(`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/>`);
    lines.push(text(LEFT - 8, Number(at) + 4, label(tick), 'end'));
  }
  for (const tick of x.ticks) {
    const at = x.at(tick).toFixed(1);
    lines.push(`<line class="grid" x1="${at}" x2="${at}" y1="${HEIGHT - BOTTOM}" y2="${HEIGHT - BOTTOM + 5}"/>`);
    const unit = chart.x.startsWith('bytes') ? bytesLabel(tick) : label(tick);
    lines.push(text(Number(at), HEIGHT - BOTTOM + 19, unit, 'middle'));
  }
  let legendX = LEFT;
  chart.series.forEach(({ name, points: own }, index) => {
    const colour = COLOURS[index % COLOURS.length]!;
    const places = own
      .filter(([, value]) => Number.isFinite(value))
      .map(([at, value]) => [x.at(at), y.at(value)] as const);
    const path = places.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(' ');
    lines.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2.5"/>`);
    for (const [px, py] of places) lines.push(mark(px, py, index, colour));
    lines.push(mark(legendX + 6, 46, index, colour));
    lines.push(text(legendX + 18, 50, name, 'start'));
    legendX += 40 + name.length * LEGEND_CHAR_WIDTH;
  });
  lines.push('</svg>');
  return `${lines.join('\n')}\n`;
}

function emptyChart(title: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} 60"><title>${escapeXml(title)}</title><style>${STYLE}</style><rect class="paper" width="${WIDTH}" height="60"/>${text(WIDTH / 2, 34, `${title}: nothing was measured`, 'middle')}</svg>\n`;
}

function scale(
  ticks: readonly number[],
  isLog: boolean,
  [from, to]: readonly [number, number],
  [start, end]: readonly [number, number],
): Axis {
  const on = (value: number): number => (isLog ? Math.log10(value) : value);
  const length = on(to) - on(from) || 1;
  return { ticks, at: (value) => start + ((on(value) - on(from)) / length) * (end - start) };
}

function linearAxis(values: readonly number[]): Axis {
  const max = niceCeiling(Math.max(...values));
  const ticks = Array.from({ length: TICKS + 1 }, (_, tick) => (max / TICKS) * tick);
  return scale(ticks, false, [0, max], [HEIGHT - BOTTOM, TOP]);
}

/** From a power of ten to a power of ten, with 2 and 5 in between where there are few. */
function logAxis(values: readonly number[]): Axis {
  const positive = values.filter((value) => value > 0);
  const from = Math.floor(Math.log10(Math.min(...positive)));
  const to = Math.max(Math.ceil(Math.log10(Math.max(...positive))), from + 1);
  const steps = to - from <= 2 ? [1, 2, 5] : [1];
  const ticks = Array.from({ length: to - from }, (_, power) =>
    steps.map((step) => step * 10 ** (from + power)),
  ).flat();
  return scale([...ticks, 10 ** to], true, [10 ** from, 10 ** to], [HEIGHT - BOTTOM, TOP]);
}

/** The next of 1, 2, 3, 4, 5, 8 times a power of ten. */
function niceCeiling(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 3, 4, 5, 8].find((each) => each * power >= value) ?? 10) * power;
}

/** A round number without the zeros that say how exact a figure is. */
function label(value: number): string {
  const [number = '', ...unit] = si(value).split(' ');
  return [number.includes('.') ? number.replace(/\.?0+$/, '') : number, ...unit].join(' ');
}

function bytesLabel(bytes: number): string {
  return bytes < 1024 ? `${label(bytes)} B` : `${label(bytes / 1024)} KiB`;
}

function mark(x: number, y: number, index: number, colour: string): string {
  const size = MARK_SIZE;
  const at = `fill="${colour}"`;
  switch (MARKS[index % MARKS.length]) {
    case 'square':
      return `<rect x="${(x - size).toFixed(1)}" y="${(y - size).toFixed(1)}" width="${2 * size}" height="${2 * size}" ${at}/>`;
    case 'diamond':
      return diamond(x, y, size * 1.3, at);
    default:
      return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${size}" ${at}/>`;
  }
}

function text(x: number, y: number, content: string, anchor: string, more = ''): string {
  return `<text class="ink" x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" ${more}>${escapeXml(content)}</text>`;
}

function diamond(x: number, y: number, radius: number, attributes: string): string {
  const r = radius.toFixed(1);
  return `<path d="M${x.toFixed(1)} ${(y - radius).toFixed(1)} l${r} ${r} l-${r} ${r} l-${r} -${r} z" ${attributes}/>`;
}

function escapeXml(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
