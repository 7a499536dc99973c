/** A partition's log: segments, indexes, recovery, retention, producer state.
 * @packageDocumentation
 */
export {};
