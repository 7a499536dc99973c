import { type Clock, type Disk, isLocked, systemClock } from '@millrace/ports';
import { TreeEngine } from './engine.ts';
import { MetadataError } from './errors.ts';
import { LOCK_FILE, storeFiles } from './journal/file-names.ts';
import { type Head, writeHead } from './journal/head.ts';
import { openNewJournal } from './journal/persistence.ts';
import { recover, type StoreReader } from './journal/recovery.ts';
import { writeSnapshot } from './journal/snapshot.ts';
import { assertStoreFolder, lockedStore, lockStore } from './journal-store.ts';
import { LMDB_FILE, readLmdbTree } from './lmdb/lmdb-tree.ts';
import { nameOf, parentOf } from './paths.ts';
import type { MetadataStore, NodeStat } from './store.ts';
import { MetadataTree } from './tree.ts';
import { TreeMetadataStore } from './tree-store.ts';

/** A node of a store that is looked into from outside. */
export interface StoredNode {
  readonly path: string;
  readonly data: Buffer;
  readonly stat: NodeStat;
}

/** What the files of an embedded store hold. */
export interface StoredTree {
  /** The last transaction that could be read. */
  readonly zxid: number;
  /** How far the store had come at the least when it was last closed or rolled. */
  readonly headZxid: number;
  /** Why what is here is not all that was answered, in sentences; undefined when it is. */
  readonly fault: string | undefined;
  /** Damage that cost nothing, in sentences. */
  readonly warnings: readonly string[];
  /** The files of the store with their sizes. */
  readonly files: readonly { readonly name: string; readonly sizeBytes: number }[];
  readonly nodeCount: number;
  /** A node; undefined where there is none. */
  node(path: string): StoredNode | undefined;
  /** The names below a node, sorted; undefined where there is no node. */
  children(path: string): readonly string[] | undefined;
  /** A node and all below it, parents before their children, in the order of their names. */
  walk(path: string): Iterable<StoredNode>;
}

/**
 * Reads an embedded store's files as far as they are whole, without opening the store and without changing anything. A broker
 * that has it open may be writing meanwhile: then this is the state of a moment.
 */
export async function readStore(disk: StoreReader, folder: string): Promise<StoredTree> {
  const { tree, fault, warnings, head } = await loadTree(disk, folder);
  return {
    zxid: tree.zxid,
    headZxid: head.zxid,
    fault,
    warnings,
    files: await filesOf(disk, folder),
    nodeCount: tree.size,
    node: (path) => nodeOf(tree, path),
    children: (path) => tree.childrenOf(path)?.toSorted(),
    walk: (path) => walk(tree, path),
  };
}

interface LoadedTree {
  readonly tree: MetadataTree;
  readonly fault: string | undefined;
  readonly warnings: readonly string[];
  readonly head: Head;
}

async function loadTree(disk: StoreReader, folder: string): Promise<LoadedTree> {
  const recovery = await recover(disk, folder);
  const isThere = recovery.files.journals.length > 0 || recovery.files.snapshots.length > 0;
  if (isThere || (await disk.stat(`${folder}/${LMDB_FILE}`)) === undefined) return recovery;
  try {
    return { ...recovery, tree: readLmdbTree(await disk.readFile(`${folder}/${LMDB_FILE}`)), fault: undefined };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const fault = `The file ${LMDB_FILE}, which an earlier build wrote, cannot be read: ${reason}.`;
    return { ...recovery, tree: new MetadataTree(), fault };
  }
}

async function filesOf(disk: StoreReader, folder: string): Promise<{ name: string; sizeBytes: number }[]> {
  const files: { name: string; sizeBytes: number }[] = [];
  for (const name of await disk.list(folder)) {
    // The lock, and word of where a running cluster serves its store.
    if (name.startsWith('.')) continue;
    const stat = await disk.stat(`${folder}/${name}`);
    if (stat !== undefined) files.push({ name, sizeBytes: stat.sizeBytes });
  }
  return files;
}

function nodeOf(tree: MetadataTree, path: string): StoredNode | undefined {
  const node = tree.node(path);
  const stat = tree.statOf(path);
  return node === undefined || stat === undefined ? undefined : { path, data: Buffer.from(node.data, 'latin1'), stat };
}

function* walk(tree: MetadataTree, path: string): Generator<StoredNode> {
  const node = nodeOf(tree, path);
  if (node === undefined) return;
  yield node;
  for (const name of tree.childrenOf(path)?.toSorted() ?? [])
    yield* walk(tree, path === '/' ? `/${name}` : `${path}/${name}`);
}

/** A node as an export has it. */
export interface ExportedNode {
  readonly path: string;
  readonly data: Buffer;
  /** The version that the node had; what is written again has it, too. */
  readonly version: number;
}

