import type { ConfigDefinition, ConfigType, ConfigValue } from './definition.ts';

const LONG_MAX = 2n ** 63n - 1n;
const LONG_MIN = -(2n ** 63n);
const BOUNDS: Readonly<Partial<Record<ConfigType, readonly [bigint, bigint]>>> = {
  SHORT: [-(2n ** 15n), 2n ** 15n - 1n],
  INT: [-(2n ** 31n), 2n ** 31n - 1n],
  LONG: [LONG_MIN, LONG_MAX],
};

/** A value of a config, or why the text is none, in Kafka's words (`ConfigException`). */
export type ParsedValue = { readonly value: ConfigValue } | { readonly fault: string };

/** Reads the text of a config's value. Blanks around it do not count. */
export function parseConfigValue(name: string, definition: ConfigDefinition, text: string): ParsedValue {
  const trimmed = definition.type === 'PASSWORD' ? text : text.trim();
  const value = convert(definition.type, trimmed);
  const fault = value instanceof Fault ? value.text : definition.check(value);
  if (fault === undefined) return { value: value as ConfigValue };
  return { fault: `Invalid value ${shownValue(definition.type, value, trimmed)} for configuration ${name}: ${fault}` };
}

/** The value in an error: as Java writes doubles, once it is known to be one. */
function shownValue(type: ConfigType, value: ConfigValue | Fault, text: string): string {
  if (type === 'PASSWORD') return '[hidden]';
  return type === 'DOUBLE' && typeof value === 'number' ? formatConfigValue(type, value) : text;
}

/** The text of a value, as Java's `ConfigDef.convertToString` gives it. */
export function formatConfigValue(type: ConfigType, value: ConfigValue): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  if (typeof value !== 'number') return value.join(',');
  if (type === 'DOUBLE') return doubleText(String(value));
  return value === Number.POSITIVE_INFINITY ? String(LONG_MAX) : String(value);
}

/** As Java writes doubles: `5.0`, `1.7976931348623157E308`. */
function doubleText(text: string): string {
  if (text.includes('e')) return text.replace('e+', 'E').replace('e', 'E');
  return text.includes('.') ? text : `${text}.0`;
}

class Fault {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

function convert(type: ConfigType, text: string): ConfigValue | Fault {
  switch (type) {
    case 'BOOLEAN':
      return toBoolean(text);
    case 'INT':
    case 'SHORT':
    case 'LONG':
      return toInteger(type, text);
    case 'DOUBLE':
      return toDouble(text);
    case 'LIST':
      return text === '' ? [] : text.split(',').map((part) => part.trim());
    case 'STRING':
    case 'CLASS':
    case 'PASSWORD':
      return text;
  }
}

function toBoolean(text: string): boolean | Fault {
  const lower = text.toLowerCase();
  if (lower === 'true') return true;
  return lower === 'false' ? false : new Fault('Expected value to be either true or false');
}

function toInteger(type: ConfigType, text: string): number | Fault {
  if (!/^[+-]?\d+$/.test(text)) return new Fault(`Not a number of type ${type}`);
  const exact = BigInt(text.replace(/^\+/, ''));
  const [min, max] = BOUNDS[type] ?? [LONG_MIN, LONG_MAX];
  if (exact < min || exact > max) return new Fault(`Not a number of type ${type}`);
  if (exact === LONG_MAX) return Number.POSITIVE_INFINITY;
  const value = Number(exact);
  // Between 2^53 and the largest long lie 285,000 years in milliseconds and 8 EiB: "without limit" is what is meant.
  return Number.isSafeInteger(value) ? value : value > 0 ? Number.POSITIVE_INFINITY : Number.MIN_SAFE_INTEGER;
}

function toDouble(text: string): number | Fault {
  const value = Number(text);
  return text === '' || Number.isNaN(value) ? new Fault('Not a number of type DOUBLE') : value;
}
