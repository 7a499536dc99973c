import type { Random } from './random.ts';

/** A change that no sync has made durable yet. */
interface Change {
  readonly position: number;
  /** What a write wrote; undefined for a change of size. */
  readonly written: Uint8Array | undefined;
  readonly sizeAfter: number;
  /** A sync that should have covered it has failed: no later one covers it. */
  isForsaken: boolean;
}

/** The unit in which a torn write may reach a disk out of order. */
const SECTOR_BYTES = 512;

const EMPTY = Buffer.alloc(0);

/** Bytes that grow: what a reader sees, or what is durable. */
class Content {
  #bytes = EMPTY;
  sizeBytes = 0;

  view(): Buffer {
    return this.#bytes.subarray(0, this.sizeBytes);
  }

  apply({ position, written, sizeAfter }: Change): void {
    if (written === undefined) this.resize(sizeAfter);
    else this.put(position, written);
  }

  put(position: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (position + bytes.length > this.sizeBytes) this.resize(position + bytes.length);
    this.#bytes.set(bytes, position);
  }

  resize(sizeBytes: number): void {
    if (sizeBytes > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(sizeBytes, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, this.sizeBytes);
      this.#bytes = grown;
    } else if (sizeBytes < this.sizeBytes) {
      this.#bytes.fill(0, sizeBytes, this.sizeBytes);
    }
    this.sizeBytes = sizeBytes;
  }

  flipBit(position: number, bit: number): void {
    const content = this.view();
    content.writeUInt8(content.readUInt8(position) ^ (1 << bit), position);
  }
}

/** A file in memory: what readers see, what is durable, and the changes that lie between the two. */
export class MemoryInode {
  readonly #seen = new Content();
  readonly #durable = new Content();
  #unsynced: Change[] = [];
  #hasForsaken = false;
  /** Whether a failed sync has ever given up bytes, so that what is seen need not be what is durable. */
  #hasGivenUp = false;
  readonly #now: () => number;
  /** When the content was last changed. */
  modifiedMs: number;

  constructor(now: () => number) {
    this.#now = now;
    this.modifiedMs = now();
  }

  get sizeBytes(): number {
    return this.#seen.sizeBytes;
  }

  /** A view of the content; changes with the next write. */
  content(): Buffer {
    return this.#seen.view();
  }

  write(position: number, chunks: readonly Uint8Array[]): void {
    const written = Buffer.concat(chunks);
    const sizeAfter = Math.max(this.sizeBytes, position + written.length);
    this.#change({ position, written, sizeAfter, isForsaken: false });
    this.modifiedMs = this.#now();
  }

  truncate(sizeBytes: number): void {
    this.#change({ position: sizeBytes, written: undefined, sizeAfter: sizeBytes, isForsaken: false });
  }

  /** Makes the changes durable that no failed sync has given up. */
  sync(): void {
    const forsaken: Change[] = [];
    for (const change of this.#unsynced) {
      if (change.isForsaken) forsaken.push(change);
      else this.#durable.apply(change);
    }
    this.#unsynced = forsaken;
    this.#hasForsaken = forsaken.length > 0;
  }

  /**
   * A sync has failed: the system counts the bytes as written from now on, though they need not be. Readers go on seeing
   * them, later syncs say nothing of them, and only writing them again helps (as on Linux with ext4). Sizes are journalled.
   */
  failSync(): void {
    for (const change of this.#unsynced) {
      if (change.written === undefined) continue;
      change.isForsaken = true;
      this.#hasForsaken = true;
      this.#hasGivenUp = true;
    }
  }

  /** Changes the stored content behind everybody's back, durably. */
  flipBit(position: number, bit: number): void {
    this.#seen.flipBit(position, bit);
    if (position < this.#durable.sizeBytes) this.#durable.flipBit(position, bit);
  }

  /**
   * Goes back to what is durable, and with `random` makes a random choice of the lost changes again: each may have reached
   * the disk whole, in part, or not at all, whatever became of those before it.
   */
  crash(random: Random | undefined): void {
    const lost = this.#unsynced;
    this.#unsynced = [];
    this.#hasForsaken = false;
    if (lost.length === 0 && !this.#hasGivenUp) return;
    this.#hasGivenUp = false;
    this.#seen.resize(0);
    this.#seen.put(0, this.#durable.view());
    this.#seen.resize(this.#durable.sizeBytes);
    if (random === undefined) return;
    for (const change of lost) this.#redoPart(change, random);
    // What a crash has left does not change by a further one.
    this.#durable.resize(0);
    this.#durable.put(0, this.#seen.view());
    this.#durable.resize(this.#seen.sizeBytes);
  }

  #change(change: Change): void {
    // Bytes that are written again, or cut off, are no longer those that a failed sync has given up.
    if (this.#hasForsaken) {
      this.#unsynced = this.#unsynced.filter((older) => !older.isForsaken || !replaces(change, older));
    }
    this.#unsynced.push(change);
    this.#seen.apply(change);
  }

  #redoPart(change: Change, random: Random): void {
    const { position, written, sizeAfter } = change;
    const choice = random.nextInt(4);
    if (choice === 0) return;
    if (written === undefined) {
      this.#seen.resize(sizeAfter);
      return;
    }
    if (choice === 3) this.#redoSectors(position, written, random);
    else
      this.#seen.put(position, written.subarray(0, choice === 1 ? written.length : random.nextInt(written.length + 1)));
    // The size may be durable while the bytes are not: they read as zeros then.
    if (random.nextInt(4) === 0) this.#seen.resize(Math.max(this.#seen.sizeBytes, sizeAfter));
  }

  /** Some sectors of a write are there and others are not, in no order. */
  #redoSectors(position: number, written: Uint8Array, random: Random): void {
    let at = 0;
    while (at < written.length) {
      const end = Math.min(written.length, at + SECTOR_BYTES - ((position + at) % SECTOR_BYTES));
      if (random.nextInt(2) === 0) this.#seen.put(position + at, written.subarray(at, end));
      at = end;
    }
  }
}

/** Whether `newer` touches bytes that `older` wrote, or cuts them off. */
function replaces(newer: Change, older: Change): boolean {
  const olderEnd = older.position + (older.written?.length ?? 0);
  if (newer.written === undefined) return olderEnd > newer.sizeAfter;
  return newer.position < olderEnd && older.position < newer.position + newer.written.length;
}
