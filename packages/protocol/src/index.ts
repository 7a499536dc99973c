/** The Kafka wire codec: one definition per API, every version, typed.
 * @packageDocumentation
 */
export {};
