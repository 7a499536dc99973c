/** Kafka record batches: build, read, validate, compress.
 * @packageDocumentation
 */
export {};
