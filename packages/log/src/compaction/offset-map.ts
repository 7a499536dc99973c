import { hash } from 'node:crypto';

/** 16 bytes of the key's hash and 8 of its offset, as in Kafka's `SkimpyOffsetMap`. */
export const OFFSET_MAP_SLOT_BYTES = 24;

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
  #size = 0;

  /**
   * @param recordsMax how many records there are at most; it takes no more memory than they need
   * @param bytesMax bound of its memory (`log.cleaner.dedupe.buffer.size`)
   * @param loadFactor how full it may get (`log.cleaner.io.buffer.load.factor`)
   */
  constructor(recordsMax: number, bytesMax: number, loadFactor: number) {
    let slots = SLOTS_MIN;
    while (slots * loadFactor < recordsMax && slots * 2 * OFFSET_MAP_SLOT_BYTES <= bytesMax) slots *= 2;
    this.keysMax = Math.max(Math.floor(slots * loadFactor), 1);
    this.#mask = slots - 1;
    this.#hashes = new Uint32Array(slots * HASH_WORDS);
    this.#offsets = new Float64Array(slots).fill(EMPTY_SLOT);
  }

  get size(): number {
    return this.#size;
  }

  /** Notes the offset of a key's newest record. False, and nothing noted, when there is no room for another key. */
  put(key: Uint8Array, offset: number): boolean {
    const slot = this.#slotOf(key);
    if (this.#offsets[slot] === EMPTY_SLOT) {
      if (this.#size >= this.keysMax) return false;
      this.#hashes.set(this.#probed, slot * HASH_WORDS);
      this.#size++;
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
    for (let word = 0; word < HASH_WORDS; word++) this.#probed[word] = digest.readUInt32LE(word * 4);
    const step = this.#probed[1]! | 1;
    let slot = this.#probed[0]! & this.#mask;
    while (this.#offsets[slot] !== EMPTY_SLOT && !this.#holds(slot)) slot = (slot + step) & this.#mask;
    return slot;
  }

  #holds(slot: number): boolean {
    const at = slot * HASH_WORDS;
    for (let word = 0; word < HASH_WORDS; word++) {
      if (this.#hashes[at + word] !== this.#probed[word]) return false;
    }
    return true;
  }
}
