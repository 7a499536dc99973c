/**
 * Bytes that are shown as something else than their text (numbers, MessagePack, what a schema says, hex), so that a search finds what is
 * shown. `OtherForms` is the first look at them: it has to know what `showBytes` can make of bytes that are no text, and its test asks.
 */
import { isUtf8 } from 'node:buffer';
import type { UnmadeRecord } from '@millrace/consumer';
import type { Shown } from '../api/contract.ts';
import type { SchemaRegistry } from '../schemas/registry.ts';
import { BytePlaces } from './byte-places.ts';
import { beginsMessagePack } from './msgpack.ts';
import { showBytes } from './shown.ts';

const ASCII_MAX = 0x7f;
const SPACE = 0x20;
/** Tab, the ends of lines and escape: a text may hold these of the controls. */
const TEXT_CONTROLS: ReadonlySet<number> = new Set([9, 10, 13, 27]);
/** Numbers, hex, and the words beside a schema's id: whatever bytes are no text and no MessagePack are shown in these. */
const DIGITS = /^[-0-9a-fschm: ]*$/;
const HEX = /^[0-9a-f]*$/;
/** Of fewer digits there may be no whole byte to look for. */
const HEX_DIGITS_MIN = 3;
const INT_BYTES = 4;
const LONG_BYTES = 8;
const VARINT_BITS_MAX = 35;

/** What bytes are shown as where that is not their text. */
export function otherForm(bytes: Buffer, schemas: SchemaRegistry | undefined): Shown | undefined {
  return isPlainText(bytes) ? undefined : showBytes(bytes, Number.POSITIVE_INFINITY, schemas);
}

/** Whether bytes are UTF-8 that a person can read, and so shown as that. */
function isPlainText(data: Buffer, start = 0, end = data.length): boolean {
  let isAscii = true;
  for (let at = start; at < end; at += 1) {
    const byte = data[at] ?? 0;
    if (byte < SPACE && !TEXT_CONTROLS.has(byte)) return false;
    if (byte > ASCII_MAX) isAscii = false;
  }
  return isAscii || isUtf8(data.subarray(start, end));
}

/** Tells of records as they lie whether a text may be in what they are shown as, their own text aside. Without schemas: those may say anything. */
export class OtherForms {
  readonly #isOfDigits: boolean;
  readonly #isHex: boolean;
  /** The bytes whose digits the text may be; undefined for one that is none, and for one that is too short to tell. */
  readonly #hex: BytePlaces | undefined;
  #data: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(text: string) {
    const lower = text.toLowerCase();
    this.#isOfDigits = DIGITS.test(lower);
    this.#isHex = HEX.test(lower);
    this.#hex = this.#isHex && lower.length >= HEX_DIGITS_MIN ? new BytePlaces(bytesOfDigits(lower)) : undefined;
  }

  /** Whether something of a record is shown in a form that may hold the text. */
  mayHold({ data, keyStart, keyBytes, valueStart, valueBytes, end }: UnmadeRecord): boolean {
    const mayBeHex = this.#isHex && this.#hex?.isWithin(data, keyStart, end) !== false;
    if (this.#mayBeIn(data, keyStart, keyBytes, mayBeHex)) return true;
    if (this.#mayBeIn(data, valueStart, valueBytes, mayBeHex)) return true;
    this.#data = data;
    this.#at = valueStart + Math.max(0, valueBytes);
    return this.#mayBeInHeaders(end, mayBeHex);
  }

  /** Goes through the bytes of few parts: most are too long for a number, and begin as nothing but text does. */
  #mayBeIn(data: Buffer, start: number, bytes: number, mayBeHex: boolean): boolean {
    if (bytes <= 0) return false;
    const first = data[start] ?? 0;
    const mayBeNumber = this.#isOfDigits && (bytes === INT_BYTES || bytes === LONG_BYTES);
    // The wire format of schemas begins with a zero.
    const mayBeSchema = this.#isOfDigits && first === 0;
    if (!mayBeHex && !mayBeNumber && !mayBeSchema && !beginsMessagePack(first)) return false;
    return !isPlainText(data, start, start + bytes);
  }

  /** The headers from where one is up to the record's end; what leads out of it fails when it is made. */
  #mayBeInHeaders(end: number, mayBeHex: boolean): boolean {
    const count = this.#varint();
    for (let i = 0; i < count; i += 1) {
      const nameBytes = this.#varint();
      this.#at += Math.max(0, nameBytes);
      const bytes = this.#varint();
      if (this.#at > end) return true;
      if (this.#mayBeIn(this.#data, this.#at, bytes, mayBeHex)) return true;
      this.#at += Math.max(0, bytes);
    }
    return false;
  }

  #varint(): number {
    let zigzag = 0;
    for (let shift = 0; shift < VARINT_BITS_MAX; shift += 7) {
      const byte = this.#data[this.#at++] ?? 0;
      zigzag |= (byte & 0x7f) << shift;
      if (byte <= 0x7f) break;
    }
    return (zigzag >>> 1) ^ -(zigzag & 1);
  }
}

/** The whole bytes in digits of which the first may be a byte's first or its last. */
function bytesOfDigits(digits: string): Buffer[] {
  return [digits, digits.slice(1)].map((each) => Buffer.from(each.slice(0, each.length - (each.length % 2)), 'hex'));
}
