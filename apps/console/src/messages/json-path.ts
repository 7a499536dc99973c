/**
 * Searches by a path into JSON: `$.customer.id`, `$.items[*].sku = "a"`, `$..price > 10` in the value, `key.region = "eu"` in the key,
 * `headers.trace.id` in a header.
 */

import { refusalIn, type Said } from '../api/refusals.ts';

/** What is compared at the end of a path. */
type Comparison = '=' | '!=' | '>' | '>=' | '<' | '<=' | '~';

/** A step: a name, a place in a list, all of a level, or all that is below. */
type Step = { readonly name: string } | { readonly at: number } | 'all' | 'below';

/** Where a path begins. */
type Root = 'key' | 'value' | 'headers';

/** A path that has been read. */
export interface JsonPath {
  readonly root: Root;
  readonly steps: readonly Step[];
  readonly comparison: Comparison | undefined;
  readonly wanted: unknown;
}

/** A record as paths see it, its parts as text. */
export interface PathRecord {
  readonly key: string | null;
  readonly value: string | null;
  /** In their order; a name may be there several times. */
  readonly headers: readonly (readonly [name: string, value: string | null])[];
}

/** Values that a path may lead to in one message: beyond them the rest is not looked at. */
const REACHED_MAX = 100_000;

/** What a path may be made of. */
const PATH_CHARACTERS_MAX = 1000;

/** A path that cannot be read. */
export class PathFault extends SyntaxError {
  readonly said: Said;

  constructor(said: Said) {
    super(refusalIn('en', said));
    this.said = said;
  }
}

/** @throws PathFault with the place of what cannot be read */
export function parseJsonPath(text: string): JsonPath {
  const trimmed = text.trim();
  if (trimmed.length > PATH_CHARACTERS_MAX) throw new PathFault({ word: 'pathTooLong', values: {} });
  const [, part, path, comparison, wanted] =
    /^(?:\$?(key|value|headers)(?![^\s.[=!<>~])|\$)((?:[^=!<>~"]|"[^"]*")*?)\s*(?:(==?|!=|>=|<=|>|<|~)\s*(.*))?$/s.exec(
      trimmed,
    ) ?? [];
  if (path === undefined) throw new PathFault({ word: 'pathStart', values: {} });
  return {
    // One of the three that the expression takes.
    root: (part ?? 'value') as Root,
    steps: stepsOf(path),
    comparison: comparison === '==' ? '=' : (comparison as Comparison | undefined),
    wanted: comparison === undefined ? undefined : literalOf(wanted ?? ''),
  };
}

function stepsOf(path: string): Step[] {
  const steps: Step[] = [];
  const pattern =
    /\.\.(?=[\w$*["])|\.?\[(?:(\d+)|(\*)|"([^"]*)"|'([^']*)')\]|\.?(\*)|\.?"([^"]*)"|\.?([^\s.[\]"'*]+)/gy;
  while (pattern.lastIndex < path.length) {
    const from = pattern.lastIndex;
    const match = pattern.exec(path);
    if (match === null) throw new PathFault({ word: 'pathStep', values: { step: path.slice(from) } });
    const [whole, at, inList, quoted, single, star, other, name] = match;
    const named = quoted ?? single ?? other ?? name;
    if (whole === '..') steps.push('below');
    else if (at !== undefined) steps.push({ at: Number(at) });
    else if (inList !== undefined || star !== undefined) steps.push('all');
    else steps.push({ name: named ?? '' });
  }
  return steps;
}

/** JSON where it is some, and text without quotes else. */
function literalOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text.trim().replace(/^'(.*)'$/s, '$1');
  }
}

/** Headers on the way of a path: an object in which a name may stand for several values. */
class HeaderValues {
  readonly #pairs: readonly (readonly [name: string, value: unknown])[];

  constructor(headers: PathRecord['headers']) {
    this.#pairs = headers.map(([name, text]) => [name, text === null ? null : jsonOrText(text)]);
  }

  all(): unknown[] {
    return this.#pairs.map(([, value]) => value);
  }

  named(wanted: string): unknown[] {
    return this.#pairs.filter(([name]) => name === wanted).map(([, value]) => value);
  }
}

/** Whether the path leads to something in the record that compares as it should; without a comparison, to anything. */
export function matchesJsonPath(path: JsonPath, record: PathRecord): boolean {
  let reached = beginning(path.root, record);
  for (const step of path.steps) {
    if (reached.length === 0) return false;
    reached = reached.flatMap((each) => taken(step, each)).slice(0, REACHED_MAX);
  }
  const values = reached.flatMap((each) => (each instanceof HeaderValues ? each.all() : [each]));
  const { comparison } = path;
  if (comparison === undefined) return values.length > 0;
  return values.some((each) => compares(each, comparison, path.wanted));
}

/** A key or a header is often a text of its own; a value that is no JSON has no paths. */
function beginning(root: Root, { key, value, headers }: PathRecord): unknown[] {
  if (root === 'headers') return [new HeaderValues(headers)];
  if (root === 'key') return key === null ? [] : [jsonOrText(key)];
  try {
    return value === null ? [] : [JSON.parse(value)];
  } catch {
    return [];
  }
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function taken(step: Step, value: unknown): unknown[] {
  if (step === 'below') return below(value);
  if (value instanceof HeaderValues) return takenOfHeaders(step, value);
  if (typeof value !== 'object' || value === null) return [];
  if (step === 'all') return Object.values(value);
  if ('at' in step) return Array.isArray(value) && step.at < value.length ? [value[step.at]] : [];
  // What a prototype has is nothing of the message's.
  return Object.hasOwn(value, step.name) ? [(value as Record<string, unknown>)[step.name]] : [];
}

function takenOfHeaders(step: Exclude<Step, 'below'>, headers: HeaderValues): unknown[] {
  if (step === 'all') return headers.all();
  return 'at' in step ? headers.all().slice(step.at, step.at + 1) : headers.named(step.name);
}

/** The value with all that is in it, at any depth. */
function below(value: unknown): unknown[] {
  const all: unknown[] = [value];
  for (let i = 0; i < all.length && all.length < REACHED_MAX; i += 1) {
    const each = all[i];
    if (typeof each !== 'object' || each === null) continue;
    for (const inner of each instanceof HeaderValues ? each.all() : Object.values(each)) all.push(inner);
  }
  return all;
}

function compares(value: unknown, comparison: Comparison, wanted: unknown): boolean {
  if (comparison === '~') return textOf(value).toLowerCase().includes(textOf(wanted).toLowerCase());
  if (comparison === '=') return isSame(value, wanted);
  if (comparison === '!=') return !isSame(value, wanted);
  const order = orderOf(value, wanted);
  if (order === undefined) return false;
  if (comparison === '>') return order > 0;
  if (comparison === '>=') return order >= 0;
  return comparison === '<' ? order < 0 : order <= 0;
}

function isSame(value: unknown, wanted: unknown): boolean {
  return typeof value === 'object' ? JSON.stringify(value) === JSON.stringify(wanted) : value === wanted;
}

function orderOf(a: unknown, b: unknown): number | undefined {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return typeof a === 'string' && typeof b === 'string' ? (a < b ? -1 : a > b ? 1 : 0) : undefined;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
