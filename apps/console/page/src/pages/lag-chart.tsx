import 'uplot/dist/uPlot.min.css';
import { type ReactNode, useEffect, useRef } from 'react';
import uPlot from 'uplot';
import type { LagPoint } from '../../../src/api/contract.ts';
import { brief, localTime, number } from '../lib/format.ts';
import { useWords } from '../lib/settings.ts';
import { COUNT_STEPS } from '../lib/steps.ts';

const HEIGHT = 148;
/** Less than a minute is no time for a lag. */
const SPAN_S_MIN = 60;

/** Times are one line under the chart. */
const CLOCKS_HEIGHT = 30;
/** Of one, with some room beside it. */
const CLOCK_WIDTH = 84;
/** Room for the longest count beside it: 98,000 and 999.9M. */
const COUNTS_WIDTH = 62;
const DAY_S = 86_400;

/** Times of the axis as everywhere else: the clock, with the day where there are several. */
function clocks(_: uPlot, at: number[]): string[] {
  const isLong = (at.at(-1) ?? 0) - (at[0] ?? 0) > DAY_S;
  return at
    .map((seconds) => localTime(seconds * 1000))
    .map((time) => (isLong ? time.slice(5, 16) : time.slice(11, 19)));
}

/** The lag as the console has seen it since somebody first looked at the group. */
export default function LagChart({
  points,
  lag,
  label,
}: {
  points: readonly LagPoint[];
  lag: number | null;
  label: string;
}): ReactNode {
  const say = useWords();
  // One point is no line.
  const hasLine = points.filter((point) => point.lag !== null).length > 1;
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot>(null);
  useEffect(() => {
    const at = box.current;
    if (at === null) return;
    const style = getComputedStyle(at);
    const axis = { stroke: style.color, grid: { stroke: style.borderTopColor, width: 1 }, ticks: { show: false } };
    const made = new uPlot(
      {
        width: at.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false },
        scales: {
          x: { range: (_, min, max) => [Math.min(min, max - SPAN_S_MIN), max] },
          y: { range: (_, __, max) => [0, Math.max(4, max * 1.1)] },
        },
        axes: [
          { ...axis, values: clocks, size: CLOCKS_HEIGHT, space: CLOCK_WIDTH },
          { ...axis, values: (_, at) => at.map(brief), incrs: [...COUNT_STEPS], size: COUNTS_WIDTH },
        ],
        series: [{}, { stroke: style.accentColor, width: 2, points: { show: false }, label }],
      },
      [[], []],
      at,
    );
    chart.current = made;
    const watcher = new ResizeObserver(() => made.setSize({ width: at.clientWidth, height: HEIGHT }));
    watcher.observe(at);
    return () => {
      watcher.disconnect();
      made.destroy();
    };
  }, [label]);
  useEffect(() => {
    chart.current?.setData([points.map(({ at }) => at / 1000), points.map((point) => point.lag)]);
  }, [points]);
  return (
    <div ref={box} className="chart" role="img" aria-label={`${label}: ${lag ?? '?'}`}>
      {!hasLine && <p className="note">{lag === null ? say('unknownLag') : say('lagToCome', { lag: number(lag) })}</p>}
    </div>
  );
}
