/**
 * The metadata store: a ZooKeeper-shaped port and its embedded engines.
 * @packageDocumentation
 */
export { ignoreNoNode, isMetadataError, MetadataError, type MetadataErrorCode } from './errors.ts';
export { olderFileFaults } from './journal/older-files.ts';
export { assertStoreFolder, type JournalMetadataOptions, JournalMetadataStore } from './journal-store.ts';
export { MemoryMetadataStore } from './memory-store.ts';
export {
  type CreateOptions,
  METADATA_BYTES_MAX,
  METADATA_PATH_BYTES_MAX,
  type MetadataStore,
  type NodeContent,
  type NodeStat,
  type Operation,
  type OperationResult,
  type ReadOptions,
  type SessionState,
  type Version,
  type WatchEvent,
  type Watcher,
} from './store.ts';
export {
  type ExportedNode,
  type RewriteHistory,
  type RewriteOptions,
  type RewriteResult,
  readStore,
  rewriteStore,
  type StoredNode,
  type StoredTree,
} from './store-files.ts';
export { TreeMetadataStore } from './tree-store.ts';
