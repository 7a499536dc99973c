/**
 * The worker pool: what would hold up the main thread, done in threads.
 * @packageDocumentation
 */
export { WorkersError, type WorkersErrorCode } from './errors.ts';
export { createWorkers, type Workers, type WorkersOptions } from './workers.ts';
