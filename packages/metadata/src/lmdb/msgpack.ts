/** What LMDB's values were kept as: numbers, text, and arrays of the two. */
export type PackedValue = number | string | readonly PackedValue[];

/** Reads one MessagePack value of the kinds that the store wrote. Throws a RangeError for anything else. */
export function unpack(bytes: Buffer): PackedValue {
  const reader = new Reader(bytes);
  const value = reader.next();
  if (reader.at !== bytes.length) throw new RangeError('bytes are left behind a value');
  return value;
}

class Reader {
  readonly #bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  next(): PackedValue {
    const tag = this.#bytes.readUInt8(this.at);
    this.at += 1;
    if (tag < 0x80) return tag;
    if (tag >= 0xe0) return tag - 256;
    if ((tag & 0xe0) === 0xa0) return this.#text(tag & 0x1f);
    if ((tag & 0xf0) === 0x90) return this.#array(tag & 0x0f);
    return this.#tagged(tag);
  }

  #tagged(tag: number): PackedValue {
    switch (tag) {
      case 0xca:
        return this.#take(4).readFloatBE();
      case 0xcb:
        return this.#take(8).readDoubleBE();
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#uint(1 << (tag - 0xcc));
      case 0xcf:
        return Number(this.#take(8).readBigUInt64BE());
      case 0xd0:
        return this.#take(1).readInt8();
      case 0xd1:
        return this.#take(2).readInt16BE();
      case 0xd2:
        return this.#take(4).readInt32BE();
      case 0xd3:
        return Number(this.#take(8).readBigInt64BE());
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#uint(1 << (tag - 0xd9)));
      case 0xdc:
        return this.#array(this.#uint(2));
      default:
        throw new RangeError(`a value of type 0x${tag.toString(16)}`);
    }
  }

  #uint(length: number): number {
    return this.#take(length).readUIntBE(0, length);
  }

  #text(length: number): string {
    return this.#take(length).toString('utf8');
  }

  #array(length: number): readonly PackedValue[] {
    if (length > this.#bytes.length) throw new RangeError('an array longer than its bytes');
    return Array.from({ length }, () => this.next());
  }

  #take(length: number): Buffer {
    const end = this.at + length;
    if (end > this.#bytes.length) throw new RangeError('a value that ends behind its bytes');
    const taken = this.#bytes.subarray(this.at, end);
    this.at = end;
    return taken;
  }
}
