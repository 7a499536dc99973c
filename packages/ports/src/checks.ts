/**
 * Checks of what a program hands over: options, records, arguments of calls. A table names what there may be and what each must be
 * like, so that a slip of the pen, or a name that another client uses, is an error at the call instead of silence.
 */
import { nearestName } from './nearest.ts';

/** What one value must be like. */
export interface ValueRule {
  /** Goes on after "must be": `a whole number from 0 to 9`. */
  readonly expects: string;
  accepts(value: unknown): boolean;
  /** Whether it must be there. A value that is not required may be undefined. */
  readonly required?: boolean;
}

/** The rules of an object's fields: a table that the compiler holds to the type. */
export type FieldRules<T> = { readonly [Name in keyof Required<T>]: ValueRule };

/** An object that a program hands over. */
export interface Shape {
  /** What it is, as the message names it: `option of a producer`, `field of a record`. */
  readonly noun: string;
  readonly fields: Readonly<Record<string, ValueRule>>;
  /** Names that other clients use for what is done in another way here, each with what to do. */
  readonly foreign?: Readonly<Record<string, string>>;
}

/**
 * What is wrong with an object: a name that the shape does not have, or a value that its rule does not take. Undefined where nothing is.
 *
 * @param place where the object stands in what was handed over, such as `topics[2]`; put in front of its fields' names
 */
export function faultOf(given: unknown, shape: Shape, place: string = ''): string | undefined {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    return `${place === '' ? holderOf(shape) : place} must be an object, not ${shown(given)}`;
  }
  if (isHiding(given, shape)) {
    return `${place === '' ? holderOf(shape) : place} must be an object of names and values, not ${shown(given)}`;
  }
  const prefix = place === '' ? '' : `${place}.`;
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(shape.fields, name) || (given as Record<string, unknown>)[name] === undefined) continue;
    return `${prefix}${name} is no ${shape.noun}${hintFor(name, shape)}`;
  }
  for (const [name, rule] of Object.entries(shape.fields)) {
    const fault = valueFault((given as Record<string, unknown>)[name], rule, `${prefix}${name}`);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** What is wrong with one value; undefined where nothing is. */
export function valueFault(value: unknown, rule: ValueRule, name: string): string | undefined {
  if (value === undefined && rule.required !== true) return undefined;
  if (rule.accepts(value)) return undefined;
  return `${name} must be ${rule.expects}, not ${shown(value)}${textHint(value)}${numberHint(value, rule)}`;
}

/** `a record` of `field of a record`, `the options of run()` of `option of run()`. */
function holderOf({ noun }: Shape): string {
  return noun.startsWith('option of ')
    ? `the options of ${noun.slice('option of '.length)}`
    : noun.replace(/^field of /, '');
}

function hintFor(name: string, shape: Shape): string {
  if (shape.foreign !== undefined && Object.hasOwn(shape.foreign, name)) return `: ${shape.foreign[name]}`;
  const nearest = nearestName(name, Object.keys(shape.fields));
  return nearest === undefined ? ` (there are ${Object.keys(shape.fields).join(', ')})` : `; did you mean ${nearest}?`;
}

/** Half of a character is no text that can be sent: it would be another one at its end, in silence. */
function textHint(value: unknown): string {
  if (typeof value !== 'string' || value.isWellFormed()) return '';
  return ': it holds half of a character (a lone surrogate), which no encoding carries';
}

/** Other clients have text, bigints or dates where a number is wanted here: they are told what they would be. */
function numberHint(value: unknown, rule: ValueRule): string {
  // Whole, and yet no offset: the next one above is the same number.
  if (Number.isInteger(value) && (value as number) > Number.MAX_SAFE_INTEGER && rule.accepts(Number.MAX_SAFE_INTEGER)) {
    return ': it is beyond 2^53 - 1, up to which numbers are exact';
  }
  if (value instanceof Date) return rule.accepts(value.getTime()) ? ': give date.getTime()' : '';
  const isText = typeof value === 'string' && value.trim() !== '';
  if (!isText && typeof value !== 'bigint') return '';
  return rule.accepts(Number(value)) ? `: give the number ${Number(value)}` : '';
}

const SHOWN_LENGTH_MAX = 60;

/** A value as a message names it: what it is, and as much of it as helps. Never throws, whatever the value. */
export function shown(value: unknown): string {
  if (value === undefined || value === null || typeof value === 'number' || typeof value === 'boolean') {
    return `${value}`;
  }
  if (typeof value === 'string') return `'${readable(cut(value))}' (a string)`;
  if (typeof value === 'bigint') return `${cut(String(value))}n (a bigint)`;
  if (typeof value === 'symbol') return 'a symbol';
  if (typeof value === 'function') return 'a function';
  try {
    return shownObject(value as object);
  } catch {
    // A proxy or a getter may throw whatever is asked of it.
    return 'an object that cannot be looked at';
  }
}

function shownObject(value: object): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (isPromise(value)) return 'a promise (await it first)';
  if (value instanceof Date) return `a Date (its time is ${value.getTime()})`;
  const name: unknown = value.constructor?.name;
  return `an object of class ${typeof name === 'string' && name !== '' ? cut(name) : 'Object'}`;
}

