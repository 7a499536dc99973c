import { InvalidArgumentError } from 'commander';

/** Arguments of options as values, for commander, which puts the option's name before what is thrown here. */

const PORT_MAX = 65_535;

export function port(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > PORT_MAX) throw new InvalidArgumentError(`It is a number from 0 to ${PORT_MAX}.`);
  return value;
}

export function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError('It is a whole number of at least 1.');
  }
  return value;
}

/** A whole number with bounds that the protocol, or what it is for, sets. */
export function countWithin(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It is a whole number from ${least} to ${most}.`);
  };
}

/** The protocol has numbers of partitions in 32 bits, and numbers of replicas in 16. */
export const partitionCount: (text: string) => number = countWithin(1, 2 ** 31 - 1);
export const replicaCount: (text: string) => number = countWithin(1, 2 ** 15 - 1);

/** A broker of a local cluster is a process of some 85 MiB, on cores that all share. */
const LOCAL_BROKERS_MAX = 32;

export function localBrokers(text: string): number {
  const value = count(text);
  if (value > LOCAL_BROKERS_MAX) {
    throw new InvalidArgumentError(`At most ${LOCAL_BROKERS_MAX} run on one machine; each is a process of its own.`);
  }
  return value;
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^[-+]?\d+$/.test(text) || !Number.isSafeInteger(value)) throw new InvalidArgumentError('It is a whole number.');
  return value;
}

export function natural(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError('It is a whole number of at least 0.');
  }
  return value;
}

/** `0`, `0,3` or `0-5`; may be repeated. */
export function partitions(text: string, previous: readonly number[] | undefined): number[] {
  const found = new Set(previous);
  for (const part of text.split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part.trim());
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (match === null || last < first || last - first > PARTITIONS_MAX) {
      throw new InvalidArgumentError('Partitions are given as 0 or 0,3 or 0-5.');
    }
    for (let each = first; each <= last; each += 1) found.add(each);
  }
  return [...found].sort((a, b) => a - b);
}

/** More in one range is a slip of the fingers. */
const PARTITIONS_MAX = 100_000;

/** `name=value`; may be repeated. */
export function assignment(text: string, previous: readonly Assignment[] | undefined): Assignment[] {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It is given as name=value.');
  return [...(previous ?? []), [text.slice(0, at).trim(), text.slice(at + 1)]];
}

/** The same where each name has one value: of two, it would be luck which one counts. */
export function setting(text: string, previous: readonly Assignment[] | undefined): Assignment[] {
  const all = assignment(text, previous);
  const [name] = all.at(-1)!;
  if (all.findIndex(([each]) => each === name) < all.length - 1) {
    throw new InvalidArgumentError(`${name} is given twice.`);
  }
  return all;
}

/** A name with its value. */
export type Assignment = readonly [name: string, value: string];

/** Texts that are collected; for options that may be repeated. */
export function texts(text: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), text];
}

/** A name where two would say two things, and only one can hold. */
export function one(text: string, previous: string | undefined): string {
  if (previous !== undefined && previous !== text) {
    throw new InvalidArgumentError(`It was given as '${previous}' already; give one at a time.`);
  }
  return text;
}

/** `orders,bills`; may be repeated. */
export function names(text: string, previous: readonly string[] | undefined): string[] {
  const found = text.split(',').map((name) => name.trim());
  if (found.includes('')) throw new InvalidArgumentError('Names are divided by commas.');
  return [...(previous ?? []), ...found];
}

/** `1,2,3` or `1-3`; may be repeated. */
export function brokers(text: string, previous: readonly number[] | undefined): number[] {
  try {
    return partitions(text, previous);
  } catch {
    throw new InvalidArgumentError('Brokers are given by id as 1,2,3 or 1-3.');
  }
}

const BYTE_UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1000,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

/** `1048576`, `10MB` or `10MiB`, also with `/s`: bytes, at least one. */
export function bytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmg]?i?b)?(?:\/s)?$/i.exec(text);
  const value = Math.round(Number(match?.[1]) * (BYTE_UNITS[(match?.[2] ?? 'b').toLowerCase()] ?? Number.NaN));
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('It is given in bytes, as 1048576, 10MB or 10MiB.');
  }
  return value;
}

/** A single duration as `parseDuration` reads it. */
export function duration(text: string): number {
  const value = parseDuration(text);
  if (value === undefined) {
    throw new InvalidArgumentError('It is given as 500ms, 30s, 5m, 2h, 7d or PT1H30M; a number alone is seconds.');
  }
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('It is longer than can be counted in milliseconds.');
  return value;
}

/** What a unit may be called, in lower case. */
const UNITS: readonly { readonly ms: number; readonly names: readonly string[] }[] = [
  { ms: 1, names: ['ms', 'msec', 'msecs', 'milli', 'millis', 'millisecond', 'milliseconds'] },
  { ms: 1000, names: ['s', 'sec', 'secs', 'second', 'seconds'] },
  { ms: 60_000, names: ['m', 'min', 'mins', 'minute', 'minutes'] },
  { ms: 3_600_000, names: ['h', 'hr', 'hrs', 'hour', 'hours'] },
  { ms: 86_400_000, names: ['d', 'day', 'days'] },
  { ms: 604_800_000, names: ['w', 'week', 'weeks'] },
];
const UNIT_MS = new Map(UNITS.flatMap(({ ms, names }) => names.map((name) => [name, ms] as const)));

function msOf(unit: string): number {
  return UNIT_MS.get(unit) ?? Number.NaN;
}

/** `30s`, `1h30m`, `500ms`, `2 minutes`, ISO 8601's `P1DT2H`, or a bare number of seconds, in milliseconds; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  if (/^\d+(?:\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  if (/^-?P/i.test(text)) return parseIsoDuration(text);
  const parts = /^(?:\d+(?:\.\d+)?\s*[a-z]+\s*)+$/i.test(text) ? text.matchAll(/(\d+(?:\.\d+)?)\s*([a-z]+)/gi) : [];
  let total: number | undefined;
  for (const [, amount, unit] of parts) {
    const ms = UNIT_MS.get(unit!.toLowerCase());
    if (ms === undefined) return undefined;
    total = (total ?? 0) + Number(amount) * ms;
  }
  return total === undefined ? undefined : Math.round(total);
}

const ISO_DURATION = /^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/i;

/** Without years and months, whose length depends on the calendar; as `java.time.Duration`, which Kafka's tools use. */
function parseIsoDuration(text: string): number | undefined {
  const match = ISO_DURATION.exec(text);
  if (match === null || /[PT]$/i.test(text)) return undefined;
  const [weeks, days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0));
  return Math.round(
    weeks! * msOf('w') + days! * msOf('d') + hours! * msOf('h') + minutes! * msOf('m') + seconds! * msOf('s'),
  );
}

/** A moment as ISO 8601 or as milliseconds since the Unix epoch; undefined for anything else. */
export function parseMoment(text: string): number | undefined {
  if (/^\d{9,}$/.test(text)) return Number(text);
  if (!/^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s*(?:Z|[+-]\d{2}:?\d{2})?)?$/.test(text)) {
    return undefined;
  }
  // Without a zone Kafka's tools mean UTC; Date.parse does so for a bare date only.
  const zoned = /(?:Z|[+-]\d{2}:?\d{2})$/.test(text.slice(10)) || text.length === 10 ? text : `${text}Z`;
  const ms = Date.parse(zoned.replace(' ', 'T').replace(',', '.').replace(/\s+/g, ''));
  // Date.parse takes the 30th of February for the 2nd of March.
  const isDay = new Date(`${text.slice(0, 10)}T00:00:00Z`).getUTCDate() === Number(text.slice(8, 10));
  return Number.isNaN(ms) || !isDay ? undefined : ms;
}

export function moment(text: string): number {
  const value = parseMoment(text);
  if (value === undefined) {
    throw new InvalidArgumentError('It is given as 2026-03-01T12:00:00Z or in milliseconds since 1970.');
  }
  return value;
}
