/**
 * What holds an engine of the metadata store against the port: the conformance suite.
 * @packageDocumentation
 */
export { type ConformanceCase, type ConformanceSubject, conformanceCases } from './conformance.ts';
