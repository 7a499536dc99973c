import { type Clock, type Disk, systemClock } from '@millrace/ports';
import { TreeEngine } from './engine.ts';
import { MetadataError } from './errors.ts';
import { LOCK_FILE } from './journal/file-names.ts';
import { writeHead } from './journal/head.ts';
import { JOURNAL_BYTES_MAX, JournalPersistence, type OpenJournal, openNewJournal } from './journal/persistence.ts';
import { type JournalPlace, type Recovery, recover } from './journal/recovery.ts';
import { writeSnapshot } from './journal/snapshot.ts';
import { LMDB_FILE, readLmdbTree } from './lmdb/lmdb-tree.ts';
import type { MetadataTree } from './tree.ts';
import { TreeMetadataStore } from './tree-store.ts';

/** How {@link JournalMetadataStore.open} opens a store. */
export interface JournalMetadataOptions {
  /** The folder that holds the store; made where it is missing. */
  readonly folder: string;
  readonly disk: Disk;
  /** Stamps the nodes, and says when a write that did not fit on the disk is tried again; the machine's own by default. */
  readonly clock?: Clock;
  /** Told of a write that did not fit on the disk and is tried again until it does; see {@link JournalMetadataStore.sitsOutShortages}. */
  readonly onShortage?: (error: unknown) => void;
  /** Told once when a write has failed for good, so that the store takes no more. */
  readonly onFailed?: (error: MetadataError) => void;
  /** Told in a sentence of damage that cost nothing, and of a snapshot that could not be written and will be tried again. */
  readonly onWarning?: (message: string) => void;
  /** The size at which the journal is rolled and a snapshot taken. Default 2 MiB. */
  readonly journalBytesMax?: number;
}

/**
 * The embedded metadata store: a tree in memory, every write of which is in a journal, synced, before it is answered, and
 * snapshots so that the journal stays short. Whatever is kept has a checksum. One process at a time may open a folder.
 *
 * Ephemeral nodes are never kept, so those of a process that died are gone when the next one opens the store; the
 * transaction number is, so that a broker that registers anew has a higher epoch than before.
 */
export class JournalMetadataStore extends TreeMetadataStore {
  readonly #engine: TreeEngine;
  readonly #persistence: JournalPersistence;

  private constructor(engine: TreeEngine, persistence: JournalPersistence) {
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
   * @throws {@link MetadataError} `STORE_LOCKED` when another process has it open, `STORE_CORRUPT` when something that was answered
   * cannot be read or the store comes from a newer version, `STORE_FAILED` when the system refuses to open it.
   */
  static async open(options: JournalMetadataOptions): Promise<JournalMetadataStore> {
    const { folder, disk, clock = systemClock, onShortage = () => {}, onWarning = () => {} } = options;
    const lock = await lockStore(disk, folder);
    try {
      const { recovery, journal } = await openFiles(disk, folder, onWarning);
      const surroundings = {
        disk,
        folder,
        clock,
        journalBytesMax: options.journalBytesMax ?? JOURNAL_BYTES_MAX,
        onShortage,
        onSnapshotFailed: (error: unknown) =>
          onWarning(`A snapshot of the metadata store could not be written and will be tried again: ${String(error)}`),
        release: () => lock.release(),
      };
      const persistence = new JournalPersistence(surroundings, recovery.tree, journal);
      return new JournalMetadataStore(new TreeEngine(clock, persistence, recovery.tree, options.onFailed), persistence);
    } catch (error) {
      await lock.release();
      throw error instanceof MetadataError ? error : failedToOpen(folder, error);
    }
  }

  /** Ends this session and all others on the store, and closes the files. */
  override async close(): Promise<void> {
    this.sitsOutShortages = false;
    try {
      await super.close();
    } finally {
      // A store that has failed cannot write the end of its session; its files are closed and its lock is released all the same.
      await this.#engine.close();
    }
  }
}

/** Makes a store's folder and takes its lock. */
export async function lockStore(disk: Disk, folder: string): Promise<{ release(): Promise<void> }> {
  try {
    await disk.makeFolder(folder);
    const lock = await disk.lock(`${folder}/${LOCK_FILE}`);
    if (lock !== undefined) return lock;
  } catch (error) {
    await assertStoreFolder(disk, folder);
    throw failedToOpen(folder, error);
  }
  throw lockedStore(folder);
}

/** Says that another process has a store open. */
export function lockedStore(folder: string): MetadataError {
  return new MetadataError(
    'STORE_LOCKED',
    `Cannot open the metadata store in ${folder}: another process has it open. Stop that one or use another folder.`,
  );
}

/**
 * Makes sure that no file lies where a store's folder is or is to be; content where there is nothing.
 * @throws {@link MetadataError} `STORE_CORRUPT`
 */
export async function assertStoreFolder(disk: Pick<Disk, 'list' | 'stat'>, folder: string): Promise<void> {
  // Where a file lies in the place of a folder above, this one cannot be looked for.
  if ((await disk.stat(folder).catch(() => undefined)) === undefined) return;
  const code = await disk.list(folder).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error.code,
  );
  if (code !== 'ENOTDIR') return;
  throw new MetadataError(
    'STORE_CORRUPT',
    `The metadata store ${folder} should be a folder and is a file. Nothing was changed. Move the file away, and put the store's folder back ` +
      `from a copy, or have the topics taken from the logs' own files: "millrace metadata restore".`,
  );
}

