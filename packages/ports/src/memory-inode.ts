import type { Random } from './random.ts';

/** A change since the last sync, with what it takes to undo it and to make it again. */
interface Change {
  readonly position: number;
  /** What a write wrote; undefined for a change of size. */
  readonly written: Uint8Array | undefined;
  /** The bytes from `position` on that were there before. */
  readonly before: Uint8Array;
  readonly sizeBefore: number;
  readonly sizeAfter: number;
}

const EMPTY = Buffer.alloc(0);

/** The content of a file in memory, with the changes since the last sync so that a crash can lose them. */
export class MemoryInode {
  #bytes = EMPTY;
  #sizeBytes = 0;
  #unsynced: Change[] = [];
  readonly #now: () => number;
  /** When the content was last changed. */
  modifiedMs: number;

  constructor(now: () => number) {
    this.#now = now;
    this.modifiedMs = now();
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** A view of the content; changes with the next write. */
  content(): Buffer {
    return this.#bytes.subarray(0, this.#sizeBytes);
  }

  write(position: number, chunks: readonly Uint8Array[]): void {
    const written = Buffer.concat(chunks);
    this.#unsynced.push({
      position,
      written,
      before: Buffer.from(this.content().subarray(position, position + written.length)),
      sizeBefore: this.#sizeBytes,
      sizeAfter: Math.max(this.#sizeBytes, position + written.length),
    });
    this.#put(position, written);
    this.modifiedMs = this.#now();
  }

  truncate(sizeBytes: number): void {
    this.#unsynced.push({
      position: sizeBytes,
      written: undefined,
      before: Buffer.from(this.content().subarray(sizeBytes)),
      sizeBefore: this.#sizeBytes,
      sizeAfter: sizeBytes,
    });
    this.#resize(sizeBytes);
  }

  sync(): void {
    this.#unsynced = [];
  }

  /** Changes the stored content behind everybody's back, durably. */
  flipBit(position: number, bit: number): void {
    const content = this.content();
    content.writeUInt8(content.readUInt8(position) ^ (1 << bit), position);
  }

  /**
   * Goes back to what is durable, and with `random` makes a random choice of the lost changes again: each may have reached
   * the disk whole, in part, or not at all, whatever became of those before it.
   */
  crash(random: Random | undefined): void {
    const lost = this.#unsynced;
    this.#unsynced = [];
    for (const change of lost.toReversed()) {
      this.#resize(change.sizeBefore);
      this.#put(change.position, change.before);
    }
    if (random === undefined) return;
    for (const change of lost) {
      this.#redoPart(change, random);
    }
  }

  #redoPart(change: Change, random: Random): void {
    const choice = random.nextInt(3);
    if (choice === 0) return;
    if (change.written === undefined) {
      this.#resize(change.sizeAfter);
      return;
    }
    const kept = choice === 1 ? change.written.length : random.nextInt(change.written.length + 1);
    this.#put(change.position, change.written.subarray(0, kept));
    // The size may be durable while the bytes are not: they read as zeros then.
    if (random.nextInt(4) === 0) this.#resize(Math.max(this.#sizeBytes, change.sizeAfter));
  }

  #put(position: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (position + bytes.length > this.#sizeBytes) this.#resize(position + bytes.length);
    this.#bytes.set(bytes, position);
  }

  #resize(sizeBytes: number): void {
    if (sizeBytes > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(sizeBytes, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, this.#sizeBytes);
      this.#bytes = grown;
    } else if (sizeBytes < this.#sizeBytes) {
      this.#bytes.fill(0, sizeBytes, this.#sizeBytes);
    }
    this.#sizeBytes = sizeBytes;
  }
}
