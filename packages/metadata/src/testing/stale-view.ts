import { MetadataError } from '../errors.ts';
import { checkPath } from '../paths.ts';
import type { NodeContent, NodeStat, WatchEvent } from '../store.ts';

/** A tree as it was once. */
export interface TreeView {
  node(path: string): { readonly data: string } | undefined;
  statOf(path: string): NodeStat | undefined;
  childrenOf(path: string): string[] | undefined;
}

/** What a server that is behind answers, and what was watched meanwhile. */
export class StaleView {
  readonly watched: { readonly kind: 'node' | 'children'; readonly path: string }[] = [];
  readonly #tree: TreeView;

  constructor(tree: TreeView) {
    this.#tree = tree;
  }

  get(path: string): NodeContent {
    checkPath(path);
    const node = this.#tree.node(path);
    const stat = this.#tree.statOf(path);
    if (node === undefined || stat === undefined) throw noNode(path);
    return { data: Buffer.from(node.data, 'latin1'), stat };
  }

  exists(path: string): NodeStat | undefined {
    checkPath(path);
    return this.#tree.statOf(path);
  }

  children(path: string): readonly string[] {
    checkPath(path);
    const names = this.#tree.childrenOf(path);
    if (names === undefined) throw noNode(path);
    return names;
  }

  /** What a watch that was set here must be told, now that this is what is. */
  changesSince(kind: 'node' | 'children', path: string, now: NodeStat | undefined): WatchEvent[] {
    const then = this.#tree.statOf(path);
    if (then === undefined) return now === undefined ? [] : [{ type: 'created', path }];
    if (now === undefined) return [{ type: 'deleted', path }];
    const isAnother = now.czxid !== then.czxid;
    if (kind === 'node') return isAnother || now.mzxid !== then.mzxid ? [{ type: 'changed', path }] : [];
    return isAnother || now.childrenVersion !== then.childrenVersion ? [{ type: 'children', path }] : [];
  }
}

function noNode(path: string): MetadataError {
  return new MetadataError('NO_NODE', `Cannot read ${path}: it does not exist.`, { path });
}
