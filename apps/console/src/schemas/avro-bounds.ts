/** Whether bytes are what they say before they are read: avsc believes counts, reads on behind the end, and looks there only afterwards. */
import avro from 'avsc';

const { types } = avro;

/** Items that take no bytes, such as nulls, that one value may have. */
const EMPTY_ITEMS_MAX = 10_000;
/** Bytes of a number at most: ten groups of seven bits. */
const NUMBER_BYTES_MAX = 10;

class Cursor {
  readonly #bytes: Buffer;
  #at = 0;
  #items = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  skip(count: number): void {
    if (!(count >= 0 && count <= this.#bytes.length - this.#at)) throw new Error('its bytes end too early');
    this.#at += count;
  }

  /** A number of any size; those that count something are exact. */
  number(): number {
    let value = 0;
    for (let place = 0; place < NUMBER_BYTES_MAX; place += 1) {
      const byte = this.#bytes[this.#at];
      this.skip(1);
      value += (byte! & 0x7f) * 2 ** (7 * place);
      if (byte! < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    throw new Error('it has a number of more than ten bytes');
  }

  /** Each item takes a byte or counts among the few that take none. */
  count(items: number): void {
    this.#items += items;
    if (this.#items > this.#bytes.length + EMPTY_ITEMS_MAX) {
      throw new Error('it claims more items than its bytes could hold');
    }
  }
}

/**
 * Goes over a value without making anything of it.
 * @throws Error for bytes that end too early, or claim more items than they could hold
 */
export function checkAvroBytes(type: avro.Type, payload: Buffer): void {
  skim(type, new Cursor(payload));
}

function skim(type: avro.Type, cursor: Cursor): void {
  if (type instanceof types.LogicalType) {
    skim(type.underlyingType, cursor);
  } else if (type instanceof types.RecordType) {
    for (const field of type.fields) skim(field.type, cursor);
  } else if (type instanceof types.ArrayType) {
    skimBlocks(cursor, () => skim(type.itemsType, cursor));
  } else if (type instanceof types.MapType) {
    skimBlocks(cursor, () => {
      cursor.skip(cursor.number());
      skim(type.valuesType, cursor);
    });
  } else if (type instanceof types.UnwrappedUnionType || type instanceof types.WrappedUnionType) {
    const branch = type.types[cursor.number()];
    if (branch === undefined) throw new Error('it has a branch that its union has not');
    skim(branch, cursor);
  } else {
    skimScalar(type, cursor);
  }
}

function skimScalar(type: avro.Type, cursor: Cursor): void {
  if (type instanceof types.NullType) return;
  if (type instanceof types.BooleanType) cursor.skip(1);
  else if (type instanceof types.FloatType) cursor.skip(4);
  else if (type instanceof types.DoubleType) cursor.skip(8);
  else if (type instanceof types.FixedType) cursor.skip(type.size);
  else if (type instanceof types.BytesType || type instanceof types.StringType) cursor.skip(cursor.number());
  else cursor.number();
}

/** Blocks of items, each with its count before it; a count below zero is followed by the block's bytes. */
function skimBlocks(cursor: Cursor, item: () => void): void {
  for (;;) {
    let count = cursor.number();
    if (count === 0) return;
    if (count < 0) {
      count = -count;
      cursor.number();
    }
    cursor.count(count);
    for (let left = count; left > 0; left -= 1) item();
  }
}
