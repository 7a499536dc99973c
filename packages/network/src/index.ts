/** One Kafka connection: framing, correlation, TLS, SASL; and the listener that serves them.
 * @packageDocumentation
 */
export {};
