import 'uplot/dist/uPlot.min.css';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import { number } from '../lib/format.ts';
import { useWords } from '../lib/settings.ts';

/** Looks that a chart keeps. */
const POINTS_MAX = 900;
const HEIGHT = 148;
/** Less than a minute is no time for a lag. */
const SPAN_S_MIN = 60;

/** The lag as it was seen since the page was opened. */
export default function LagChart({
  group,
  lag,
  label,
}: {
  group: string;
  lag: number | null;
  label: string;
}): ReactNode {
  const say = useWords();
  const [hasLine, setHasLine] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot>(null);
  const points = useRef<{ group: string; times: number[]; lags: (number | null)[] }>({ group, times: [], lags: [] });
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
        axes: [axis, axis],
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
    if (points.current.group !== group) points.current = { group, times: [], lags: [] };
    const { times, lags } = points.current;
    const add = (): void => {
      times.push(Date.now() / 1000);
      lags.push(lag);
      if (times.length > POINTS_MAX) {
        times.shift();
        lags.shift();
      }
      // One point is no line.
      setHasLine(lags.filter((each) => each !== null).length > 1);
      chart.current?.setData([times, lags]);
    };
    add();
    const timer = setInterval(add, 2000);
    return () => clearInterval(timer);
  }, [group, lag]);
  return (
    <div ref={box} className="chart" role="img" aria-label={`${label}: ${lag ?? '?'}`}>
      {!hasLine && <p className="note">{lag === null ? say('unknownLag') : say('lagToCome', { lag: number(lag) })}</p>}
    </div>
  );
}
