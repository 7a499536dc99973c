/** Settings of Kafka's plugins and of Confluent's images, by prefix: they are no mistake, and mean nothing here. */
const UNUSED_PREFIXES = ['confluent.', 'rsm.config.', 'rlmm.config.', 'kafka.metrics.'];

/** Whether a name belongs to something beside Kafka's broker that is configured in the same file. */
export function isUnusedKafkaName(name: string): boolean {
  return UNUSED_PREFIXES.some((prefix) => name.startsWith(prefix));
}
