/** The metadata store: a ZooKeeper-shaped port and its embedded engine.
 * @packageDocumentation
 */
export {};