/** What a store has been through. */
export interface RewriteHistory {
  /**
   * How often it was written anew before, as far as its former files are still there. The state that is whole now may be from before all
   * of these times.
   */
  readonly rewrites: number;
}

/** How {@link rewriteStore} writes a store anew. */
export interface RewriteOptions {
  readonly folder: string;
  readonly disk: Disk;
  readonly clock?: Clock;
  /** What to begin with instead of what is whole of the present state: the nodes of an export. */
  readonly from?: readonly ExportedNode[];
  /** Changes the state before it is written; what fails here leaves the store as it was. */
  readonly edit: (store: MetadataStore, history: RewriteHistory) => Promise<void>;
  /** Do everything but write: the disk stays as it is, to the last name. Default false. */
  readonly dryRun?: boolean;
}

/** What {@link rewriteStore} has done. */
export interface RewriteResult {
  readonly zxid: number;
  readonly nodeCount: number;
  /** Where the files that were there are now; undefined where there were none. */
  readonly formerFiles: string | undefined;
}

/**
 * Writes a store that no process has open anew: from what is whole of it, or from an export, with changes. Its transactions go on
 * from the present time in milliseconds, which no store has come to by counting: so they are above all that ever were, those
 * that cannot be read included. The former files stay in a folder beside the new ones.
 * @throws {@link MetadataError} `STORE_LOCKED` when a broker has the store open.
 */
export async function rewriteStore(options: RewriteOptions): Promise<RewriteResult> {
  const { folder, disk, clock = systemClock, from, edit } = options;
  const lock = options.dryRun === true ? await lookForLock(disk, folder) : await lockStore(disk, folder);
  try {
    const isThere = (await disk.stat(folder)) !== undefined;
    const present = isThere ? await loadTree(disk, folder) : { tree: new MetadataTree(), head: { zxid: 0 } };
    const tree = from === undefined ? present.tree : treeOf(from, clock.now());
    tree.restoreZxid(Math.max(present.tree.zxid, present.head.zxid, Math.trunc(clock.now())) + 1);
    const store = new TreeMetadataStore(new TreeEngine(clock, undefined, tree));
    const names = isThere ? await disk.list(folder) : [];
    await edit(store, { rewrites: names.filter((name) => FORMER_FILES.test(name)).length });
    await store.close();
    if (options.dryRun === true) return { zxid: tree.zxid, nodeCount: tree.size, formerFiles: undefined };
    const former = (await filesOf(disk, folder)).map(({ name }) => name).filter(isOfStore);
    await openNewJournal(disk, folder, tree.zxid).then(({ file }) => file.close());
    await writeSnapshot(disk, folder, tree.zxid, tree.persistentNodes());
    await writeHead(disk, folder, { zxid: tree.zxid, isClosed: true });
    const formerFiles = await moveAway(disk, folder, former, tree.zxid);
    return { zxid: tree.zxid, nodeCount: tree.size, formerFiles };
  } finally {
    await lock.release();
  }
}

/** As {@link lockStore}, for who writes nothing: no folder is made, and no lock file. */
async function lookForLock(disk: Disk, folder: string): Promise<{ release(): Promise<void> }> {
  await assertStoreFolder(disk, folder);
  if (await isLocked(disk, `${folder}/${LOCK_FILE}`)) throw lockedStore(folder);
  return { release: async () => {} };
}

/** Folders with what was there before a store was written anew. */
const FORMER_FILES = /^before-\d+$/;

function isOfStore(name: string): boolean {
  const { snapshots, journals } = storeFiles([name]);
  return snapshots.length + journals.length > 0 || name === LMDB_FILE;
}

/** The new files are in force already: they begin behind all others. */
async function moveAway(
  disk: Disk,
  folder: string,
  names: readonly string[],
  zxid: number,
): Promise<string | undefined> {
  if (names.length === 0) return undefined;
  const target = `${folder}/before-${zxid}`;
  await disk.makeFolder(target);
  for (const name of names) await disk.rename(`${folder}/${name}`, `${target}/${name}`);
  await disk.syncFolder(target);
  await disk.syncFolder(folder);
  return target;
}

function treeOf(nodes: readonly ExportedNode[], nowMs: number): MetadataTree {
  const tree = new MetadataTree();
  for (const { path, data, version } of nodes.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    const isPlaced = tree.restore(path, {
      data: data.toString('latin1'),
      version,
      // Sequential names must not come twice, and no export says how far they had come.
      childrenCreated: Math.trunc(nowMs / 1000),
      czxid: 0,
      mzxid: 0,
      createdMs: Math.trunc(nowMs),
      modifiedMs: Math.trunc(nowMs),
      ephemeralOwner: undefined,
    });
    if (!isPlaced) {
      throw new MetadataError('NO_NODE', `The export has ${nameOf(path)} without its parent ${parentOf(path)}.`, {
        path,
      });
    }
  }
  return tree;
}
