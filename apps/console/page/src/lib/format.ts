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
