import type { Clock, Disk, DiskFile } from '@millrace/ports';
import type { TreePersistence } from '../engine.ts';
import type { AppliedTransaction, MetadataTree, TreeNode } from '../tree.ts';
import { journalName, snapshotName, storeFiles } from './file-names.ts';
import { frameOf } from './frame.ts';
import { writeHead } from './head.ts';
import { encodeChanges, type NodeChange } from './node-codec.ts';
import { headerFrame, writeSnapshot } from './snapshot.ts';

/** How long a write waits that did not fit on the disk. */
const SHORTAGE_PAUSE_MS = 2000;
/** Want of room on the disk, and of quota. */
const SHORTAGES = new Set(['ENOSPC', 'EDQUOT']);
/** A journal is rolled when it is larger than this, and larger than twice the last snapshot: what a start reads stays small. */
export const JOURNAL_BYTES_MAX = 2 * 1024 * 1024;

/** What a journal is written with. */
export interface JournalSurroundings {
  readonly disk: Disk;
  readonly folder: string;
  readonly clock: Clock;
  readonly journalBytesMax: number;
  readonly onShortage: (error: unknown) => void;
  /** Told of a snapshot that could not be written; the journals hold the same, and it is tried again. */
  readonly onSnapshotFailed: (error: unknown) => void;
  readonly release: () => Promise<void>;
}

/** A journal that is open: where the next frame goes, and what was the last. */
export interface OpenJournal {
  readonly name: string;
  readonly file: DiskFile;
  sizeBytes: number;
  /** Whether it holds transactions behind its first frame. */
  isUsed: boolean;
}

/** What one frame will hold: the nodes as the last of its transactions left them, undefined for those that are gone. */
interface WriteGroup {
  readonly changes: Map<string, TreeNode | undefined>;
  zxid: number;
  readonly written: Promise<void>;
}

/** A tree at one moment, to become a snapshot. */
interface Capture {
  readonly zxid: number;
  readonly nodes: readonly NodeChange[];
}

/**
 * Writes what transactions touched to the journal, with one sync for all that came while the last group was being written. A
 * group is begun only after the one before it is durable, which is what tells an interrupted write from damage.
 */
export class JournalPersistence implements TreePersistence {
  readonly #surroundings: JournalSurroundings;
  readonly #tree: MetadataTree;
  #journal: OpenJournal;
  #snapshotBytes = 0;
  #waiting: WriteGroup | undefined;
  #last: Promise<void> = Promise.resolve();
  /** Taken with the write that makes the journal too long, for the snapshot that is made after it. */
  #capture: Capture | undefined;
  #snapshotting: Promise<void> | undefined;
  /** The size at which the journal is next rolled; put off where a roll did not succeed. */
  #rollAtBytes: number;
  #hasFailed = false;
  /** Whether the head says that the store is open; it does before the first write. */
  #isMarkedOpen = false;
  #sitsOutShortages = false;
  /** Ends the pause of a write that did not fit. */
  #hurry: (() => void) | undefined;

  constructor(surroundings: JournalSurroundings, tree: MetadataTree, journal: OpenJournal) {
    this.#surroundings = surroundings;
    this.#tree = tree;
    this.#journal = journal;
    // What a process that did not close the store has left is in one file only: the first write makes a snapshot of it.
    this.#rollAtBytes = journal.isUsed ? 0 : surroundings.journalBytesMax;
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
    const { changes, written } = this.#waiting;
    for (const path of transaction.touched) changes.set(path, tree.node(path));
    this.#waiting.zxid = transaction.zxid;
    return written;
  }

  async close(): Promise<void> {
    await this.#last.catch(() => undefined);
    await this.#snapshotting;
    try {
      if (!this.#hasFailed) await this.#closeInOrder();
    } catch (error) {
      // The journal holds all of it.
      this.#surroundings.onSnapshotFailed(error);
    }
    await this.#journal.file.close();
    await this.#surroundings.release();
  }

  /** Leaves the store in two places: a snapshot, and the one before it with its journals. */
  async #closeInOrder(): Promise<void> {
    const { disk, folder } = this.#surroundings;
    const { zxid } = this.#tree;
    if (this.#journal.isUsed) {
      const old = this.#journal;
      this.#journal = await openNewJournal(disk, folder, zxid);
      await old.file.close();
      await writeSnapshot(disk, folder, zxid, this.#tree.persistentNodes());
    }
    await writeHead(disk, folder, { zxid, isClosed: true });
    await removeOldFiles(disk, folder);
  }

  #newGroup(): WriteGroup {
    const written = this.#last.then(() => this.#write());
    // Whoever waits for a write of the group hears of its failure; this only keeps the next group from starting.
    written.catch(() => {
      this.#hasFailed = true;
    });
    this.#last = written.then(() => this.#rollIfDue());
    this.#last.catch(() => undefined);
    return { changes: new Map(), zxid: 0, written };
  }

