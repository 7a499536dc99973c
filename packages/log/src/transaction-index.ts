import { readInt64, writeInt64 } from '@millrace/records';
import { MalformedFileError } from './errors.ts';
import { isUnusableIndex } from './index-file.ts';
import type { PooledFile } from './open-files.ts';
import type { CompletedTransaction } from './open-transactions.ts';

/** int16 version 0, int64 producer id, first offset, last offset, last stable offset (Kafka's `AbortedTxn`). */
const ENTRY_BYTES = 34;
const VERSION = 0;

/** An aborted transaction as the index has it. */
export type AbortedEntry = Omit<CompletedTransaction, 'isAborted'>;

/**
 * The aborted transactions whose markers lie in one segment, in the order of the markers (Kafka's `TransactionIndex`). Most
 * segments have none, and then there is no file.
 */
export class TransactionIndex {
  readonly file: PooledFile;
  /** Undefined until the file was read. */
  #stored: AbortedEntry[] | undefined;
  #unwritten: AbortedEntry[] = [];
  #unsynced = false;
  #exists: boolean;

  constructor(file: PooledFile, exists: boolean) {
    this.file = file;
    this.#exists = exists;
    this.#stored = exists ? undefined : [];
  }

  /** Whether there is nothing in it. */
  get isEmpty(): boolean {
    return !this.#exists && this.#unwritten.length === 0;
  }

  get exists(): boolean {
    return this.#exists;
  }

  append(entry: AbortedEntry): void {
    this.#unwritten.push(entry);
  }

  /** All entries, in order. */
  async entries(): Promise<readonly AbortedEntry[]> {
    const stored = this.#stored ?? (await this.#load());
    // Earlier builds could leave a place full of zeros: a transaction that ended where it began, which none does. It keeps its place.
    const real = stored.every(isReal) ? stored : stored.filter(isReal);
    return this.#unwritten.length === 0 ? real : [...real, ...this.#unwritten];
  }

  /** Writes what is in memory only, and syncs where `sync` is set. Calls must not overlap; the partition's writer sees to that. */
  async flush(options: { sync: boolean }): Promise<void> {
    if (this.#unwritten.length > 0) {
      const stored = this.#stored ?? (await this.#load());
      // Markers come while these are written: what is appended then is for the next time.
      const entries = [...this.#unwritten];
      const bytes = encode(entries);
      await this.file.use((file) => file.write(stored.length * ENTRY_BYTES, [bytes], { sync: false }), {
        create: true,
      });
      this.#stored = [...stored, ...entries];
      this.#unwritten = this.#unwritten.slice(entries.length);
      this.#exists = true;
      this.#unsynced = true;
    }
    if (options.sync && this.#unsynced) {
      await this.file.use((file) => file.sync(), { create: true });
      this.#unsynced = false;
    }
  }

  /** Drops the entries whose marker lies at or behind an offset. */
  async truncateFrom(offset: number): Promise<void> {
    if (this.isEmpty) return;
    const stored = this.#stored ?? (await this.#load());
    const kept = stored.filter((entry) => entry.lastOffset < offset);
    // What the file does not hold yet, it must be given later, or its place would be full of zeros: transactions that nobody aborted.
    this.#unwritten = this.#unwritten.filter((entry) => entry.lastOffset < offset);
    this.#stored = kept;
    if (this.#exists) await this.file.use((file) => file.truncate(kept.length * ENTRY_BYTES), { create: true });
    this.#unsynced = this.#exists;
  }

  release(): void {
    this.file.close();
  }

  async #load(): Promise<AbortedEntry[]> {
    this.#stored ??= decode(await this.#read());
    return this.#stored;
  }

  async #read(): Promise<Buffer> {
    try {
      return await this.file.use(async (file) => file.read(0, await file.size()));
    } catch (error) {
      if (isUnusableIndex(error)) return Buffer.alloc(0);
      throw error;
    }
  }
}

/** A marker lies behind the transaction's first record. */
function isReal({ firstOffset, lastOffset }: AbortedEntry): boolean {
  return lastOffset > firstOffset;
}

/**
 * The entries of a transaction index's file.
 *
 * @throws MalformedFileError when it does not consist of whole entries of a version that is known
 */
export function decodeTransactionIndex(bytes: Buffer, path: string): AbortedEntry[] {
  if (bytes.length % ENTRY_BYTES !== 0) {
    throw new MalformedFileError(path, `${bytes.length} bytes are no whole number of entries of ${ENTRY_BYTES}`);
  }
  for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
    const version = bytes.readInt16BE(at);
    if (version !== VERSION) throw new MalformedFileError(path, `version ${version} at byte ${at} is not known`);
  }
  return decode(bytes);
}

/** A torn last entry is dropped: recovery finds its marker again. */
function decode(bytes: Buffer): AbortedEntry[] {
  const entries: AbortedEntry[] = [];
  for (let at = 0; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES) {
    entries.push({
      producerId: readInt64(bytes, at + 2),
      firstOffset: readInt64(bytes, at + 10),
      lastOffset: readInt64(bytes, at + 18),
      lastStableOffset: readInt64(bytes, at + 26),
    });
  }
  return entries;
}

function encode(entries: readonly AbortedEntry[]): Buffer {
  const bytes = Buffer.alloc(entries.length * ENTRY_BYTES);
  entries.forEach((entry, index) => {
    const at = index * ENTRY_BYTES;
    bytes.writeInt16BE(VERSION, at);
    writeInt64(bytes, at + 2, entry.producerId);
    writeInt64(bytes, at + 10, entry.firstOffset);
    writeInt64(bytes, at + 18, entry.lastOffset);
    writeInt64(bytes, at + 26, entry.lastStableOffset);
  });
  return bytes;
}
