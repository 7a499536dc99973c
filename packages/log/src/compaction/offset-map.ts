import { hash } from 'node:crypto';

/** 16 bytes of the key's hash and 8 of its offset, as in Kafka's `SkimpyOffsetMap`. */
export const OFFSET_MAP_SLOT_BYTES = 24;

/** Memory of an {@link OffsetMap}, which threads can share. */
export interface OffsetMapMemory {
  readonly hashes: SharedArrayBuffer;
  readonly offsets: SharedArrayBuffer;
  /** How many keys are in it: one int32. */
  readonly size: SharedArrayBuffer;
  /** How many keys it takes. */
  readonly keysMax: number;
}

const HASH_WORDS = 4;
const SLOTS_MIN = 16;
const EMPTY_SLOT = -1;

/**
 * The newest offset of each key, in bounded memory: keys are kept as hashes only, cryptographic ones, so that nobody can have
 * another's records removed by choosing keys.
 */
export class OffsetMap {
  /** How many keys it takes. */
  readonly keysMax: number;
  readonly #mask: number;
  readonly #hashes: Uint32Array;
  readonly #offsets: Float64Array;
  readonly #probed = new Uint32Array(HASH_WORDS);
  readonly #size: Int32Array;

  /**
   * Memory for the keys of a cleaning.
   *
   * @param recordsMax how many records there are at most; it takes no more memory than they need
   * @param bytesMax bound of its memory (`log.cleaner.dedupe.buffer.size`)
   * @param loadFactor how full it may get (`log.cleaner.io.buffer.load.factor`)
   */
  static memory(recordsMax: number, bytesMax: number, loadFactor: number): OffsetMapMemory {
    let slots = SLOTS_MIN;
    while (slots * loadFactor < recordsMax && slots * 2 * OFFSET_MAP_SLOT_BYTES <= bytesMax) slots *= 2;
    const hashes = new SharedArrayBuffer(slots * HASH_WORDS * Uint32Array.BYTES_PER_ELEMENT);
    const offsets = new SharedArrayBuffer(slots * Float64Array.BYTES_PER_ELEMENT);
    new Float64Array(offsets).fill(EMPTY_SLOT);
    const size = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    return { hashes, offsets, size, keysMax: Math.max(Math.floor(slots * loadFactor), 1) };
  }

  /** @param memory for one at a time; what an earlier one has noted is there */
  constructor({ hashes, offsets, size, keysMax }: OffsetMapMemory) {
    this.keysMax = keysMax;
    this.#hashes = new Uint32Array(hashes);
    this.#offsets = new Float64Array(offsets);
    this.#size = new Int32Array(size);
    this.#mask = this.#offsets.length - 1;
  }

  get size(): number {
    return this.#size[0]!;
  }

  /** Notes the offset of a key's newest record. False, and nothing noted, when there is no room for another key. */
  put(key: Uint8Array, offset: number): boolean {
    const slot = this.#slotOf(key);
    if (this.#offsets[slot] === EMPTY_SLOT) {
      if (this.size >= this.keysMax) return false;
      this.#hashes.set(this.#probed, slot * HASH_WORDS);
      this.#size[0]! += 1;
    }
    this.#offsets[slot] = offset;
    return true;
  }

  /** The offset noted for a key; -1 when there is none. */
  get(key: Uint8Array): number {
    return this.#offsets[this.#slotOf(key)]!;
  }

  /** The key's slot, or the empty one where it would go. Some slot is always empty, and an odd step reaches every slot. */
  #slotOf(key: Uint8Array): number {
    const digest = hash('sha256', key, 'buffer');
    for (let word = 0; word < HASH_WORDS; word += 1) this.#probed[word] = digest.readUInt32LE(word * 4);
    const step = this.#probed[1]! | 1;
    let slot = this.#probed[0]! & this.#mask;
    while (this.#offsets[slot] !== EMPTY_SLOT && !this.#holds(slot)) slot = (slot + step) & this.#mask;
    return slot;
  }

  #holds(slot: number): boolean {
    const at = slot * HASH_WORDS;
    for (let word = 0; word < HASH_WORDS; word += 1) {
      if (this.#hashes[at + word] !== this.#probed[word]) return false;
    }
    return true;
  }
}
