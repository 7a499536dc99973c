import type { CleanupPolicy, LogConfig, MessageTimestampType, TopicCompressionType } from '@millrace/log';
import { type ConfigTable, type ConfigValue, camelCase } from './definition.ts';
import {
  type TopicConfigName,
  type TopicConfigValues,
  topicConfigSynonyms,
  topicDefinitions,
} from './topic-definitions.ts';
import { parseConfigValue } from './values.ts';

/** Configs by name, as they are set: the text of their values. */
export type ConfigProperties = Readonly<Record<string, string>>;

const definitions: ConfigTable = topicDefinitions;

/** Names of all topic configs, in alphabetical order. */
export const topicConfigNames: readonly TopicConfigName[] = (Object.keys(topicDefinitions) as TopicConfigName[]).sort();

/** What Kafka says where tiered storage is off, as it is here. */
export const NO_TIERED_STORAGE =
  'Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.';

/**
 * What is wrong with the configs that somebody wants to set on a topic, in Kafka's words (`LogConfig.validate`); undefined
 * when nothing is. `defaults` are the values of what is not set.
 */
export function topicConfigFault(overrides: ConfigProperties, defaults: TopicConfigValues): string | undefined {
  for (const [name, text] of Object.entries(overrides)) {
    const definition = Object.hasOwn(definitions, name) ? definitions[name] : undefined;
    if (definition === undefined) return `Unknown topic config name: ${name}`;
    const parsed = parseConfigValue(name, definition, text);
    if ('fault' in parsed) return parsed.fault;
  }
  const { minCompactionLagMs, maxCompactionLagMs, ...values } = withOverrides(defaults, overrides);
  if (values.remoteStorageEnable) return NO_TIERED_STORAGE;
  if (values.remoteLogCopyDisable || values.remoteLogDeleteOnDisable) {
    return 'It is invalid to set `remote.log.delete.on.disable` or `remote.log.copy.disable` without tiered storage.';
  }
  if (minCompactionLagMs > maxCompactionLagMs) {
    return `conflict topic config setting min.compaction.lag.ms (${minCompactionLagMs}) > max.compaction.lag.ms (${maxCompactionLagMs})`;
  }
  return undefined;
}

/** A topic's values: its own where it has one, else the defaults. What cannot be read counts as not set. */
export function withOverrides(defaults: TopicConfigValues, overrides: ConfigProperties): TopicConfigValues {
  const values: Record<string, ConfigValue> = { ...defaults };
  for (const [name, text] of Object.entries(overrides)) {
    const definition = Object.hasOwn(definitions, name) ? definitions[name] : undefined;
    if (definition === undefined) continue;
    const parsed = parseConfigValue(name, definition, text);
    if ('value' in parsed) values[camelCase(name)] = parsed.value;
  }
  return values as TopicConfigValues;
}

/**
 * The values of topics on which nothing is set, from the broker's configs. A broker config without a value lets the next
 * weaker synonym speak: `log.retention.ms`, then `log.retention.minutes`, then `log.retention.hours`.
 */
export function topicDefaults(brokerValue: (name: string) => ConfigValue | null | undefined): TopicConfigValues {
  const values: Record<string, ConfigValue> = {};
  for (const name of topicConfigNames) {
    let value: ConfigValue | null | undefined;
    for (const synonym of topicConfigSynonyms[name] ?? []) {
      const set = brokerValue(synonym.name);
      if (set === null || set === undefined) continue;
      value = typeof set === 'number' && set >= 0 ? set * synonym.multiplier : set;
      break;
    }
    values[camelCase(name)] = value ?? topicDefinitions[name].defaultValue;
  }
  return values as TopicConfigValues;
}

/** The configs as the log takes them. */
export function toLogConfig(values: TopicConfigValues): LogConfig {
  const level = compressionLevel(values);
  return {
    segmentBytes: values.segmentBytes,
    segmentMs: values.segmentMs,
    segmentJitterMs: values.segmentJitterMs,
    segmentIndexBytes: values.segmentIndexBytes,
    indexIntervalBytes: values.indexIntervalBytes,
    retentionMs: values.retentionMs,
    retentionBytes: values.retentionBytes,
    // The checks of these four admit the log's names and no others.
    cleanupPolicy: values.cleanupPolicy as readonly CleanupPolicy[],
    messageTimestampType: values.messageTimestampType as MessageTimestampType,
    compressionType: values.compressionType as TopicCompressionType,
    maxMessageBytes: values.maxMessageBytes,
    messageTimestampBeforeMaxMs: orDifference(values.messageTimestampBeforeMaxMs, values),
    messageTimestampAfterMaxMs: orDifference(values.messageTimestampAfterMaxMs, values),
    ...(level === undefined ? {} : { compressionLevel: level }),
    flushMessages: values.flushMessages,
    flushMs: values.flushMs,
    fileDeleteDelayMs: values.fileDeleteDelayMs,
    minInSyncReplicas: values.minInsyncReplicas,
    messageDownconversionEnable: values.messageDownconversionEnable,
    uncleanLeaderElectionEnable: values.uncleanLeaderElectionEnable,
    deleteRetentionMs: values.deleteRetentionMs,
    minCompactionLagMs: values.minCompactionLagMs,
    maxCompactionLagMs: values.maxCompactionLagMs,
    minCleanableDirtyRatio: values.minCleanableDirtyRatio,
  };
}

/** The older setting for both directions counts where a direction has none of its own (`LogConfig`, KIP-937). */
function orDifference(ms: number, { messageTimestampDifferenceMaxMs }: TopicConfigValues): number {
  return ms === Number.POSITIVE_INFINITY ? messageTimestampDifferenceMaxMs : ms;
}

function compressionLevel(values: TopicConfigValues): number | undefined {
  switch (values.compressionType) {
    case 'gzip':
      return values.compressionGzipLevel === -1 ? undefined : values.compressionGzipLevel;
    case 'lz4':
      return values.compressionLz4Level;
    case 'zstd':
      return values.compressionZstdLevel;
    default:
      return undefined;
  }
}
