import { getSystemErrorName } from 'node:util';
import { type Clock, type Disk, systemClock } from '@millrace/ports';
import { type Key, open, type RootDatabase } from 'lmdb';
import { TreeEngine, type TreePersistence } from './engine.ts';
import { MetadataError } from './errors.ts';
import { type AppliedTransaction, MetadataTree, type TreeNode } from './tree.ts';
import { TreeMetadataStore } from './tree-store.ts';

/** Keys of paths begin with `/`, so these never meet one. */
const FORMAT_KEY = 'format';
const ZXID_KEY = 'zxid';
/** The layout of what is kept. Raised with every change that an older program could not read. */
const FORMAT = 1;

/** A node as it is kept: data, version, childrenCreated, czxid, mzxid, createdMs, modifiedMs; as an array to save the names. */
type StoredNode = [string, number, number, number, number, number, number];

type Database = RootDatabase<StoredNode | number, string>;

/** What makes sure that one process alone opens a folder, and that there is room: the part of the disk port that the store needs. */
export type FolderLocker = Pick<Disk, 'makeFolder' | 'lock' | 'open'>;

/** How {@link LmdbMetadataStore.open} opens a store. */
export interface LmdbMetadataOptions {
  /** The folder that holds the store; made where it is missing. */
  readonly folder: string;
  /** Makes the folder and takes the lock file in it; a `Disk` does. */
  readonly disk: FolderLocker;
  /** Stamps the nodes, and says when a write that did not fit on the disk is tried again; the machine's own by default. */
  readonly clock?: Clock;
  /** Told of a write that did not fit on the disk and is tried again until it does; see {@link LmdbMetadataStore.sitsOutShortages}. */
  readonly onShortage?: (error: unknown) => void;
  /** Told once when a write has failed for good, so that the store takes no more. */
  readonly onFailed?: (error: MetadataError) => void;
}

/** Room for LMDB's table of readers, of which there is one. */
const LOCK_FILE_BYTES = 16 * 1024;
/** How long a write waits that did not fit on the disk. */
const SHORTAGE_PAUSE_MS = 2000;
/** Want of room on the disk, and of quota. */
const SHORTAGES = new Set(['ENOSPC', 'EDQUOT']);

/**
 * The embedded metadata store: a tree in memory, every write of which is in LMDB, synced, before it is answered. Values are
 * kept as MessagePack. One process at a time may open a folder.
 *
 * Ephemeral nodes are never written, so those of a process that died are gone when the next one opens the store; the
 * transaction number is, so that a broker that registers anew has a higher epoch than before.
 */
export class LmdbMetadataStore extends TreeMetadataStore {
  readonly #engine: TreeEngine;
  readonly #persistence: LmdbPersistence;

  private constructor(engine: TreeEngine, persistence: LmdbPersistence) {
    super(engine);
    this.#engine = engine;
    this.#persistence = persistence;
  }

  /**
   * Whether a write that does not fit on the disk is tried again until it does, and whatever comes behind it waits. False, the
   * default, lets the store fail instead: right while a program starts and while it stops.
   */
  get sitsOutShortages(): boolean {
    return this.#persistence.sitsOutShortages;
  }

  set sitsOutShortages(sitsOut: boolean) {
    this.#persistence.sitsOutShortages = sitsOut;
  }

  /**
   * Opens the store in a folder and loads it.
   * @throws {@link MetadataError} `STORE_LOCKED` when another process has it open, `STORE_CORRUPT` when it cannot be read or
   * comes from a newer version, `STORE_FAILED` when the system refuses to open it.
   */
  static async open(options: LmdbMetadataOptions): Promise<LmdbMetadataStore> {
    const { folder, disk } = options;
    await disk.makeFolder(folder);
    const lock = await disk.lock(`${folder}/.lock`);
    if (lock === undefined) {
      throw new MetadataError(
        'STORE_LOCKED',
        `Cannot open the metadata store in ${folder}: another process has it open. Stop that one or use another folder.`,
      );
    }
    let database: Database | undefined;
    try {
      await reserveLockFile(disk, folder);
      database = openDatabase(folder);
      const tree = loadTree(database, folder);
      const { clock = systemClock, onShortage = () => {}, onFailed } = options;
      const persistence = new LmdbPersistence(database, { clock, onShortage, release: () => lock.release() });
      return new LmdbMetadataStore(new TreeEngine(clock, persistence, tree, onFailed), persistence);
    } catch (error) {
      await database?.close();
      await lock.release();
      throw error;
    }
  }

