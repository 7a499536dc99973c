/** A connection to a Kafka cluster: bootstrap, metadata, routing, retry.
 * @packageDocumentation
 */
export {};
