/**
 * What engines of the metadata store outside this package need: the suite that holds them against the port, and what paths may be.
 * @packageDocumentation
 */
export { type ConformanceCase, type ConformanceSubject, conformanceCases } from './conformance.ts';
export { checkPath } from './paths.ts';
