import { type BrokerConfig, brokerConfigNames, type ParsedBrokerConfig, parseBrokerConfig } from './broker-config.ts';
import { brokerConfigTable } from './broker-definitions.ts';
import type { BrokerConfigLevel, ConfigDefinition } from './definition.ts';
import {
  isChangeableOfListener,
  isListenerSecret,
  isUnheededSecurity,
  listenerChangeFault,
} from './listener-changes.ts';
import { isListenerSetting } from './listener-security.ts';
import { reconfigurationFault } from './reconfiguration.ts';
import { asksForNothing, refusalOf } from './refused-settings.ts';
import type { ConfigProperties } from './topic-config.ts';
import { formatConfigValue, parseConfigValue } from './values.ts';

/** Where a value comes from, with the ids that DescribeConfigs carries (`ConfigSource`). */
export const CONFIG_SOURCE = {
  TOPIC_CONFIG: 1,
  DYNAMIC_BROKER_CONFIG: 2,
  DYNAMIC_DEFAULT_BROKER_CONFIG: 3,
  STATIC_BROKER_CONFIG: 4,
  DEFAULT_CONFIG: 5,
  DYNAMIC_BROKER_LOGGER_CONFIG: 6,
} as const;

/** One of the places where a config has a value. */
export interface ConfigSynonym {
  readonly name: string;
  readonly value: string;
  readonly source: number;
}

/** Broker configs that mean the same in different units, the strongest first (`DynamicBrokerConfig.brokerConfigSynonyms`). */
const SYNONYM_GROUPS: readonly (readonly string[])[] = [
  ['log.roll.ms', 'log.roll.hours'],
  ['log.roll.jitter.ms', 'log.roll.jitter.hours'],
  ['log.retention.ms', 'log.retention.minutes', 'log.retention.hours'],
];

/** What came of settings that were set, or set no more, while the broker runs. */
export interface DynamicChange {
  /** The names of those whose value may have changed. */
  readonly changed: readonly string[];
  /** The names of those that are set and do not hold: this broker knows them, and cannot change them while it runs, or cannot read their values. */
  readonly unheeded: readonly string[];
}

/** Counts of threads, which change by half or double at most (`DynamicThreadPool`, `DataPlaneAcceptor`, `LogCleaner`). */
const THREAD_COUNTS = [
  'num.io.threads',
  'num.network.threads',
  'num.replica.fetchers',
  'num.recovery.threads.per.data.dir',
  'background.threads',
  'log.cleaner.threads',
] as const;

/** The defaults as text; configs without a default are not in it. */
const defaultProperties: ConfigProperties = Object.fromEntries(
  brokerConfigNames.flatMap((name) => {
    const definition = definitionOf(name);
    return definition === undefined || definition.defaultValue === null
      ? []
      : [[name, formatConfigValue(definition.type, definition.defaultValue)]];
  }),
);

/**
 * A broker's settings with those that were changed while it runs: for this broker, for all brokers, from the file, by default,
 * the strongest first (KIP-226).
 */
export class DynamicConfig {
  readonly #static: BrokerConfig;
  readonly #properties: Record<BrokerConfigLevel, ConfigProperties> = { broker: {}, default: {} };
  #current: BrokerConfig;

  constructor(config: BrokerConfig) {
    this.#static = config;
    this.#current = config;
  }

  /** The settings that hold now. A change makes a new object. */
  get current(): BrokerConfig {
    return this.#current;
  }

  /** What was set dynamically at a level. */
  properties(level: BrokerConfigLevel): ConfigProperties {
    return this.#properties[level];
  }

  /** Takes over what is now set at a level. */
  replace(level: BrokerConfigLevel, properties: ConfigProperties): DynamicChange {
    const before = this.#properties[level];
    const names = new Set([...Object.keys(before), ...Object.keys(properties)]);
    const touched = [...names].filter((name) => before[name] !== properties[name]);
    if (touched.length === 0) return { changed: [], unheeded: [] };
    this.#properties[level] = properties;
    this.#current = this.#merged(this.#properties).config;
    return {
      changed: touched.filter((name) => !isUnheeded(name, before[name]) || !isUnheeded(name, properties[name])),
      unheeded: touched.filter((name) => this.#isLost(name, properties[name])),
    };
  }

  /** Whether a value is set that does not hold: not here, and not as it is in the file. */
  #isLost(name: string, text: string | undefined): boolean {
    return text !== undefined && isUnheeded(name, text) && this.#static.properties[name] !== text;
  }

