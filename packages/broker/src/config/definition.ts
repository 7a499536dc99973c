/** The types of Kafka's `ConfigDef`, with the ids that DescribeConfigs carries. */
export const CONFIG_TYPE_ID = {
  BOOLEAN: 1,
  STRING: 2,
  INT: 3,
  SHORT: 4,
  LONG: 5,
  DOUBLE: 6,
  LIST: 7,
  CLASS: 8,
  PASSWORD: 9,
} as const;

export type ConfigType = keyof typeof CONFIG_TYPE_ID;

/** What a value of a config can be once it is parsed. A Java `Long.MAX_VALUE` is `Infinity`. */
export type ConfigValue = boolean | number | string | readonly string[];

/** Whether and at which level a broker config can be changed while the broker runs (KIP-226). */
export type UpdateMode = 'read-only' | 'per-broker' | 'cluster-wide';

/** Whether configs are set for one broker or for all. */
export type BrokerConfigLevel = 'broker' | 'default';

/** One config: what Kafka's `ConfigDef.define` states. `Value` is `null`-able where the config has no default. */
export interface ConfigDefinition<Value extends ConfigValue | null = ConfigValue | null> {
  readonly type: ConfigType;
  readonly defaultValue: Value;
  /** What is wrong with a parsed value, in Kafka's words; undefined when nothing is. */
  readonly check: (value: ConfigValue) => string | undefined;
  readonly updateMode: UpdateMode;
  readonly documentation: string;
  /** The type that Kafka gives it, where it is read as another here. */
  readonly describedType?: ConfigType;
  /** Known to Kafka, and not described to clients. */
  readonly isInternal?: boolean;
}

/** A table of configs by Kafka's names. */
export type ConfigTable = Readonly<Record<string, ConfigDefinition>>;

/** `log.segment.bytes` -> `logSegmentBytes`. */
export type CamelCase<Name extends string> = Name extends `${infer Head}.${infer Rest}`
  ? `${Head}${Capitalize<CamelCase<Rest>>}`
  : Name;

/** The typed values of a table's configs, under their names in camel case. */
export type ConfigValues<Table extends ConfigTable> = {
  readonly [Name in keyof Table & string as CamelCase<Name>]: Table[Name] extends ConfigDefinition<infer Value>
    ? Value
    : never;
};

export function camelCase(name: string): string {
  return name.replace(/\.(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** What a definition may say beside its type, default and meaning. */
interface Extras {
  readonly check?: (value: ConfigValue) => string | undefined;
  readonly updateMode?: UpdateMode;
  readonly describedType?: ConfigType;
  readonly isInternal?: boolean;
}

const anything = (): undefined => undefined;

function define<Value extends ConfigValue | null>(
  type: ConfigType,
  defaultValue: Value,
  documentation: string,
  extras: Extras = {},
): ConfigDefinition<Value> {
  return { type, defaultValue, documentation, check: anything, updateMode: 'read-only', ...extras };
}

type Builder<Value extends ConfigValue> = {
  (defaultValue: Value, documentation: string, extras?: Extras): ConfigDefinition<Value>;
  (defaultValue: null, documentation: string, extras?: Extras): ConfigDefinition<Value | null>;
};

/** The builders return what `define` returns; the overloads only tell a missing default from a present one. */
function builder<Value extends ConfigValue>(type: ConfigType): Builder<Value> {
  return ((defaultValue: Value | null, documentation: string, extras?: Extras) =>
    define(type, defaultValue, documentation, extras)) as Builder<Value>;
}

export const boolean: Builder<boolean> = builder<boolean>('BOOLEAN');
export const string: Builder<string> = builder<string>('STRING');
export const int: Builder<number> = builder<number>('INT');
export const short: Builder<number> = builder<number>('SHORT');
export const long: Builder<number> = builder<number>('LONG');
export const double: Builder<number> = builder<number>('DOUBLE');
export const list: Builder<readonly string[]> = builder<readonly string[]>('LIST');
export const className: Builder<string> = builder<string>('CLASS');
export const password: Builder<string> = builder<string>('PASSWORD');

/** `ConfigDef.Range.atLeast`. */
export function atLeast(min: number): (value: ConfigValue) => string | undefined {
  return (value) => (typeof value === 'number' && value < min ? `Value must be at least ${min}` : undefined);
}

/** `ConfigDef.Range.between`. */
export function between(min: number, max: number): (value: ConfigValue) => string | undefined {
  return (value) => {
    if (typeof value !== 'number') return undefined;
    if (value < min) return `Value must be at least ${min}`;
    return value > max ? `Value must be no more than ${max}` : undefined;
  };
}

/** `ConfigDef.ValidString` for strings and `ConfigDef.ValidList` for lists. */
export function oneOf(...allowed: readonly string[]): (value: ConfigValue) => string | undefined {
  return (value) => {
    const values = Array.isArray(value) ? (value as readonly string[]) : [String(value)];
    return values.every((each) => allowed.includes(each)) ? undefined : `String must be one of: ${allowed.join(', ')}`;
  };
}

/** Whether DescribeConfigs hides the value. */
export function isSensitive(definition: ConfigDefinition | undefined): boolean {
  // Kafka hides what it does not know as well, because it might be a secret (`KafkaConfig.maybeSensitive`).
  return definition === undefined || definition.type === 'PASSWORD';
}
