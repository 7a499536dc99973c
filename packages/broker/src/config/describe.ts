import { brokerConfigNames } from './broker-config.ts';
import { brokerConfigTable } from './broker-definitions.ts';
import type { ConfigRepository } from './config-repository.ts';
import { CONFIG_TYPE_ID, type ConfigDefinition, type ConfigValue, camelCase, isSensitive } from './definition.ts';
import { CONFIG_SOURCE, type ConfigSynonym } from './dynamic-config.ts';
import { type ConfigProperties, topicConfigNames, withOverrides } from './topic-config.ts';
import { topicConfigSynonyms, topicDefinitions } from './topic-definitions.ts';
import { formatConfigValue } from './values.ts';

/** One config as DescribeConfigs tells of it. */
export interface DescribedConfig {
  readonly name: string;
  /** Null where there is none, or it is hidden. */
  readonly value: string | null;
  /** One of `CONFIG_SOURCE`. */
  readonly source: number;
  readonly readOnly: boolean;
  readonly isSensitive: boolean;
  /** Where else the config has a value, the one that counts first. */
  readonly synonyms: readonly { readonly name: string; readonly value: string | null; readonly source: number }[];
  /** One of `CONFIG_TYPE_ID`, 0 for names that this broker does not know. */
  readonly type: number;
  readonly documentation: string | null;
}

/**
 * The configs of a topic with these overrides, in alphabetical order (`ConfigHelper.createTopicConfigEntry`).
 * @param wanted only these; all without it. Who asks for one config of ten thousand topics has no others worked out.
 */
export function describeTopicConfigs(
  repository: ConfigRepository,
  overrides: ConfigProperties,
  wanted?: ReadonlySet<string>,
): DescribedConfig[] {
  const values: Readonly<Record<string, unknown>> = withOverrides(repository.current.topicDefaults, overrides);
  const names = wanted === undefined ? topicConfigNames : topicConfigNames.filter((name) => wanted.has(name));
  return names.map((name) => {
    const definition = topicDefinitions[name];
    const value = formatConfigValue(definition.type, values[camelCase(name)] as ConfigValue);
    const brokerName = topicConfigSynonyms[name]?.[0]?.name;
    const synonyms: ConfigSynonym[] = brokerName === undefined ? [] : [...repository.dynamic.synonyms(brokerName)];
    if (overrides[name] !== undefined) synonyms.unshift({ name, value, source: CONFIG_SOURCE.TOPIC_CONFIG });
    return described(name, value, definition, synonyms, false);
  });
}

/** The configs of this broker, in alphabetical order. */
export function describeBrokerConfigs(repository: ConfigRepository): DescribedConfig[] {
  const current: Readonly<Record<string, unknown>> = { ...repository.current };
  const { dynamic } = repository;
  const known = brokerConfigNames.flatMap((name) => {
    const definition = definitionOf(name);
    if (definition === undefined || (definition.isInternal === true && !isSet(dynamic.synonyms(name)))) return [];
    const value = shownValue(name, current);
    const text = value === null || value === undefined ? null : formatConfigValue(definition.type, value);
    return [described(name, text, definition, dynamic.synonyms(name), definition.updateMode === 'read-only')];
  });
  const isKnown = (name: string): boolean => definitionOf(name) !== undefined;
  const others = Object.keys({ ...dynamic.properties('default'), ...dynamic.properties('broker') }).filter(
    (name) => !isKnown(name),
  );
  return [...known, ...others.map((name) => described(name, null, undefined, dynamic.synonyms(name), true))];
}

/** Kafka describes what is internal where somebody has set it: whoever has must be able to see it, and to take it back. */
function isSet(synonyms: readonly ConfigSynonym[]): boolean {
  return synonyms.some(({ source }) => source !== CONFIG_SOURCE.DEFAULT_CONFIG);
}

/** Settings whose typed form has a value even where nothing is set; what is shown is what was set. */
const DERIVED: readonly string[] = ['log.dirs', 'inter.broker.listener.name'];

function shownValue(name: string, current: Readonly<Record<string, unknown>>): ConfigValue | null | undefined {
  if (DERIVED.includes(name) && (current['properties'] as ConfigProperties)[name] === undefined) return null;
  return current[camelCase(name)] as ConfigValue | null | undefined;
}

/** What is set for all brokers. */
export function describeDefaultBrokerConfigs(repository: ConfigRepository): DescribedConfig[] {
  const properties = repository.dynamic.properties('default');
  return Object.keys(properties)
    .sort()
    .map((name) => {
      const definition = definitionOf(name);
      const synonyms = repository.dynamic
        .synonyms(name)
        .filter((synonym) => synonym.source === CONFIG_SOURCE.DYNAMIC_DEFAULT_BROKER_CONFIG);
      const isReadOnly = definition === undefined || definition.updateMode === 'read-only';
      return described(name, properties[name] ?? null, definition, synonyms, isReadOnly);
    });
}

function definitionOf(name: string): ConfigDefinition | undefined {
  return Object.hasOwn(brokerConfigTable, name) ? brokerConfigTable[name] : undefined;
}

function described(
  name: string,
  value: string | null,
  definition: ConfigDefinition | undefined,
  synonyms: readonly ConfigSynonym[],
  readOnly: boolean,
): DescribedConfig {
  const hidden = isSensitive(definition);
  return {
    name,
    value: hidden ? null : value,
    source: synonyms[0]?.source ?? CONFIG_SOURCE.DEFAULT_CONFIG,
    readOnly,
    isSensitive: hidden,
    synonyms: hidden ? synonyms.map((synonym) => ({ ...synonym, value: null })) : synonyms,
    type: definition === undefined ? 0 : CONFIG_TYPE_ID[definition.describedType ?? definition.type],
    documentation: definition?.documentation ?? '',
  };
}
