/** The producer SDK for Kafka-compatible brokers.
 * @packageDocumentation
 */
export {};
