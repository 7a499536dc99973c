import type { WatchEvent, Watcher } from './store.ts';

/** One session's watches: which functions wait for which change of which node. */
export class WatchTable {
  readonly #ofNode = new Map<string, Set<Watcher>>();
  readonly #ofChildren = new Map<string, Set<Watcher>>();

  /** Waits for the node's creation, change or deletion. */
  watchNode(path: string, watcher: Watcher): void {
    add(this.#ofNode, path, watcher);
  }

  /** Waits for a change of the list of children, or the node's deletion. */
  watchChildren(path: string, watcher: Watcher): void {
    add(this.#ofChildren, path, watcher);
  }

  /** Takes out the watches that an event sets off; each goes off once. */
  take(event: WatchEvent): ReadonlySet<Watcher> {
    if (event.type === 'children') return take(this.#ofChildren, event.path);
    const watchers = take(this.#ofNode, event.path);
    return event.type === 'deleted' ? new Set([...watchers, ...take(this.#ofChildren, event.path)]) : watchers;
  }

  clear(): void {
    this.#ofNode.clear();
    this.#ofChildren.clear();
  }
}

const NOBODY: ReadonlySet<Watcher> = new Set();

function add(table: Map<string, Set<Watcher>>, path: string, watcher: Watcher): void {
  const watchers = table.get(path);
  if (watchers === undefined) table.set(path, new Set([watcher]));
  else watchers.add(watcher);
}

function take(table: Map<string, Set<Watcher>>, path: string): ReadonlySet<Watcher> {
  const watchers = table.get(path);
  if (watchers === undefined) return NOBODY;
  table.delete(path);
  return watchers;
}