  /** Of what is set for this broker, the names of what would secure a Kafka broker's listeners and does not secure these. */
  unheededSecurity(properties: ConfigProperties): readonly string[] {
    return Object.entries(properties).flatMap(([name, text]) => {
      const isSecurity = isUnheededSecurity(name, this.#static.endpoints) && !asksForNothing(name, text);
      if (!isSecurity || !this.#isLost(name, text)) return [];
      // It lies in the store encoded, and what the file has is somebody's word on the same.
      const isSetAnew = name.endsWith('sasl.jaas.config') && this.#static.properties[name] !== undefined;
      return isSetAnew ? [] : [name];
    });
  }

  /**
   * What is wrong with the settings that this broker would have with other properties at a level, in Kafka's words; undefined when
   * nothing is (`DynamicBrokerConfig.validate`).
   */
  updateFault(level: BrokerConfigLevel, properties: ConfigProperties): string | undefined {
    const secret = Object.keys(properties).find(isListenerSecret);
    if (secret !== undefined && !this.#static.passwordEncoderSecret) {
      return `${secret} is a secret, and would lie in the metadata store as it is: set password.encoder.secret in the file of settings, and start the broker again. It is encoded with that.`;
    }
    const next = { ...this.#properties, [level]: properties };
    const { config, problems } = this.#merged(next);
    const [problem] = problems;
    if (problem !== undefined) return `requirement failed: ${problem.message}`;
    const fault = this.#threadsFault(next) ?? reconfigurationFault(properties, config);
    if (fault === undefined) return undefined;
    // Kafka takes the cause for the value and the message for the name.
    return `Invalid value org.apache.kafka.common.config.ConfigException: ${fault} for configuration Invalid dynamic configuration`;
  }

  #merged(dynamic: Record<BrokerConfigLevel, ConfigProperties>): ParsedBrokerConfig {
    const merged = { ...this.#static.properties, ...usable(dynamic.default), ...usable(dynamic.broker) };
    return parseBrokerConfig(merged, { hostName: this.#static.hostName });
  }

  /** Kafka lets counts of threads change by half or double at a time, and scripts written for it go by that. */
  #threadsFault(next: Record<BrokerConfigLevel, ConfigProperties>): string | undefined {
    for (const name of THREAD_COUNTS) {
      const fault = threadCountFault(name, this.#countIn(this.#properties, name), this.#countIn(next, name));
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  #countIn(dynamic: Record<BrokerConfigLevel, ConfigProperties>, name: string): number {
    const set = [dynamic.broker[name], dynamic.default[name]].find(
      (text) => text !== undefined && isUsable(name, text),
    );
    return Number(set ?? this.#static.properties[name] ?? defaultProperties[name]);
  }

  /** How listeners would be secured with other properties at a level. */
  securityWith(level: BrokerConfigLevel, properties: ConfigProperties): BrokerConfig['listenerSecurity'] {
    return this.#merged({ ...this.#properties, [level]: properties }).config.listenerSecurity;
  }

  /** What would hold for topics on which nothing is set, with other properties at both levels. */
  topicDefaultsWith(dynamic: Record<BrokerConfigLevel, ConfigProperties>): BrokerConfig['topicDefaults'] {
    return this.#merged(dynamic).config.topicDefaults;
  }

  /** Every place where a config has a value, the strongest first. */
  synonyms(name: string): readonly ConfigSynonym[] {
    const group = SYNONYM_GROUPS.find((names) => names.includes(name));
    const names: readonly string[] =
      group ?? (name === 'log.flush.interval.ms' ? [name, 'log.flush.scheduler.interval.ms'] : [name]);
    const places: readonly [ConfigProperties, number][] = [
      [this.#properties.broker, CONFIG_SOURCE.DYNAMIC_BROKER_CONFIG],
      [this.#properties.default, CONFIG_SOURCE.DYNAMIC_DEFAULT_BROKER_CONFIG],
      [this.#static.properties, CONFIG_SOURCE.STATIC_BROKER_CONFIG],
      [defaultProperties, CONFIG_SOURCE.DEFAULT_CONFIG],
    ];
    const found: ConfigSynonym[] = [];
    for (const [properties, source] of places) {
      for (const each of names) {
        const value = properties[each];
        const isDynamic = properties === this.#properties.broker || properties === this.#properties.default;
        if (value === undefined || (isDynamic && isUnheeded(each, value))) continue;
        found.push({ name: each, value, source });
      }
    }
    // Kafka starts the list where the config itself has a value and drops what is stronger under another name.
    const from = found.findIndex((synonym) => synonym.name === name);
    return from === -1 ? [] : found.slice(from);
  }
}

function definitionOf(name: string): ConfigDefinition | undefined {
  return Object.hasOwn(brokerConfigTable, name) ? brokerConfigTable[name] : undefined;
}

function threadCountFault(name: string, current: number, asked: number): string | undefined {
  if (asked === current) return undefined;
  const half = Math.trunc(current / 2);
  if (name === 'log.cleaner.threads') {
    if (asked < 1) return 'Log cleaner threads should be at least 1';
    const [verb, limit] = asked < half ? ['reduced', 'less than half'] : ['increased', 'more than double'];
    const isWithin = asked >= half && asked <= current * 2;
    return isWithin ? undefined : `Log cleaner threads cannot be ${verb} to ${limit} the current value ${current}`;
  }
  const failed = `Dynamic thread count update validation failed for ${name}=${asked}, value should`;
  if (asked < 1) return `${failed} be at least 1`;
  if (asked < half) return `${failed} be at least half the current value ${current}`;
  if (asked > current * 2) return `${failed} not be greater than double the current value ${current}`;
  return undefined;
}

/** Leaves out what cannot be set while a broker runs or cannot be read: somebody may have written it past this broker. */
function usable(properties: ConfigProperties): ConfigProperties {
  return Object.fromEntries(Object.entries(properties).filter(([name, text]) => isUsable(name, text)));
}

/** Whether a value does not hold though the name is known: it was written past this broker, by Kafka's for example. True for none. */
function isUnheeded(name: string, text: string | undefined): boolean {
  if (text === undefined) return true;
  return (definitionOf(name) !== undefined || isListenerSetting(name)) && !isUsable(name, text);
}

function isUsable(name: string, text: string): boolean {
  if (isChangeableOfListener(name)) return true;
  const definition = definitionOf(name);
  if (definition === undefined || definition.updateMode === 'read-only') return false;
  return 'value' in parseConfigValue(name, definition, text);
}

/**
 * What is wrong with the configs that somebody wants to set on brokers while they run; undefined when nothing is. Names that
 * this broker does not know are let through, as Kafka does for the sake of plugins.
 */
export function brokerConfigFault(properties: ConfigProperties, level: BrokerConfigLevel): string | undefined {
  const names = Object.keys(properties);
  const fault = listenerChangeFault(properties, level);
  if (fault !== undefined) return fault;
  const fixed = names.filter((name) => definitionOf(name)?.updateMode === 'read-only');
  if (fixed.length > 0) return `Cannot update these configs dynamically: Set(${fixed.join(', ')})`;
  for (const name of names) {
    const refusal = refusalOf(name, properties[name] ?? '');
    if (refusal !== undefined) return refusal;
    const definition = definitionOf(name);
    const parsed =
      definition === undefined ? undefined : parseConfigValue(name, definition, properties[name] as string);
    if (parsed !== undefined && 'fault' in parsed) return parsed.fault;
  }
  const single = level === 'default' ? names.filter((name) => definitionOf(name)?.updateMode === 'per-broker') : [];
  if (single.length > 0) {
    return `Cannot update these configs at default cluster level, broker id must be specified: Set(${single.join(', ')})`;
  }
  return undefined;
}
