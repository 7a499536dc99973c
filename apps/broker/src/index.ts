/** The Millrace broker process: configuration, listeners, worker pool, metrics, signals.
 * @packageDocumentation
 */
export {};
