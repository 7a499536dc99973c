import type { BrokerConfig } from './broker-config.ts';
import type { ConfigProperties } from './topic-config.ts';

/** What follows the broker's retention. */
const FOLLOWS_RETENTION = -2;
const UNLIMITED = -1;

/**
 * Why the rooms of a running broker would not take up what is set, in Kafka's words (`BrokerReconfigurable.validateReconfiguration`);
 * undefined when they would.
 *
 * @param properties what is set at one level; what is not among them is not taken up anew
 * @param config what would hold with them
 */
export function reconfigurationFault(properties: ConfigProperties, config: BrokerConfig): string | undefined {
  // Whoever set these to 0 could take nothing back: no connection would be let in any more.
  for (const name of ['max.connections', 'max.connection.creation.rate']) {
    const text = properties[name]?.trim();
    if (text !== undefined && Number(text) <= 0) return `Invalid ${name} ${Number(text)}`;
  }
  // No class of Java can be loaded here.
  if ((properties['metric.reporters']?.trim() ?? '') !== '') {
    return 'Validation of dynamic config update of Set(metric.reporters) failed with class class kafka.server.DynamicMetricsReporters';
  }
  return localRetentionFault(properties, config, 'ms') ?? localRetentionFault(properties, config, 'bytes');
}

/** What stays on this broker of tiered storage is no more than what is kept at all. */
function localRetentionFault(
  properties: ConfigProperties,
  { topicDefaults }: BrokerConfig,
  unit: 'ms' | 'bytes',
): string | undefined {
  const [name, all] = [`log.local.retention.${unit}`, `log.retention.${unit}`];
  if (properties[name] === undefined && properties[all] === undefined) return undefined;
  const [local, retention] =
    unit === 'ms'
      ? [topicDefaults.localRetentionMs, topicDefaults.retentionMs]
      : [topicDefaults.localRetentionBytes, topicDefaults.retentionBytes];
  if (retention === UNLIMITED || local === FOLLOWS_RETENTION) return undefined;
  if (local === UNLIMITED) {
    return `Invalid value ${local} for configuration ${name}: Value must not be -1 as ${all} value is set as ${retention}.`;
  }
  if (local <= retention) return undefined;
  const shown = local === Number.POSITIVE_INFINITY ? '9223372036854775807' : local;
  return `Invalid value ${shown} for configuration ${name}: Value must not be more than ${all} property value: ${retention}`;
}