  /** Ends this session and all others on the store, and closes the files. */
  override async close(): Promise<void> {
    this.sitsOutShortages = false;
    await super.close();
    await this.#engine.close();
  }
}

/**
 * LMDB maps its lock file into memory with its bytes not yet on the disk. Where the disk is full, touching them kills the
 * process (SIGBUS); bytes that were written before are there.
 */
async function reserveLockFile(disk: FolderLocker, folder: string): Promise<void> {
  const file = await disk.open(`${folder}/lock.mdb`, { create: true });
  try {
    if ((await file.size()) < LOCK_FILE_BYTES) await file.write(0, [Buffer.alloc(LOCK_FILE_BYTES)], { sync: false });
  } finally {
    await file.close();
  }
}

function openDatabase(folder: string): Database {
  try {
    return open<StoredNode | number, string>({
      path: folder,
      // A name with a dot is taken for a file otherwise.
      noSubdir: false,
      encoding: 'msgpack',
      cache: false,
      // A commit's promise must mean that the data is on the disk, not only visible.
      overlappingSync: false,
      // Every write is in a batch of ours; one around it would fail with it, with a promise that nobody can get hold of.
      eventTurnBatching: false,
    });
  } catch (cause) {
    throw new MetadataError(
      'STORE_FAILED',
      `Cannot open the metadata store in ${folder}. Check the folder's rights and space.`,
      { cause: withSystemCode(cause) },
    );
  }
}

function loadTree(database: Database, folder: string): MetadataTree {
  const tree = new MetadataTree();
  let path: Key = '';
  try {
    const format = database.get(FORMAT_KEY);
    if (format === undefined) return tree;
    if (format !== FORMAT) throw new Error(`Its format is ${String(format)}, this program reads ${FORMAT}.`);
    const zxid = database.get(ZXID_KEY);
    if (typeof zxid !== 'number') throw new Error('It has no transaction number.');
    tree.restoreZxid(zxid);
    // "0" follows "/", so the range holds the paths and nothing else. A parent sorts before its children.
    for (const { key, value } of database.getRange({ start: '/', end: '0' })) {
      path = key;
      if (!isStoredNode(value) || !tree.restore(key, fromStored(value)))
        throw new Error('A node has no parent or no content.');
    }
  } catch (cause) {
    throw new MetadataError(
      'STORE_CORRUPT',
      `Cannot read the metadata store in ${folder}${path === '' ? '' : ` at ${path}`}.`,
      {
        cause,
      },
    );
  }
  return tree;
}

/** What one LMDB transaction writes: the nodes as the last of its transactions left them, undefined for those that are gone. */
interface WriteGroup {
  readonly nodes: Map<string, TreeNode | undefined>;
  zxid: number;
  readonly written: Promise<void>;
}

/**
 * Writes what transactions touched, with one sync for all that came while the last group was being written. A group is begun
 * only after the one before it is on the disk: a failed write must never be followed by one that builds on it.
 */
class LmdbPersistence implements TreePersistence {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #onShortage: (error: unknown) => void;
  readonly #release: () => Promise<void>;
  #waiting: WriteGroup | undefined;
  #last: Promise<void> = Promise.resolve();
  #sitsOutShortages = false;
  /** Ends the pause of a write that did not fit. */
  #hurry: (() => void) | undefined;

  constructor(
    database: Database,
    surroundings: { clock: Clock; onShortage: (error: unknown) => void; release: () => Promise<void> },
  ) {
    this.#database = database;
    this.#clock = surroundings.clock;
    this.#onShortage = surroundings.onShortage;
    this.#release = surroundings.release;
  }

