/** Label values of one series, such as `{ topic: 'orders' }`. */
export type MetricLabels = Readonly<Record<string, string>>;

/** A count that only grows. */
export interface Counter {
  add(amount: number): void;
}

/** A distribution, in the unit that its name ends with. */
export interface Histogram {
  observe(value: number): void;
}

/**
 * Where the broker's core reports what it does. Counters and histograms are handed out once per series and kept by the
 * caller, so that the hot path pays for an addition and no look-up; gauges are read when somebody asks.
 *
 * Names and labels follow Kafka's exporters (`kafka_server_brokertopicmetrics_messagesin_total`), so that dashboards fit.
 */
export interface Metrics {
  counter(name: string, help: string, labels?: MetricLabels): Counter;
  histogram(name: string, help: string, labels?: MetricLabels): Histogram;
  /** Registers a gauge that is read by calling `read`: one value, or one per label set. */
  gauge(name: string, help: string, read: () => number | Iterable<readonly [MetricLabels, number]>): void;
}

const nothing = { add: (): void => {}, observe: (): void => {} };

/** Counts nothing; for tests and for brokers that nobody watches. */
export const noMetrics: Metrics = { counter: () => nothing, histogram: () => nothing, gauge: () => {} };