function cut(text: string): string {
  return text.length <= SHOWN_LENGTH_MAX ? text : `${text.slice(0, SHOWN_LENGTH_MAX)}...`;
}

/** With halves of characters as escapes: as they are they would be shown as something else. */
function readable(text: string): string {
  return text.replace(/\p{Surrogate}/gu, (half) => `\\u${half.charCodeAt(0).toString(16)}`);
}

/**
 * Whether an object holds what it holds under names of its own, so that going through them leaves out nothing. A Map, a Set, the Headers
 * of fetch, a Date hold it elsewhere: taken for an object of names they would be empty, in silence.
 */
export function holdsByName(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // Not by its class alone: another realm, such as a test's, has an Object of its own.
  if (prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null) return true;
  return !(Symbol.iterator in value) && Object.keys(value).length > 0;
}

/** Whether what an object holds cannot be what the shape asks for: taken for one without a field, it would be passed over in silence. */
function isHiding(given: object, { fields }: Shape): boolean {
  if (holdsByName(given)) return false;
  // Getters of a class, such as settings that are read when they are asked for, are fields as good as others; a Map's `size` is none.
  const isField = (name: string): boolean => (given as Record<string, unknown>)[name] !== undefined;
  return Symbol.iterator in given || !Object.keys(fields).some(isField);
}

/** Whether something has to be awaited. */
export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/** The largest number of most fields of the protocol. */
export const INT32_MAX: number = 2 ** 31 - 1;

/** `true` or `false`. */
export const aBoolean: ValueRule = { expects: 'true or false', accepts: (value) => typeof value === 'boolean' };

/** Whatever can be called. */
export const aFunction: ValueRule = { expects: 'a function', accepts: (value) => typeof value === 'function' };

/** Text that is not empty, and the same after it was sent. */
export const someText: ValueRule = {
  expects: 'text that is not empty',
  accepts: (value) => value !== '' && anyText.accepts(value),
};

/** What stops a call. */
export const anAbortSignal: ValueRule = {
  expects: 'an AbortSignal',
  // Not by its class: another realm, such as a test's, has one of its own.
  accepts: (value) => typeof value === 'object' && value !== null && 'aborted' in value,
};

/** Text, which may be empty, and is the same after it was sent. */
export const anyText: ValueRule = {
  expects: 'text',
  accepts: (value) => typeof value === 'string' && value.isWellFormed(),
};

/** An array, whatever is in it. */
export const aList: ValueRule = { expects: 'an array', accepts: Array.isArray };

/** Any value; for what another check looks at. */
export const anything: ValueRule = { expects: 'anything', accepts: () => true };

/** A whole number from `min` to `max`, both of them included; `max` is {@link INT32_MAX} by default. */
export function wholeNumber(min: number, max: number = INT32_MAX): ValueRule {
  const to = max === Number.MAX_SAFE_INTEGER ? ` of at least ${min}` : ` from ${min} to ${max}`;
  return {
    expects: `a whole number${to}`,
    accepts: (value) => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
  };
}

/** A time that is waited, in whole milliseconds; no timer and no field of the protocol takes more than 2^31-1. */
export function milliseconds(min: number = 0): ValueRule {
  const rule = wholeNumber(min);
  return { ...rule, expects: `${rule.expects} (milliseconds)` };
}

/** A time that is waited and may be for ever: milliseconds, or Infinity. */
export function millisecondsOrInfinity(min: number = 0): ValueRule {
  return orInfinity(milliseconds(min));
}

/** The same rule, or Infinity. */
export function orInfinity(rule: ValueRule): ValueRule {
  return {
    expects: `${rule.expects} or Infinity`,
    accepts: (value) => value === Number.POSITIVE_INFINITY || rule.accepts(value),
  };
}

/** One of these values and no other. */
export function oneOf(...values: readonly (string | number)[]): ValueRule {
  const listed = values.map((value) => (typeof value === 'string' ? `'${value}'` : String(value)));
  return { expects: listed.join(', '), accepts: (value) => values.includes(value as string | number) };
}

/** An object that has these methods, such as a serializer or a logger. */
export function objectWith(...methods: readonly string[]): ValueRule {
  return {
    expects: `an object with ${methods.map((method) => `${method}()`).join(', ')}`,
    accepts: (value) =>
      // Callable objects serve as well: some loggers are functions with methods.
      (typeof value === 'object' || typeof value === 'function') &&
      value !== null &&
      methods.every((method) => typeof (value as Record<string, unknown>)[method] === 'function'),
  };
}

/** The same rule for a value that must be there. */
export function required(rule: ValueRule): ValueRule {
  return { ...rule, required: true };
}

/** The same rule, or null. */
export function orNull(rule: ValueRule): ValueRule {
  return { ...rule, expects: `${rule.expects} or null`, accepts: (value) => value === null || rule.accepts(value) };
}
