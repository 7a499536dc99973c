/** Serialisers and deserialisers: string, JSON, MessagePack and more.
 * @packageDocumentation
 */
export {};
