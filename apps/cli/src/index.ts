/** Kafka for the Node world: the millrace command line and broker.
 * @packageDocumentation
 */
export {};
