/** The worker pool: segment writes and syncs, cold reads, recovery scans and recompression off the main thread.
 * @packageDocumentation
 */
export {};
