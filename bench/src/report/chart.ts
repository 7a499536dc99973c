/** Draws lines as SVG, without anything but text: a report is to be read in a browser and on a code host alike. */
import type { Chart } from '../bench.ts';
import { si } from './statistics.ts';

const WIDTH = 720;
const HEIGHT = 360;
const LEFT = 70;
const RIGHT = 190;
const TOP = 40;
const BOTTOM = 50;
const TICKS = 5;
const COLOURS = ['#1f6feb', '#d1242f', '#1a7f37', '#9a6700', '#8250df', '#57606a'];

export function drawChart(chart: Chart): string {
  const points = chart.series.flatMap((series) => series.points);
  const xs = points.map(([x]) => (chart.logX === true ? Math.log10(x) : x));
  const xMin = Math.min(...xs);
  const xMax = Math.max(...xs, xMin + Number.EPSILON);
  const yMax = niceCeiling(Math.max(...points.map(([, y]) => y)));
  const atX = (x: number): number => {
    const value = chart.logX === true ? Math.log10(x) : x;
    return LEFT + ((value - xMin) / (xMax - xMin || 1)) * (WIDTH - LEFT - RIGHT);
  };
  const atY = (y: number): number => HEIGHT - BOTTOM - (y / yMax) * (HEIGHT - TOP - BOTTOM);

  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    text(WIDTH / 2, 20, chart.title, 'middle', 'font-weight="bold"'),
    text((WIDTH + LEFT - RIGHT) / 2, HEIGHT - 12, chart.x, 'middle'),
    `<text transform="translate(14 ${HEIGHT / 2}) rotate(-90)" text-anchor="middle">${escapeXml(chart.y)}</text>`,
  ];
  for (let tick = 0; tick <= TICKS; tick++) {
    const value = (yMax / TICKS) * tick;
    const y = atY(value).toFixed(1);
    lines.push(`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}" stroke="#d0d7de"/>`);
    lines.push(text(LEFT - 6, Number(y) + 4, si(value), 'end'));
  }
  for (const x of new Set(points.map(([value]) => value))) {
    lines.push(text(atX(x), HEIGHT - BOTTOM + 18, si(x), 'middle'));
  }
  chart.series.forEach(({ name, points: own }, index) => {
    const colour = COLOURS[index % COLOURS.length]!;
    const path = own.map(([x, y]) => `${atX(x).toFixed(1)},${atY(y).toFixed(1)}`);
    lines.push(`<polyline points="${path.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const point of path) {
      const [x, y] = point.split(',');
      lines.push(`<circle cx="${x}" cy="${y}" r="3" fill="${colour}"/>`);
    }
    const y = TOP + 10 + index * 20;
    lines.push(`<rect x="${WIDTH - RIGHT + 12}" y="${y - 9}" width="10" height="10" fill="${colour}"/>`);
    lines.push(text(WIDTH - RIGHT + 28, y, name, 'start'));
  });
  lines.push('</svg>');
  return `${lines.join('\n')}\n`;
}

/** The next of 1, 2, 5 times a power of ten. */
function niceCeiling(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 5, 10].find((each) => each * power >= value) ?? 10;
  return factor * power;
}

function text(x: number, y: number, content: string, anchor: string, more = ''): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" ${more}>${escapeXml(content)}</text>`;
}

function escapeXml(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
