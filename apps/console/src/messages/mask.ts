/** Fields that nobody is to see: they are taken out before anything looks at a record, so that no search can find out what was in them. */
import { fits } from '../api/roles.ts';
import { ConsoleError } from '../errors.ts';
import { numberOf, textOf } from './plain.ts';

/** Numbers as they are written, which JavaScript has and its types have not yet. */
const rawJson = JSON as typeof JSON & { rawJSON(text: string): unknown; isRawJSON(value: unknown): boolean };

/** Fields of the topics whose names fit a pattern. */
export interface MaskRule {
  /** `*` stands for any characters. */
  readonly topics: string;
  /**
   * Names of fields, whatever their case, at any depth; with dots, where they stand: `card.number`, be it a field of that name or one
   * within another. A header of that name is masked too. `$key` and `$value` are all of these.
   */
  readonly fields: readonly string[];
}

/** What stands where something is hidden. */
export const HIDDEN = '•••';
const HIDDEN_BYTES = Buffer.from(HIDDEN);
/** Beyond it nobody parses a value to hide what is in it: all of it is hidden. */
const PARSED_BYTES_MAX = 4 * 1024 * 1024;

/**
 * @throws ConsoleError `CONSOLE_MASK_INVALID` for a rule that could hide nothing
 */
export function checkMasks(rules: readonly MaskRule[]): void {
  for (const { topics, fields } of rules) {
    if (topics === '' || fields.length === 0) throw hidesNothing(`The mask of ${topics || 'no topics'} names nothing`);
    const none = fields.find((field) => field.split('.').some((name) => name.trim() === ''));
    if (none !== undefined) throw hidesNothing(`The mask of ${topics} has a field "${none}", in which a name is empty`);
  }
}

function hidesNothing(what: string): ConsoleError {
  return new ConsoleError(
    'CONSOLE_MASK_INVALID',
    `${what}: nothing would be hidden. Give names of fields, or paths such as card.number`,
  );
}

interface Maskable {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly rawKey: Buffer | null;
  readonly rawValue: Buffer | null;
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[];
  readonly isTransactional?: boolean | undefined;
}

/**
 * Reads bytes that a schema or a format says the meaning of as JSON; undefined where none does, null where one does by which they cannot be
 * read: they may hold anything.
 */
export type Decode = (bytes: Buffer) => string | null | undefined;

/** Hides fields of one topic's records. */
export class Mask {
  readonly #paths: readonly string[];

  private constructor(fields: readonly string[]) {
    this.#paths = fields.map((field) => field.toLowerCase());
  }

  /** Undefined where no rule is for the topic. */
  static of(rules: readonly MaskRule[], topic: string): Mask | undefined {
    const fields = rules.filter(({ topics }) => fits(topics, topic)).flatMap((rule) => rule.fields);
    return fields.length === 0 ? undefined : new Mask(fields);
  }

  /** The record without what nobody is to see; all else of it is as it was. */
  apply(record: Maskable, decode: Decode): Maskable {
    const headers = record.headers.map((header) => ({
      ...header,
      value: header.value === null ? null : this.#header(header.key, header.value, decode),
    }));
    const { partition, offset, timestamp, isTransactional } = record;
    return {
      ...{ partition, offset, timestamp, isTransactional },
      rawKey: record.rawKey === null ? null : this.#key(record.rawKey, decode),
      rawValue: record.rawValue === null ? null : this.#value(record.rawValue, decode),
      headers,
    };
  }

  /** Names may have dots of their own: where a path ends in what is named, however it is divided, that is hidden. */
  #isNamed(path: readonly string[]): boolean {
    const text = path.join('.');
    return this.#paths.some((wanted) => text === wanted || text.endsWith(`.${wanted}`));
  }

  #value(bytes: Buffer, decode: Decode): Buffer {
    return this.#isNamed(['$value']) ? HIDDEN_BYTES : this.#part(bytes, decode, { mayBeName: false });
  }

  #key(bytes: Buffer, decode: Decode): Buffer {
    return this.#isNamed(['$key']) ? HIDDEN_BYTES : this.#part(bytes, decode, { mayBeName: true });
  }

  #header(name: string, bytes: Buffer, decode: Decode): Buffer {
    return this.#isNamed([name.toLowerCase()]) ? HIDDEN_BYTES : this.#part(bytes, decode, { mayBeName: true });
  }

  /**
   * JSON with its fields hidden. Of what is none a key or a header is seen that is a name for the record, a text or a number; all else may
   * hold anything, and is hidden.
   */
  #part(bytes: Buffer, decode: Decode, { mayBeName }: { readonly mayBeName: boolean }): Buffer {
    if (bytes.length > PARSED_BYTES_MAX) return HIDDEN_BYTES;
    const decoded = decode(bytes);
    if (decoded === null) return HIDDEN_BYTES;
    const parsed = parsedJson(decoded ?? bytes.toString('utf8'));
    if (isNested(parsed)) return this.#json(parsed);
    const isName = decoded === undefined ? isPlain(bytes) : parsed !== undefined && !beginsAsJson(parsed);
    return mayBeName && isName ? bytes : HIDDEN_BYTES;
  }

  #json(parsed: object): Buffer {
    try {
      return Buffer.from(JSON.stringify(this.#hide(parsed, [])));
    } catch {
      // Nested deeper than anybody can go.
      return HIDDEN_BYTES;
    }
  }

  #hide(value: unknown, path: readonly string[]): unknown {
    if (!isNested(value)) return value;
    if (Array.isArray(value)) return value.map((each) => this.#hide(each, path));
    const shown = Object.entries(value).map(([name, each]) => {
      const there = [...path, name.toLowerCase()];
      return [name, this.#isNamed(there) ? HIDDEN : this.#hide(each, there)];
    });
    // From entries, so that a field called __proto__ is one.
    return Object.fromEntries(shown);
  }
}

/** Numbers that JavaScript cannot hold stay as they are written. */
function keepNumbers(_: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' && context?.source !== undefined ? rawJson.rawJSON(context.source) : value;
}

/** Undefined where it is no JSON, or nested deeper than anybody can go. */
function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text, keepNumbers);
  } catch {
    return undefined;
  }
}

/** Whether it has fields or items. */
function isNested(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !rawJson.isRawJSON(value);
}

/** A text that a person can read and that is not meant to be JSON, or a number. */
function isPlain(bytes: Buffer): boolean {
  const text = textOf(bytes);
  return text === undefined ? numberOf(bytes) !== undefined : !beginsAsJson(text);
}

/** JSON that cannot be read has fields all the same; it may be quoted, as a text within JSON. */
function beginsAsJson(value: unknown): boolean {
  return typeof value === 'string' && /^[\s\ufeff"\\]*[{[]/.test(value);
}
