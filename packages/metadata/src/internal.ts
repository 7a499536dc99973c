/**
 * What engines of the metadata store outside this package need: the suite that holds them against the port, what paths may be, and a
 * store to which everything happens that may happen to one on an ensemble.
 * @packageDocumentation
 */
export { conformanceCases } from './conformance.ts';
export { connectionCases } from './conformance-connection.ts';
export type { ConformanceCase, ConformanceSubject, ConnectionFaults } from './conformance-scene.ts';
export { checkPath } from './paths.ts';
export { FaultyMetadataStore, type FaultyStoreOptions } from './testing/faulty-store.ts';
