import { type Clock, systemClock } from '@millrace/ports';
import { TreeEngine } from './engine.ts';
import { TreeMetadataStore } from './tree-store.ts';

/**
 * A metadata store in memory, for tests and simulation: what it holds goes with it. Brokers that are to share it each take
 * a session of their own with {@link TreeMetadataStore.openSession}.
 *
 * ```ts
 * const first = new MemoryMetadataStore();
 * const second = first.openSession();
 * await first.create('/controller', Buffer.from('{}'), { ephemeral: true });
 * await first.close(); // the node goes, and the second session's watches tell of it
 * ```
 */
export class MemoryMetadataStore extends TreeMetadataStore {
  /** @param options - `clock` stamps the nodes; the machine's own by default. */
  constructor(options: { readonly clock?: Clock } = {}) {
    super(new TreeEngine(options.clock ?? systemClock));
  }
}
