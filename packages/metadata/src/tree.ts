import { ChildIndex } from './child-index.ts';
import { MetadataError } from './errors.ts';
import { checkPath, nameOf, parentOf } from './paths.ts';
import type { NodeStat, Operation, OperationResult, Version, WatchEvent } from './store.ts';
import { METADATA_BYTES_MAX } from './store.ts';

/** What is kept of a node. A node is replaced, never changed. */
export interface TreeNode {
  /** The bytes, each as one character: a string takes a fraction of the memory of a Buffer, and there are many nodes. */
  readonly data: string;
  readonly version: number;
  /** How many children were ever created; numbers sequential ones. */
  readonly childrenCreated: number;
  readonly czxid: number;
  readonly mzxid: number;
  readonly createdMs: number;
  readonly modifiedMs: number;
  readonly ephemeralOwner: string | undefined;
}

/** What a transaction did, for persistence and watches. */
export interface AppliedTransaction {
  readonly zxid: number;
  readonly results: readonly OperationResult[];
  /** Every path whose node was created, replaced or removed. */
  readonly touched: ReadonlySet<string>;
  readonly events: readonly WatchEvent[];
}

/**
 * The tree itself: nodes in memory, transactions that apply whole or not at all. It knows neither sessions' lives, nor watches,
 * nor how it is kept; every engine in this package stands on it, so that they cannot differ in what an operation means.
 */
export class MetadataTree {
  readonly #nodes = new Map<string, TreeNode>();
  #children = new ChildIndex();
  readonly #ephemerals = new Map<string, Set<string>>();
  #zxid = 0;

  constructor() {
    this.#nodes.set('/', newNode('', 0, 0, undefined));
  }

  /** The last transaction. */
  get zxid(): number {
    return this.#zxid;
  }

  get size(): number {
    return this.#nodes.size;
  }

  node(path: string): TreeNode | undefined {
    return this.#nodes.get(path);
  }

