/** Reads MessagePack as far as it can be shown as JSON: from strangers, so with bounds and without objects that have prototypes of theirs. */

/** Deeper than that nobody reads. */
const DEPTH_MAX = 64;
/** More values than that are not taken out of one message. */
const VALUES_MAX = 100_000;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Bytes that are no MessagePack, or not alone. */
class NotMessagePack extends Error {}

/**
 * A map or a list in MessagePack as JSON; undefined where the bytes are not exactly one. Numbers and texts by themselves are not looked
 * for: any byte is one.
 */
export function messagePackAsJson(bytes: Buffer): string | undefined {
  if (!beginsMessagePack(bytes[0] ?? 0) || bytes.length < 2) return undefined;
  try {
    const reader = new Reader(bytes);
    const value = reader.value(0);
    return reader.isAtEnd ? JSON.stringify(value) : undefined;
  } catch (error) {
    if (error instanceof NotMessagePack || error instanceof RangeError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Whether a map or a list may begin with a byte. */
export function beginsMessagePack(first: number): boolean {
  return (first >= 0x80 && first <= 0x9f) || (first >= 0xdc && first <= 0xdf);
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  #values = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  value(depth: number): unknown {
    this.#values += 1;
    if (depth > DEPTH_MAX || this.#values > VALUES_MAX) throw new NotMessagePack();
    const type = this.#uint(1);
    if (type < 0x80) return type;
    if (type < 0x90) return this.#map(type & 0x0f, depth);
    if (type < 0xa0) return this.#list(type & 0x0f, depth);
    if (type < 0xc0) return this.#text(type & 0x1f);
    if (type >= 0xe0) return type - 0x100;
    return this.#typed(type, depth);
  }

  #typed(type: number, depth: number): unknown {
    if (type === 0xc0) return null;
    if (type === 0xc2 || type === 0xc3) return type === 0xc3;
    if (type >= 0xc4 && type <= 0xc6) return this.#binary(this.#uint(1 << (type - 0xc4)));
    if (type >= 0xc7 && type <= 0xc9) return this.#extension(this.#uint(1 << (type - 0xc7)));
    if (type === 0xca) return this.#bytes.readFloatBE(this.#take(4));
    if (type === 0xcb) return this.#bytes.readDoubleBE(this.#take(8));
    if (type >= 0xcc && type <= 0xce) return this.#uint(1 << (type - 0xcc));
    if (type === 0xcf) return wide(this.#bytes.readBigUInt64BE(this.#take(8)));
    if (type === 0xd3) return wide(this.#bytes.readBigInt64BE(this.#take(8)));
    if (type >= 0xd0 && type <= 0xd2) return this.#int(1 << (type - 0xd0));
    if (type >= 0xd4 && type <= 0xd8) return this.#extension(1 << (type - 0xd4));
    if (type >= 0xd9 && type <= 0xdb) return this.#text(this.#uint(1 << (type - 0xd9)));
    if (type === 0xdc || type === 0xdd) return this.#list(this.#uint(type === 0xdc ? 2 : 4), depth);
    if (type === 0xde || type === 0xdf) return this.#map(this.#uint(type === 0xde ? 2 : 4), depth);
    throw new NotMessagePack();
  }

  #map(size: number, depth: number): unknown {
    const entries: [string, unknown][] = [];
    for (let i = 0; i < size; i += 1) {
      const key = this.value(depth + 1);
      entries.push([typeof key === 'string' ? key : JSON.stringify(key), this.value(depth + 1)]);
    }
    // Defines, and so sets no prototype whatever a key is called.
    return Object.fromEntries(entries);
  }

  #list(size: number, depth: number): unknown[] {
    const list: unknown[] = [];
    for (let i = 0; i < size; i += 1) list.push(this.value(depth + 1));
    return list;
  }

  #text(length: number): string {
    const at = this.#take(length);
    return utf8.decode(this.#bytes.subarray(at, at + length));
  }

  #binary(length: number): string {
    const at = this.#take(length);
    return `base64:${this.#bytes.toString('base64', at, at + length)}`;
  }

  /** Type -1 is a time; what others mean only their program knows. */
  #extension(length: number): unknown {
    const type = this.#int(1);
    const at = this.#take(length);
    if (type === -1 && length === 4) return new Date(this.#bytes.readUInt32BE(at) * 1000).toISOString();
    if (type === -1 && length === 8) {
      const both = this.#bytes.readBigUInt64BE(at);
      return new Date(Number(both & 0x3_ffff_ffffn) * 1000 + Number(both >> 34n) / 1e6).toISOString();
    }
    return `extension ${type}: ${this.#bytes.toString('base64', at, at + length)}`;
  }

  #uint(length: number): number {
    return this.#bytes.readUIntBE(this.#take(length), length);
  }

  #int(length: number): number {
    return this.#bytes.readIntBE(this.#take(length), length);
  }

  #take(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length) throw new NotMessagePack();
    this.#at += length;
    return at;
  }
}

/** JSON has no numbers that wide, and a rounded one would be a wrong one. */
function wide(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}
