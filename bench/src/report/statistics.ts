/** Several rounds of one figure as a reader wants them: the median, and how far the rounds lie apart. */

/** The middle of the values; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/**
 * How many times as much each round shows: what a round measures lies close together in time, so that its ratio is of one and the same machine, which a
 * ratio of medians is not. Rounds that only one of both has are left out.
 */
export function ratios(values: readonly number[], of: readonly number[]): number[] {
  return values.slice(0, of.length).map((value, round) => value / of[round]!);
}

/** The distance of the lowest and the highest value, as a share of the median. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values);
}

/**
 * The median with its spread: `1.23 M ±8%`; half the distance of the extremes counts to either side. Where the median is zero there
 * is nothing to take a share of: `0.000 to 1.20`.
 */
export function summarize(values: readonly number[], format: (value: number) => string): string {
  if (values.length === 0) return '-';
  const middle = format(median(values));
  if (Math.min(...values) === Math.max(...values)) return middle;
  if (median(values) === 0) return `${middle} to ${format(Math.max(...values))}`;
  return `${middle} ±${Math.round(50 * spread(values))}%`;
}

/** `1.23 M`, `45.6 k`, `789`. */
export function si(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const size = Math.abs(value);
  if (size >= 999_500_000) return `${digits(value / 1e9)} G`;
  if (size >= 999_500) return `${digits(value / 1e6)} M`;
  if (size >= 9_995) return `${digits(value / 1e3)} k`;
  return digits(value);
}

/** `1.23 GB/s`, `456 MB/s`. */
export function bytesRate(bytesPerSecond: number): string {
  const text = si(bytesPerSecond);
  return `${text}${text.includes(' ') ? '' : ' '}B/s`;
}

/** Three digits that count. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const size = Math.abs(value);
  if (size >= 99.95) return value.toFixed(0);
  if (size >= 9.995) return value.toFixed(1);
  return size >= 0.9995 ? value.toFixed(2) : value.toFixed(3);
}

/** The median of what each round shows: `×3.4`. */
export function timesByRound(values: readonly number[], of: readonly number[]): string {
  return times(median(ratios(values, of)), 1);
}

/** How many times as much `value` is: `×3.4`. */
export function times(value: number, of: number): string {
  return `×${digits(value / of)}`;
}

export function percent(share: number): string {
  if (!Number.isFinite(share)) return '-';
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)}%`;
}
