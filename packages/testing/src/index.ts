/** A Kafka-compatible broker in process, for tests.
 * @packageDocumentation
 */
export {};