  /** The ephemeral nodes of a session. */
  ephemeralsOf(owner: string): readonly string[] {
    return [...(this.#ephemerals.get(owner) ?? [])];
  }

  childrenOf(path: string): string[] | undefined {
    return this.#nodes.has(path) ? this.#children.names(path) : undefined;
  }

  statOf(path: string): NodeStat | undefined {
    const node = this.#nodes.get(path);
    return node === undefined ? undefined : statOf(node, this.#children.count(path));
  }

  /** The tree as it is at this moment, to be read later. */
  freeze(): Pick<MetadataTree, 'node' | 'statOf' | 'childrenOf'> {
    const copy = new MetadataTree();
    for (const [path, node] of this.#nodes) copy.#nodes.set(path, node);
    copy.#children = this.#children.copy();
    return copy;
  }

  /** Puts back a node read from disk. Parents come before their children. */
  restore(path: string, node: TreeNode): boolean {
    if (path !== '/') {
      const parentPath = parentOf(path);
      if (!this.#nodes.has(parentPath)) return false;
      this.#children.add(parentPath, nameOf(path));
    }
    this.#nodes.set(path, node);
    return true;
  }

  restoreZxid(zxid: number): void {
    this.#zxid = zxid;
  }

  /**
   * Repeats what transactions did to nodes that are kept, up to a transaction; undefined for a node that is gone. Returns a path
   * that has no parent afterwards, where there is one: what is repeated does not belong to this tree.
   */
  replay(changes: readonly (readonly [path: string, node: TreeNode | undefined])[], zxid: number): string | undefined {
    for (const [path, node] of changes) {
      if (path !== '/' || node !== undefined) this.#assign(path, node);
    }
    this.#zxid = zxid;
    return changes.find(([path, node]) => node !== undefined && !this.#nodes.has(parentOf(path)))?.[0];
  }

  /** The nodes that outlive their sessions, parents before their children, as they are at this moment. */
  persistentNodes(): (readonly [path: string, node: TreeNode])[] {
    const nodes: (readonly [string, TreeNode])[] = [];
    // The order is that of creation: a node that is created again comes behind, and cannot go while it has children.
    for (const entry of this.#nodes) {
      if (entry[1].ephemeralOwner === undefined) nodes.push(entry);
    }
    return nodes;
  }

  /** Applies all operations or raises the first one's error and leaves the tree as it was. */
  apply(operations: readonly Operation[], owner: string, nowMs: number): AppliedTransaction {
    checkSizes(operations);
    const transaction = new TreeTransaction(this.#zxid + 1, nowMs, owner);
    const results: OperationResult[] = [];
    for (const [index, operation] of operations.entries()) {
      try {
        results.push(this.#applyOne(operation, transaction));
      } catch (error) {
        this.#undo(transaction);
        throw operations.length > 1 && error instanceof MetadataError ? withIndex(error, index) : error;
      }
    }
    const touched = new Set(transaction.before.keys());
    // A transaction of checks alone changes nothing and takes no number.
    if (touched.size > 0) this.#zxid = transaction.zxid;
    return { zxid: this.#zxid, results, touched, events: transaction.events };
  }

  #applyOne(operation: Operation, transaction: TreeTransaction): OperationResult {
    checkPath(operation.path);
    switch (operation.type) {
      case 'create':
        return { type: 'create', path: this.#create(operation, transaction) };
      case 'set':
        return { type: 'set', stat: this.#setData(operation.path, operation.data, operation.expected, transaction) };
      case 'delete':
        this.#delete(operation.path, operation.expected, transaction);
        return { type: 'delete' };
      case 'check':
        this.#expectVersion('check', operation.path, operation.expected);
        return { type: 'check' };
    }
  }

  #create(operation: Extract<Operation, { type: 'create' }>, transaction: TreeTransaction): string {
    const parentPath = parentOf(operation.path);
    const parent = this.#nodes.get(parentPath);
    if (parent === undefined) {
      throw new MetadataError('NO_NODE', `Cannot create ${operation.path}: its parent ${parentPath} does not exist.`, {
        path: operation.path,
      });
    }
    const path =
      operation.options?.sequential === true
        ? `${operation.path}${String(parent.childrenCreated).padStart(10, '0')}`
        : operation.path;
    if (this.#nodes.has(path)) {
      throw new MetadataError('NODE_EXISTS', `Cannot create ${path}: it exists already.`, { path });
    }
    if (parent.ephemeralOwner !== undefined) {
      throw new MetadataError('NO_CHILDREN_FOR_EPHEMERALS', `Cannot create ${path}: its parent is ephemeral.`, {
        path,
      });
    }
    const owner = operation.options?.ephemeral === true ? transaction.owner : undefined;
    this.#put(parentPath, { ...parent, childrenCreated: parent.childrenCreated + 1 }, transaction);
    this.#put(path, newNode(textOf(operation.data), transaction.zxid, transaction.nowMs, owner), transaction);
    transaction.events.push({ type: 'created', path }, { type: 'children', path: parentPath });
    return path;
  }

  #setData(path: string, data: Uint8Array, expected: Version, transaction: TreeTransaction): NodeStat {
    const node = this.#expectVersion('change', path, expected);
    const next: TreeNode = {
      ...node,
      data: textOf(data),
      version: node.version + 1,
      mzxid: transaction.zxid,
      modifiedMs: transaction.nowMs,
    };
    this.#put(path, next, transaction);
    transaction.events.push({ type: 'changed', path });
    return statOf(next, this.#children.count(path));
  }

  #delete(path: string, expected: Version, transaction: TreeTransaction): void {
    if (path === '/') throw new MetadataError('INVALID_PATH', 'The root cannot be deleted.', { path });
    this.#expectVersion('delete', path, expected);
    const childCount = this.#children.count(path);
    if (childCount > 0) {
      throw new MetadataError('NOT_EMPTY', `Cannot delete ${path}: it has ${childCount} children.`, { path });
    }
    const parentPath = parentOf(path);
    this.#remove(path, transaction);
    transaction.events.push({ type: 'deleted', path }, { type: 'children', path: parentPath });
  }

  #expectVersion(action: string, path: string, expected: Version): TreeNode {
    const node = this.#nodes.get(path);
    if (node === undefined) {
      throw new MetadataError('NO_NODE', `Cannot ${action} ${path}: it does not exist.`, { path });
    }
    if (expected !== 'any' && expected.exactly !== node.version) {
      throw new MetadataError(
        'BAD_VERSION',
        `Cannot ${action} ${path}: its version is ${node.version}, expected was ${expected.exactly}.`,
        { path },
      );
    }
    return node;
  }

  #put(path: string, node: TreeNode, transaction: TreeTransaction): void {
    transaction.remember(path, this.#nodes.get(path));
    this.#assign(path, node);
  }

  #remove(path: string, transaction: TreeTransaction): void {
    transaction.remember(path, this.#nodes.get(path));
    this.#assign(path, undefined);
  }

  #undo(transaction: TreeTransaction): void {
    // Backwards, so that parents that were deleted stand before their children again.
    for (const [path, node] of [...transaction.before].reverse()) this.#assign(path, node);
  }

  #assign(path: string, node: TreeNode | undefined): void {
    const previous = this.#nodes.get(path);
    if (previous?.ephemeralOwner !== undefined) this.#ephemerals.get(previous.ephemeralOwner)?.delete(path);
    if (node === undefined) {
      this.#nodes.delete(path);
      this.#children.remove(parentOf(path), nameOf(path));
      return;
    }
    this.#nodes.set(path, node);
    if (previous === undefined) this.#children.add(parentOf(path), nameOf(path));
    if (node.ephemeralOwner !== undefined) {
      const owned = this.#ephemerals.get(node.ephemeralOwner);
      if (owned === undefined) this.#ephemerals.set(node.ephemeralOwner, new Set([path]));
      else owned.add(path);
    }
  }
}

/** What a transaction met, so that it can be taken back. */
class TreeTransaction {
  readonly zxid: number;
  readonly nowMs: number;
  readonly owner: string;
  readonly before = new Map<string, TreeNode | undefined>();
  readonly events: WatchEvent[] = [];

  constructor(zxid: number, nowMs: number, owner: string) {
    this.zxid = zxid;
    this.nowMs = nowMs;
    this.owner = owner;
  }

  remember(path: string, node: TreeNode | undefined): void {
    if (!this.before.has(path)) this.before.set(path, node);
  }
}

function newNode(data: string, zxid: number, nowMs: number, ephemeralOwner: string | undefined): TreeNode {
  return {
    data,
    version: 0,
    childrenCreated: 0,
    czxid: zxid,
    mzxid: zxid,
    createdMs: nowMs,
    modifiedMs: nowMs,
    ephemeralOwner,
  };
}

function textOf(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1');
}

function statOf(node: TreeNode, childCount: number): NodeStat {
  return {
    version: node.version,
    // Creations and deletions both count, as in ZooKeeper; deletions are creations less what is left.
    childrenVersion: node.childrenCreated * 2 - childCount,
    czxid: node.czxid,
    mzxid: node.mzxid,
    createdMs: node.createdMs,
    modifiedMs: node.modifiedMs,
    ephemeralOwner: node.ephemeralOwner,
    dataBytes: node.data.length,
    childCount,
  };
}

function checkSizes(operations: readonly Operation[]): void {
  let bytes = 0;
  for (const operation of operations) {
    bytes +=
      operation.path.length + (operation.type === 'create' || operation.type === 'set' ? operation.data.length : 0);
  }
  if (bytes > METADATA_BYTES_MAX) {
    throw new MetadataError(
      'TOO_LARGE',
      `Cannot write ${bytes} bytes in one operation to the metadata store: at most ${METADATA_BYTES_MAX} fit. Split the write.`,
    );
  }
}

function withIndex(error: MetadataError, operationIndex: number): MetadataError {
  return new MetadataError(error.code, `Operation ${operationIndex} of a multi failed. ${error.message}`, {
    ...(error.path === undefined ? {} : { path: error.path }),
    operationIndex,
    cause: error,
  });
}
