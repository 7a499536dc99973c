import type { Counter, Histogram, MetricLabels, Metrics } from '@millrace/broker';

/** Upper bounds of a histogram's buckets, in the unit of the metric; ours are all milliseconds. */
const BUCKETS: readonly number[] = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000,
];

/** Something that went on in a series so far, as a scrape reads it. */
export interface Sample {
  /** Put behind the metric's name (`_bucket`, `_sum`, `_count`), empty for counters and gauges. */
  readonly suffix: string;
  readonly labels: MetricLabels;
  readonly value: number;
}

/** A metric with all its series. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  samples(): Iterable<Sample>;
}

class CounterSeries implements Counter {
  readonly labels: MetricLabels;
  value = 0;

  constructor(labels: MetricLabels) {
    this.labels = labels;
  }

  add(amount: number): void {
    this.value += amount;
  }

  *samples(): Generator<Sample> {
    yield { suffix: '', labels: this.labels, value: this.value };
  }
}

class HistogramSeries implements Histogram {
  readonly labels: MetricLabels;
  /** The last place counts what is above all bounds. */
  readonly #counts = new Float64Array(BUCKETS.length + 1);
  #sum = 0;

  constructor(labels: MetricLabels) {
    this.labels = labels;
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < BUCKETS.length && value > BUCKETS[bucket]!) bucket += 1;
    this.#counts[bucket]! += 1;
    this.#sum += value;
  }

  *samples(): Generator<Sample> {
    let count = 0;
    for (let bucket = 0; bucket <= BUCKETS.length; bucket += 1) {
      count += this.#counts[bucket]!;
      const bound = BUCKETS[bucket];
      yield {
        suffix: '_bucket',
        labels: { ...this.labels, le: bound === undefined ? '+Inf' : String(bound) },
        value: count,
      };
    }
    yield { suffix: '_sum', labels: this.labels, value: this.#sum };
    yield { suffix: '_count', labels: this.labels, value: count };
  }
}

type Series = CounterSeries | HistogramSeries;

class Family<S extends Series> implements Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'histogram';
  readonly series = new Map<string, S>();

  constructor(name: string, help: string, type: 'counter' | 'histogram') {
    this.name = name;
    this.help = help;
    this.type = type;
  }

  *samples(): Generator<Sample> {
    for (const series of this.series.values()) yield* series.samples();
  }
}

/**
 * Keeps the broker's counters in plain numbers, so that counting costs an addition. Prometheus' own library is loaded when
 * somebody scrapes for the first time.
 */
export class MetricRegistry implements Metrics {
  readonly #metrics = new Map<string, Metric>();

  /** All metrics, in the order of their first mention. */
  get metrics(): Iterable<Metric> {
    return this.#metrics.values();
  }

  counter(name: string, help: string, labels: MetricLabels = {}): Counter {
    return this.#series(name, help, 'counter', labels, () => new CounterSeries(labels));
  }

  histogram(name: string, help: string, labels: MetricLabels = {}): Histogram {
    return this.#series(name, help, 'histogram', labels, () => new HistogramSeries(labels));
  }

  gauge(name: string, help: string, read: () => number | Iterable<readonly [MetricLabels, number]>): void {
    this.#metrics.set(name, {
      name,
      help,
      type: 'gauge',
      *samples() {
        const values = read();
        if (typeof values === 'number') yield { suffix: '', labels: {}, value: values };
        else for (const [labels, value] of values) yield { suffix: '', labels, value };
      },
    });
  }

  #series<S extends Series>(
    name: string,
    help: string,
    type: 'counter' | 'histogram',
    labels: MetricLabels,
    create: () => S,
  ): S {
    // One name has one type, and so one kind of series.
    let family = this.#metrics.get(name) as Family<S> | undefined;
    if (family === undefined) {
      family = new Family<S>(name, help, type);
      this.#metrics.set(name, family);
    }
    const key = JSON.stringify(Object.entries(labels).sort());
    let series = family.series.get(key);
    if (series === undefined) {
      series = create();
      family.series.set(key, series);
    }
    return series;
  }
}
