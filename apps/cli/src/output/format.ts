/** Values as people read them. Pure functions; scripts get the values themselves with `--json`. */

const THOUSANDS = /\B(?=(\d{3})+(?!\d))/g;

/** `5168` as `5,168`. */
export function formatCount(count: number): string {
  return String(Math.round(count)).replace(THOUSANDS, ',');
}

/** A count with its noun: `1 record`, `5,168 records`. */
export function counted(count: number, noun: string, plural: string = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : plural}`;
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;
const BYTE_STEP = 1024;

/** Bytes in the unit that leaves one to four digits: `349.7 KiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= BYTE_STEP && unit < BYTE_UNITS.length - 1) {
    value /= BYTE_STEP;
    unit += 1;
  }
  return `${unit === 0 || Math.abs(value) >= 100 ? Math.round(value) : value.toFixed(1)} ${BYTE_UNITS[unit]}`;
}

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** A duration with two units at most: `480 ms`, `2.1 s`, `3 min 5 s`, `7 d`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < SECOND_MS) return `${Math.round(durationMs)} ms`;
  // What rounds to the next unit belongs there: 59.96 s is a minute.
  if (durationMs < MINUTE_MS - 50) return `${trimZero((durationMs / SECOND_MS).toFixed(1))} s`;
  const whole = Math.round(durationMs / SECOND_MS) * SECOND_MS;
  if (whole < HOUR_MS) return twoUnits(whole, MINUTE_MS, 'min', SECOND_MS, 's');
  if (whole < DAY_MS) return twoUnits(whole, HOUR_MS, 'h', MINUTE_MS, 'min');
  return twoUnits(whole, DAY_MS, 'd', HOUR_MS, 'h');
}

function twoUnits(ms: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % large) / small);
  const first = `${Math.floor(ms / large)} ${largeName}`;
  return rest === 0 ? first : `${first} ${rest} ${smallName}`;
}

function trimZero(text: string): string {
  return text.endsWith('.0') ? text.slice(0, -2) : text;
}

/** A timestamp of a record in ISO 8601 (UTC); `-` where the record has none. */
export function formatTimestamp(timestampMs: number): string {
  if (timestampMs < 0) return '-';
  const date = new Date(timestampMs);
  // Records may carry any number; those beyond the calendar are shown as they are.
  return Number.isNaN(date.getTime()) ? String(timestampMs) : date.toISOString();
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Text from a cluster, safe to print: what could steer a terminal is shown as an escape. */
export function printable(text: string): string {
  return text.replace(CONTROL, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
  });
}

const RANGE_MIN = 3;

/** Sorted numbers with runs drawn together: `0-5, 8, 9`. */
export function formatRanges(numbers: readonly number[]): string {
  const sorted = [...numbers].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let start = 0; start < sorted.length; ) {
    let end = start;
    while (sorted[end + 1] === sorted[end]! + 1) end += 1;
    if (end - start + 1 >= RANGE_MIN) parts.push(`${sorted[start]}-${sorted[end]}`);
    else parts.push(...sorted.slice(start, end + 1).map(String));
    start = end + 1;
  }
  return parts.join(', ');
}

/** `orders 0-2; payments 0`, in the order that they come in. */
export function listPartitions(partitions: readonly { readonly topic: string; readonly partition: number }[]): string {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of partitions) topics.set(topic, [...(topics.get(topic) ?? []), partition]);
  return [...topics].map(([topic, numbers]) => `${topic} ${formatRanges(numbers)}`).join('; ');
}
