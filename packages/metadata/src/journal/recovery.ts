import type { Disk } from '@millrace/ports';
import { MetadataTree } from '../tree.ts';
import { HEAD_FILE, journalName, type StoreFiles, snapshotName, storeFiles } from './file-names.ts';
import { frameAt, judgeEnd } from './frame.ts';
import { type Head, readHead } from './head.ts';
import { decodeChanges } from './node-codec.ts';
import { decodeSnapshot, headerFault } from './snapshot.ts';

/** The part of the disk port that reading a store needs. */
export type StoreReader = Pick<Disk, 'list' | 'stat' | 'readFile'>;

/** The journal that is written on with. */
export interface JournalPlace {
  readonly name: string;
  /** Where the whole frames end. */
  readonly endBytes: number;
  /** The size of the file; what lies between is what a crash left of a write that nobody was told of. */
  readonly sizeBytes: number;
  /** The last frame that is whole. Whether it is durable is not known: the process may have died between writing and syncing it. */
  readonly lastFrame: { readonly at: number; readonly bytes: Buffer } | undefined;
}

/** What the files of a folder hold. */
export interface Recovery {
  /** The tree, as far as the files are whole. */
  readonly tree: MetadataTree;
  readonly files: StoreFiles;
  /** Why the tree is not all that was answered, as sentences; undefined when it is. */
  readonly fault: string | undefined;
  /** Damage that cost nothing, as sentences. */
  readonly warnings: readonly string[];
  /** Undefined where there is no store yet, or a fault. */
  readonly journal: JournalPlace | undefined;
  /** How far the store had come at the least, and whether it was closed there, whatever the other files say. */
  readonly head: Head;
}

/** Reads a folder's store as far as it is whole, and says what is wrong with it. Changes nothing. */
export async function recover(disk: StoreReader, folder: string): Promise<Recovery> {
  return new Recoverer(disk, folder).run();
}

class Recoverer {
  readonly #disk: StoreReader;
  readonly #folder: string;
  readonly #warnings: string[] = [];
  #tree = new MetadataTree();
  /** What is whole of a snapshot that is not, for a restoration when nothing better is left. */
  #remains = new MetadataTree();
  #fault: string | undefined;
  #journal: JournalPlace | undefined;

  constructor(disk: StoreReader, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
  }

  async run(): Promise<Recovery> {
    const files = storeFiles(await this.#disk.list(this.#folder));
    const head = await this.#head();
    if (files.snapshots.length > 0 || files.journals.length > 0) {
      const base = await this.#loadSnapshot(files);
      if (base !== undefined) await this.#replayJournals(files, base);
      if (this.#fault !== undefined && head.isClosed && head.zxid === base) this.#forgiveJournal();
    }
    if (this.#fault === undefined && head.zxid > this.#tree.zxid) {
      this.#fault = `The store had come to transaction ${head.zxid}, as its file "${HEAD_FILE}" says, and its files end at ${this.#tree.zxid}: one of them was cut short or is gone.`;
    }
    const journal = this.#fault === undefined ? this.#journal : undefined;
    if (this.#fault !== undefined && this.#remains.size > this.#tree.size) this.#tree = this.#remains;
    return { tree: this.#tree, files, fault: this.#fault, warnings: this.#warnings, journal, head };
  }

  async #head(): Promise<Head> {
    const head = await readHead(this.#disk, this.#folder);
    if (head === undefined) this.#warnings.push(`The file "${HEAD_FILE}" is damaged; it is written anew.`);
    return head ?? { zxid: 0, isClosed: false };
  }

  /** The store was closed at its last snapshot, so its last journal held nothing. */
  #forgiveJournal(): void {
    this.#warnings.push(`${this.#fault} The store was closed in order before, and its last snapshot is all of it.`);
    this.#fault = undefined;
  }

  /** Takes the newest snapshot that is whole; returns the transaction from which journals go on, or undefined after a fault. */
  async #loadSnapshot({ snapshots, journals }: StoreFiles): Promise<number | undefined> {
    const faults: string[] = [];
    for (const zxid of snapshots.toReversed()) {
      const { tree, fault } = decodeSnapshot(await this.#read(snapshotName(zxid)), zxid);
      if (fault === undefined) {
        this.#warnings.push(
          ...faults.map((each) => `${each} The one before it and the journals should hold the same.`),
        );
        this.#tree = tree;
        return zxid;
      }
      faults.push(`The snapshot ${snapshotName(zxid)} is damaged: ${fault}.`);
      if (tree.size > this.#remains.size) this.#remains = tree;
    }
    // The first journal of a store begins with nothing.
    if (journals[0] === 0) {
      this.#warnings.push(...faults.map((each) => `${each} The journals should hold the same.`));
      return 0;
    }
    this.#fault = faults.length > 0 ? faults.join(' ') : 'The snapshot that the journals go on from is gone.';
    return undefined;
  }

  async #replayJournals({ journals }: StoreFiles, base: number): Promise<void> {
    let isCut = false;
    for (const zxid of journals) {
      if (zxid < base) continue;
      const name = journalName(zxid);
      const bytes = await this.#read(name);
      // What a roll left that did not come to its end holds nothing, and the one before it was written on.
      if (isEmptyJournal(bytes) && (isCut || zxid !== this.#tree.zxid)) continue;
      if (isCut || zxid !== this.#tree.zxid) {
        this.#fault = `The journal ${name} does not go on where what is before it ends, at transaction ${this.#tree.zxid}: a file is missing or was cut short.`;
        return;
      }
      this.#replay(name, bytes);
      if (this.#fault !== undefined) return;
      // A crash interrupts the last write of all; a journal that another follows is whole.
      isCut = this.#journal !== undefined && this.#journal.endBytes < this.#journal.sizeBytes;
    }
    if (this.#journal === undefined) this.#fault = `The journal ${journalName(this.#tree.zxid)} is gone.`;
  }

  #replay(name: string, bytes: Buffer): void {
    let at = 0;
    let lastFrame: JournalPlace['lastFrame'];
    for (let frame = frameAt(bytes, at); frame !== undefined; frame = frameAt(bytes, at)) {
      const fault = frame.kind === 'header' ? headerFault(frame.payload) : this.#replayFrame(frame.zxid, frame.payload);
      if (fault !== undefined) {
        this.#fault = `The journal ${name} cannot be read at byte ${at}: ${fault}.`;
        return;
      }
      lastFrame = { at, bytes: bytes.subarray(at, frame.end) };
      at = frame.end;
    }
    // Its first frame is durable before the file has its name.
    if (at === 0 || judgeEnd(bytes, at, this.#tree.zxid) === 'damaged') {
      this.#fault = `The journal ${name} is damaged at byte ${at} of ${bytes.length}: it is whole up to transaction ${this.#tree.zxid}, and what was answered after that cannot be read.`;
      return;
    }
    this.#journal = { name, endBytes: at, sizeBytes: bytes.length, lastFrame };
  }

  #replayFrame(zxid: number, payload: Buffer): string | undefined {
    if (zxid <= this.#tree.zxid) return `transaction ${zxid} follows ${this.#tree.zxid}`;
    const orphan = this.#tree.replay(decodeChanges(payload), zxid);
    return orphan === undefined ? undefined : `${orphan} has no parent`;
  }

  #read(name: string): Promise<Buffer> {
    return this.#disk.readFile(`${this.#folder}/${name}`);
  }
}

/** Whether a journal holds nothing but its first frame: what is left of a roll that did not come to its end. */
function isEmptyJournal(bytes: Buffer): boolean {
  const frame = frameAt(bytes, 0);
  return frame?.kind === 'header' && frame.end === bytes.length;
}
