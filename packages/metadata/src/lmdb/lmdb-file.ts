/**
 * Reads the file of an LMDB database (data version 2, as lmdb-js 3 writes it) without LMDB: its newest committed state, key by key.
 * Earlier builds kept the store in one. LMDB trusts its file and maps it into memory, so that a damaged one ends the process;
 * here every place is checked before it is read.
 */

const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const PAGE_HEADER_BYTES = 24;
const META_BYTES = 160;
/** Of a page's header. */
const FLAGS_AT = 18;
const LOWER_AT = 20;
const OVERFLOW_PAGES_AT = 20;
/** Of a page's beginning: the meta page's fields. */
const META = { magic: 24, version: 28, pageSize: 48, mainRoot: 136, lastPage: 144, txnid: 152 } as const;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

const BRANCH = 0x01;
const LEAF = 0x02;
const OVERFLOW = 0x04;
/** A value that lies on pages of its own. */
const BIG_DATA = 0x01;
const NODE_HEADER_BYTES = 8;
/** A tree of this height would hold more than any disk. */
const DEPTH_MAX = 32;

/** Why a file cannot be read. */
export class LmdbFault extends Error {
  override readonly name = 'LmdbFault';
}

/** Every key and value of the main database, in the order of the keys. */
export function* lmdbEntries(file: Buffer): Generator<readonly [key: Buffer, value: Buffer]> {
  const { pageSize, root } = newestMeta(file);
  if (root !== undefined) yield* entriesBelow(new Pages(file, pageSize), root, 0);
}

function newestMeta(file: Buffer): { pageSize: number; root: number | undefined } {
  if (file.length < PAGE_HEADER_BYTES + META_BYTES) throw new LmdbFault('it is too short');
  let newest: { pageSize: number; root: number | undefined; txnid: bigint } | undefined;
  // The second meta page lies a page further on, and the first says how long a page is.
  const pageSize = file.readUInt32LE(META.pageSize);
  for (const at of [0, pageSize]) {
    if (at + PAGE_HEADER_BYTES + META_BYTES > file.length) continue;
    if (file.readUInt32LE(at + META.magic) !== MAGIC || file.readUInt32LE(at + META.version) !== DATA_VERSION) continue;
    const txnid = file.readBigUInt64LE(at + META.txnid);
    const root = file.readBigUInt64LE(at + META.mainRoot);
    if (newest !== undefined && newest.txnid >= txnid) continue;
    newest = { pageSize, root: root === NO_PAGE ? undefined : Number(root), txnid };
  }
  const isPowerOfTwo = (pageSize & (pageSize - 1)) === 0 && pageSize >= 512 && pageSize <= 65_536;
  if (newest === undefined || !isPowerOfTwo) throw new LmdbFault('neither of its first two pages describes it');
  return newest;
}

class Pages {
  readonly #file: Buffer;
  readonly #pageSize: number;
  readonly #seen = new Set<number>();

  constructor(file: Buffer, pageSize: number) {
    this.#file = file;
    this.#pageSize = pageSize;
  }

  /** A page of a tree; each is met once. */
  page(number: number): Buffer {
    if (this.#seen.has(number)) throw new LmdbFault(`page ${number} stands in two places`);
    this.#seen.add(number);
    return this.#bytes(number, this.#pageSize);
  }

  /** A value on pages of its own. */
  overflow(number: number, length: number): Buffer {
    const header = this.#bytes(number, PAGE_HEADER_BYTES);
    const pages = header.readUInt32LE(OVERFLOW_PAGES_AT);
    if ((header.readUInt16LE(FLAGS_AT) & OVERFLOW) === 0 || pages * this.#pageSize < PAGE_HEADER_BYTES + length) {
      throw new LmdbFault(`page ${number} does not hold a value of ${length} bytes`);
    }
    return this.#bytes(number, PAGE_HEADER_BYTES + length).subarray(PAGE_HEADER_BYTES);
  }

  #bytes(number: number, length: number): Buffer {
    const at = number * this.#pageSize;
    if (!Number.isSafeInteger(at) || at + length > this.#file.length) {
      throw new LmdbFault(`page ${number} lies behind its end`);
    }
    if (this.#file.readBigUInt64LE(at) !== BigInt(number)) throw new LmdbFault(`page ${number} is another page`);
    return this.#file.subarray(at, at + length);
  }
}

function* entriesBelow(pages: Pages, number: number, depth: number): Generator<readonly [key: Buffer, value: Buffer]> {
  if (depth > DEPTH_MAX) throw new LmdbFault('its tree has no end');
  const page = pages.page(number);
  const flags = page.readUInt16LE(FLAGS_AT);
  const count = page.readUInt16LE(LOWER_AT) / 2;
  if (!Number.isInteger(count) || PAGE_HEADER_BYTES + count * 2 > page.length) {
    throw new LmdbFault(`page ${number} is damaged`);
  }
  for (let index = 0; index < count; index += 1) {
    const at = PAGE_HEADER_BYTES + page.readUInt16LE(PAGE_HEADER_BYTES + index * 2);
    if (at + NODE_HEADER_BYTES > page.length) throw new LmdbFault(`page ${number} is damaged`);
    if ((flags & BRANCH) !== 0) yield* entriesBelow(pages, page.readUIntLE(at, 6), depth + 1);
    else if ((flags & LEAF) !== 0) yield leafEntry(pages, page, at, number);
    else throw new LmdbFault(`page ${number} belongs to no tree`);
  }
}

function leafEntry(pages: Pages, page: Buffer, at: number, number: number): readonly [Buffer, Buffer] {
  const length = page.readUInt32LE(at);
  const keyEnd = at + NODE_HEADER_BYTES + page.readUInt16LE(at + 6);
  const isBig = (page.readUInt16LE(at + 4) & BIG_DATA) !== 0;
  if (keyEnd + (isBig ? 8 : length) > page.length) throw new LmdbFault(`page ${number} is damaged`);
  const key = page.subarray(at + NODE_HEADER_BYTES, keyEnd);
  if (!isBig) return [key, page.subarray(keyEnd, keyEnd + length)];
  return [key, pages.overflow(Number(page.readBigUInt64LE(keyEnd)), length)];
}
