/** A span of versions, both ends included; empty where `max < min`. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

export const noVersions: Range = { min: 0, max: -1 };

/** Reads `'3'`, `'1-4'`, `'2+'` or `'none'`. */
export function parseRange(text: string): Range {
  if (text === 'none') return noVersions;
  const match = /^(\d+)(?:(\+)|-(\d+))?$/.exec(text);
  if (match === null) throw new Error(`"${text}" is no version range; write it as 3, 1-4, 2+ or none.`);
  const min = Number(match[1]);
  if (match[2] === '+') return { min, max: Number.POSITIVE_INFINITY };
  return { min, max: match[3] === undefined ? min : Number(match[3]) };
}

export function intersect(a: Range, b: Range): Range {
  const range = { min: Math.max(a.min, b.min), max: Math.min(a.max, b.max) };
  return isEmpty(range) ? noVersions : range;
}

/** The smallest range that holds both. */
export function hull(a: Range, b: Range): Range {
  if (isEmpty(a)) return b;
  if (isEmpty(b)) return a;
  return { min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) };
}

export function isEmpty(range: Range): boolean {
  return range.max < range.min;
}

export function includes(range: Range, version: number): boolean {
  return version >= range.min && version <= range.max;
}

export function covers(range: Range, other: Range): boolean {
  return range.min <= other.min && range.max >= other.max;
}

export function printRange(range: Range, within: Range): string {
  if (range.max >= within.max) return `${range.min}+`;
  return range.min === range.max ? `${range.min}` : `${range.min}-${range.max}`;
}

/** The condition under which version `v`, known to be in `within`, is in `range`. `'true'` and `'false'` are constants. */
export function condition(range: Range, within: Range): string {
  const common = intersect(range, within);
  if (isEmpty(common)) return 'false';
  const parts: string[] = [];
  if (common.min > within.min) parts.push(`v >= ${common.min}`);
  if (common.max < within.max) parts.push(`v <= ${common.max}`);
  return parts.length === 0 ? 'true' : parts.join(' && ');
}