async function openFiles(
  disk: Disk,
  folder: string,
  onWarning: (message: string) => void,
): Promise<{ recovery: Recovery; journal: OpenJournal }> {
  const recovery = await recoverOrMigrate(disk, folder, onWarning);
  if (recovery.fault !== undefined) throw corrupt(folder, recovery.fault);
  for (const warning of recovery.warnings) onWarning(`${warning} It lies in ${folder}.`);
  // A start mends what it can: damage that cost nothing today must not meet with another tomorrow.
  if (recovery.warnings.length > 0) return { recovery, journal: await rewrite(disk, folder, recovery) };
  if (recovery.journal === undefined) return { recovery, journal: await beginStore(disk, folder) };
  return { recovery, journal: await goOn(disk, folder, recovery.journal, recovery) };
}

/** Takes over what an earlier build kept in LMDB, once; its file stays under another name. */
async function recoverOrMigrate(disk: Disk, folder: string, onWarning: (message: string) => void): Promise<Recovery> {
  const recovery = await recover(disk, folder);
  const path = `${folder}/${LMDB_FILE}`;
  if ((await disk.stat(path)) === undefined) return recovery;
  const tree = await readLmdb(disk, folder);
  const isDone = recovery.journal !== undefined && recovery.tree.zxid >= tree.zxid;
  if (!isDone && tree.zxid > 0) {
    await openNewJournal(disk, folder, tree.zxid).then(({ file }) => file.close());
    await writeSnapshot(disk, folder, tree.zxid, tree.persistentNodes());
    await writeHead(disk, folder, { zxid: tree.zxid, isClosed: true });
    onWarning(`The metadata store was taken over from LMDB: ${tree.size} nodes. The old file stays as ${path}.old.`);
  }
  // The last step: while the file has its name, what was written above is not the store.
  await disk.rename(path, `${path}.old`);
  await disk.syncFolder(folder);
  return isDone ? recovery : await recover(disk, folder);
}

async function readLmdb(disk: Disk, folder: string): Promise<MetadataTree> {
  try {
    return readLmdbTree(await disk.readFile(`${folder}/${LMDB_FILE}`));
  } catch (cause) {
    throw new MetadataError(
      'STORE_CORRUPT',
      `The metadata store in ${folder} is damaged: ${LMDB_FILE}, which an earlier build wrote, cannot be read (${String(cause)}). ` +
        `Nothing was changed. Put a copy of it back, or have the topics taken from the logs' own files: "millrace metadata restore".`,
      { cause },
    );
  }
}

async function beginStore(disk: Disk, folder: string): Promise<OpenJournal> {
  const journal = await openNewJournal(disk, folder, 0);
  // The folder itself may be new, and those above it.
  for (let above = parentFolder(folder); above !== undefined; above = parentFolder(above)) {
    await disk.syncFolder(above).catch(() => undefined);
  }
  return journal;
}

function parentFolder(folder: string): string | undefined {
  if (folder === '/' || folder === '.') return undefined;
  const at = folder.lastIndexOf('/');
  if (at > 0) return folder.slice(0, at);
  return at === 0 ? '/' : '.';
}

/** Opens the journal behind its last whole frame, and makes sure that what was read is durable before anybody builds on it. */
async function goOn(disk: Disk, folder: string, place: JournalPlace, { tree, head }: Recovery): Promise<OpenJournal> {
  const { name, endBytes, sizeBytes, lastFrame } = place;
  const file = await disk.open(`${folder}/${name}`);
  try {
    if (sizeBytes > endBytes) {
      await file.truncate(endBytes);
      await file.sync();
    }
    const isKnownDurable = head.zxid === tree.zxid && head.isClosed;
    if (lastFrame !== undefined && !isKnownDurable) await file.write(lastFrame.at, [lastFrame.bytes], { sync: true });
    return { name, file, sizeBytes: endBytes, isUsed: lastFrame !== undefined && lastFrame.at > 0 };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Writes the tree as a snapshot of its own and begins a journal behind it. */
async function rewrite(disk: Disk, folder: string, { tree }: Recovery): Promise<OpenJournal> {
  // One transaction of nothing, so that no file of the names is there yet.
  tree.restoreZxid(tree.zxid + 1);
  const journal = await openNewJournal(disk, folder, tree.zxid);
  await writeSnapshot(disk, folder, tree.zxid, tree.persistentNodes());
  await writeHead(disk, folder, { zxid: tree.zxid, isClosed: true });
  return journal;
}

function failedToOpen(folder: string, cause: unknown): MetadataError {
  return new MetadataError(
    'STORE_FAILED',
    `Cannot open the metadata store in ${folder}: ${cause instanceof Error ? cause.message : String(cause)}. Check the folder's rights and space.`,
    { cause },
  );
}

function corrupt(folder: string, fault: string): MetadataError {
  return new MetadataError(
    'STORE_CORRUPT',
    `The metadata store in ${folder} is damaged. ${fault} Nothing was changed. "millrace metadata check" shows the files; ` +
      `"millrace metadata restore" goes back to the last state that is whole and takes topics that are missing from the logs' own files.`,
  );
}