  async #write(): Promise<void> {
    const group = this.#waiting;
    this.#waiting = undefined;
    if (group === undefined) return;
    const frame = frameOf('transactions', group.zxid, encodeChanges(group.changes));
    const journal = this.#journal;
    // At this moment the tree holds this group and nothing after it.
    const isRollDue = journal.sizeBytes + frame.length > this.#rollAtBytes && this.#snapshotting === undefined;
    this.#capture = isRollDue ? { zxid: group.zxid, nodes: this.#tree.persistentNodes() } : undefined;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#markOpen(group.zxid - 1);
        await journal.file.write(journal.sizeBytes, [frame], { sync: true });
        journal.sizeBytes += frame.length;
        journal.isUsed = true;
        return;
      } catch (error) {
        if (!this.#sitsOutShortages || !isShortage(error)) throw error;
        if (attempt === 1) this.#surroundings.onShortage(error);
        await this.#pause();
      }
    }
  }

  /** Before the first write the head must not say any more that the store is closed. */
  async #markOpen(zxid: number): Promise<void> {
    if (this.#isMarkedOpen) return;
    await writeHead(this.#surroundings.disk, this.#surroundings.folder, { zxid, isClosed: false });
    this.#isMarkedOpen = true;
  }

  /** Goes on in a new journal, and writes what the old one led to as a snapshot beside the writes that follow. */
  async #rollIfDue(): Promise<void> {
    const capture = this.#capture;
    this.#capture = undefined;
    if (capture === undefined) return;
    const old = this.#journal;
    try {
      this.#journal = await openNewJournal(this.#surroundings.disk, this.#surroundings.folder, capture.zxid);
    } catch (error) {
      this.#putOff(error);
      return;
    }
    await old.file.close().catch(() => undefined);
    this.#snapshotting = this.#writeSnapshot(capture).finally(() => {
      this.#snapshotting = undefined;
    });
  }

  async #writeSnapshot({ zxid, nodes }: Capture): Promise<void> {
    const { disk, folder, journalBytesMax } = this.#surroundings;
    try {
      this.#snapshotBytes = await writeSnapshot(disk, folder, zxid, nodes as readonly (readonly [string, TreeNode])[]);
      this.#rollAtBytes = Math.max(journalBytesMax, 2 * this.#snapshotBytes);
      await writeHead(disk, folder, { zxid, isClosed: false });
      await removeOldFiles(disk, folder);
    } catch (error) {
      this.#putOff(error);
    }
  }

  #putOff(error: unknown): void {
    this.#rollAtBytes = this.#journal.sizeBytes + this.#surroundings.journalBytesMax;
    this.#surroundings.onSnapshotFailed(error);
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#surroundings.clock.schedule(SHORTAGE_PAUSE_MS, resolve);
      this.#hurry = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}

/** Begins a journal at a transaction; it is durable, name and all, when this returns. */
export async function openNewJournal(disk: Disk, folder: string, zxid: number): Promise<OpenJournal> {
  const name = journalName(zxid);
  const header = headerFrame(zxid);
  try {
    await disk.replaceFile(`${folder}/${name}`, header);
    return { name, file: await disk.open(`${folder}/${name}`), sizeBytes: header.length, isUsed: false };
  } catch (error) {
    // Left behind it would be passed over, for it holds nothing.
    await disk.remove(`${folder}/${name}`).catch(() => undefined);
    throw error;
  }
}

/**
 * Removes what no start needs any more. The last snapshot but one stays, with the journals since then: where the last one
 * turns out to be damaged, they hold the same.
 */
export async function removeOldFiles(disk: Disk, folder: string): Promise<void> {
  const { snapshots, journals } = storeFiles(await disk.list(folder));
  const kept = snapshots.at(-2);
  if (kept === undefined) return;
  for (const zxid of snapshots) if (zxid < kept) await disk.remove(`${folder}/${snapshotName(zxid)}`);
  for (const zxid of journals) if (zxid < kept) await disk.remove(`${folder}/${journalName(zxid)}`);
  await disk.syncFolder(folder);
}

function isShortage(error: unknown): boolean {
  return SHORTAGES.has(String((error as NodeJS.ErrnoException).code));
}
