/** The consumer SDK for Kafka-compatible brokers.
 * @packageDocumentation
 */
export {};
