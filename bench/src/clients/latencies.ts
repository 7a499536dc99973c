/** Latencies as they come, to three digits, at a cost that does not grow with their number. */
import { build } from 'hdr-histogram-js';
import type { LatencyResult } from './jobs.ts';

const US_MAX = 60_000_000;

export class Latencies {
  readonly #histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: US_MAX,
    numberOfSignificantValueDigits: 3,
  });

  add(ms: number): void {
    this.#histogram.recordValue(Math.min(Math.max(Math.round(ms * 1000), 1), US_MAX));
  }

  /** In milliseconds. */
  at(percentile: number): number {
    return this.#histogram.getValueAtPercentile(percentile) / 1000;
  }

  result(lagP99: number, records: number, cpuMs: number, brokerCpuMs: number): LatencyResult {
    const max = this.#histogram.maxValue / 1000;
    return { p50: this.at(50), p99: this.at(99), p999: this.at(99.9), max, lagP99, records, cpuMs, brokerCpuMs };
  }
}
