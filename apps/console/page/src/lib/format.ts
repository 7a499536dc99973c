/** Numbers, sizes and times as people read them. */
const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 });

export const number = (value: number): string => whole.format(value);

/** Short where it is long: 1.2M. */
export const brief = (value: number): string => (value < 100_000 ? whole.format(value) : short.format(value));

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function bytes(value: number | undefined): string {
  if (value === undefined) return '–';
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${size < 10 && unit > 0 ? size.toFixed(1) : Math.round(size)} ${UNITS[unit] ?? ''}`;
}

const pad = (value: number, to = 2): string => String(value).padStart(to, '0');

/** In the reader's zone, in one width, sortable by eye. */
export function localTime(ms: number): string {
  if (ms < 0) return '–';
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return String(ms);
  const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
  return `${day} ${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}.${pad(at.getMilliseconds(), 3)}`;
}

export function utcTime(ms: number): string {
  const at = new Date(ms);
  return ms < 0 || Number.isNaN(at.getTime()) ? '–' : at.toISOString();
}

/** In the shape of local times, and with the mark of UTC. */
export function utcClock(ms: number): string {
  return utcTime(ms).replace('T', ' ');
}

const SPANS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
] as const;

/** A span of time in the largest unit that holds it whole, or nearly. */
function span(ms: number): string {
  const [unit, size] = SPANS.find(([, each]) => ms >= each) ?? ['ms', 1];
  const value = Math.round((ms / size) * 10) / 10;
  return `${value * size === ms ? '' : '≈ '}${whole.format(Math.trunc(value))}${value % 1 === 0 ? '' : `.${Math.round((value % 1) * 10)}`} ${unit}`;
}

/** The largest number that Kafka has: never, or without an end. */
const LONGEST = '9223372036854775807';

/** What the number of a config means, where its name says the unit; undefined for what is short anyhow. */
export function meaningOf(name: string, value: string): string | undefined {
  if (value === LONGEST || (value === '-1' && /(^|\.)retention\.(ms|bytes)$/.test(name))) return '∞';
  if (!/^\d{4,15}$/.test(value)) return undefined;
  if (name.endsWith('.ms')) return span(Number(value));
  return name.endsWith('.bytes') ? bytes(Number(value)) : undefined;
}
