/** The admin SDK for Kafka-compatible brokers.
 * @packageDocumentation
 */
export {};