  get sitsOutShortages(): boolean {
    return this.#sitsOutShortages;
  }

  set sitsOutShortages(sitsOut: boolean) {
    this.#sitsOutShortages = sitsOut;
    if (!sitsOut) this.#hurry?.();
  }

  commit(tree: MetadataTree, transaction: AppliedTransaction): Promise<void> | undefined {
    if (transaction.touched.size === 0) return undefined;
    this.#waiting ??= this.#newGroup();
    const { nodes, written } = this.#waiting;
    for (const path of transaction.touched) {
      const node = tree.node(path);
      nodes.set(path, node?.ephemeralOwner === undefined ? node : undefined);
    }
    this.#waiting.zxid = transaction.zxid;
    return written;
  }

  async close(): Promise<void> {
    await this.#last.catch(() => undefined);
    await this.#database.close();
    await this.#release();
  }

  #newGroup(): WriteGroup {
    const written = this.#last.then(() => this.#write());
    // Whoever waits for a write of the group hears of its failure; this only keeps the next group from starting.
    written.catch(() => undefined);
    this.#last = written;
    return { nodes: new Map(), zxid: 0, written };
  }

  async #write(): Promise<void> {
    const group = this.#waiting;
    this.#waiting = undefined;
    if (group === undefined) return;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#writeGroup(group);
        return;
      } catch (error) {
        if (!this.#sitsOutShortages || !isShortage(error)) throw error;
        if (attempt === 1) this.#onShortage(error);
        await this.#pause();
      }
    }
  }

  async #writeGroup(group: WriteGroup): Promise<void> {
    const committed = this.#database.batch(() => {
      for (const [path, node] of group.nodes) {
        if (node === undefined) leaveToBatch(this.#database.remove(path));
        else leaveToBatch(this.#database.put(path, toStored(node)));
      }
      leaveToBatch(this.#database.put(ZXID_KEY, group.zxid));
      leaveToBatch(this.#database.put(FORMAT_KEY, FORMAT));
    });
    let isApplied: boolean;
    try {
      isApplied = await committed;
    } catch (error) {
      throw withSystemCode(await reasonOf(error));
    }
    if (!isApplied) throw new Error('LMDB did not apply the transaction.');
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.schedule(SHORTAGE_PAUSE_MS, resolve);
      this.#hurry = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}

/** The batch's promise tells of the failure of all that is in it; that of a single write would tell nobody. */
function leaveToBatch(write: Promise<boolean>): void {
  write.catch(() => undefined);
}

/** LMDB's error of a failed commit holds the reason in a promise. */
async function reasonOf(error: unknown): Promise<unknown> {
  try {
    await (error as { readonly commitError?: Promise<never> }).commitError;
    return error;
  } catch (reason) {
    return reason;
  }
}

/** LMDB gives the system's errors by their number; everybody else knows them by their name. */
function withSystemCode(error: unknown): unknown {
  const { code } = error as { readonly code?: unknown };
  if (!(error instanceof Error) || typeof code !== 'number' || code <= 0) return error;
  const name = getSystemErrorName(-code);
  return Object.assign(new Error(`${name}: ${error.message}`), { code: name });
}

function isShortage(error: unknown): boolean {
  return SHORTAGES.has(String((error as NodeJS.ErrnoException).code));
}

function isStoredNode(value: StoredNode | number): value is StoredNode {
  return Array.isArray(value) && typeof value[0] === 'string';
}

function toStored(node: TreeNode): StoredNode {
  return [node.data, node.version, node.childrenCreated, node.czxid, node.mzxid, node.createdMs, node.modifiedMs];
}

function fromStored(stored: StoredNode): TreeNode {
  const [data, version, childrenCreated, czxid, mzxid, createdMs, modifiedMs] = stored;
  return {
    data,
    version,
    childrenCreated,
    czxid,
    mzxid,
    createdMs,
    modifiedMs,
    ephemeralOwner: undefined,
  };
}
