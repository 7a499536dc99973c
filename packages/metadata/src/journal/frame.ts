import zlib from 'node:zlib';

/** What a frame holds. */
export type FrameKind = 'header' | 'transactions' | 'nodes' | 'end';

const KIND_NUMBERS: Readonly<Record<FrameKind, number>> = { header: 1, transactions: 2, nodes: 3, end: 4 };
const KINDS = new Map(Object.entries(KIND_NUMBERS).map(([kind, number]) => [number, kind as FrameKind]));

/**
 * Before the payload: its length (4), the last transaction in it (6), the kind (1), a zero (1), the payload's CRC-32 (4), and the
 * CRC-32 of these sixteen bytes (4). CRC-32 and not CRC-32C, because Node has the former built in.
 */
export const FRAME_HEADER_BYTES = 20;
const ZXID_AT = 4;
const KIND_AT = 10;
const PAYLOAD_CRC_AT = 12;
const HEADER_CRC_AT = 16;

/** Behind the payload, so that a whole frame never ends in a zero: zeros at the end of a file are bytes that never came. */
const MARK = 0xa5;
const MARK_BYTES = 1;

/** The unit in which a write that a crash interrupted is on a disk or not. */
const SECTOR_BYTES = 512;
/** More zeros than a frame has in one place: where a sector ends in so many, what belongs there never came. */
const ZEROS_MIN = 24;

/** A frame that was read and is whole. */
export interface Frame {
  readonly kind: FrameKind;
  /** The last transaction that the frame holds, or up to which what it belongs to reaches. */
  readonly zxid: number;
  readonly payload: Buffer;
  /** Where the next frame begins. */
  readonly end: number;
}

/** Puts a payload into a frame. */
export function frameOf(kind: FrameKind, zxid: number, payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafeSlow(FRAME_HEADER_BYTES + payload.length + MARK_BYTES);
  frame.writeUInt32BE(payload.length, 0);
  frame.writeUIntBE(zxid, ZXID_AT, 6);
  frame.writeUInt8(KIND_NUMBERS[kind], KIND_AT);
  frame.writeUInt8(0, KIND_AT + 1);
  frame.writeUInt32BE(zlib.crc32(payload), PAYLOAD_CRC_AT);
  frame.writeUInt32BE(zlib.crc32(frame.subarray(0, HEADER_CRC_AT)), HEADER_CRC_AT);
  payload.copy(frame, FRAME_HEADER_BYTES);
  frame.writeUInt8(MARK, frame.length - MARK_BYTES);
  return frame;
}

/** The frame at a position, or undefined where there is none that is whole. */
export function frameAt(bytes: Buffer, at: number): Frame | undefined {
  if (!hasHeaderAt(bytes, at)) return undefined;
  const end = at + FRAME_HEADER_BYTES + bytes.readUInt32BE(at) + MARK_BYTES;
  if (end > bytes.length || bytes[end - MARK_BYTES] !== MARK) return undefined;
  const payload = bytes.subarray(at + FRAME_HEADER_BYTES, end - MARK_BYTES);
  if (zlib.crc32(payload) !== bytes.readUInt32BE(at + PAYLOAD_CRC_AT)) return undefined;
  const kind = KINDS.get(bytes.readUInt8(at + KIND_AT));
  return kind === undefined ? undefined : { kind, zxid: bytes.readUIntBE(at + ZXID_AT, 6), payload, end };
}

function hasHeaderAt(bytes: Buffer, at: number): boolean {
  if (at + FRAME_HEADER_BYTES > bytes.length || bytes[at + KIND_AT + 1] !== 0) return false;
  if (!KINDS.has(bytes.readUInt8(at + KIND_AT))) return false;
  return zlib.crc32(bytes.subarray(at, at + HEADER_CRC_AT)) === bytes.readUInt32BE(at + HEADER_CRC_AT);
}

/** What follows the last whole frame of a journal. */
export type JournalEnd =
  /** Nothing. */
  | 'clean'
  /** A write that a crash interrupted, which nobody was told of. It may go. */
  | 'torn'
  /** Bytes that no interrupted write leaves behind: what was answered is damaged. */
  | 'damaged';

/**
 * Says whether what begins at `at`, where no whole frame is, can be what a crash left of the last write. A write begins only when
 * the one before it is durable, so a whole frame further on, or an end beyond this frame's, means damage. And an interrupted
 * write lacks bytes: those behind the end of the file, or the rest of sectors, which read as zeros. Where nothing is missing, bits
 * have changed.
 */
export function judgeEnd(bytes: Buffer, at: number, zxid: number): JournalEnd {
  if (at >= bytes.length) return 'clean';
  if (findFrame(bytes, at + 1, zxid) !== undefined) return 'damaged';
  const left = bytes.length - at;
  if (left < FRAME_HEADER_BYTES) return 'torn';
  if (hasHeaderAt(bytes, at) && FRAME_HEADER_BYTES + bytes.readUInt32BE(at) + MARK_BYTES > left) return 'torn';
  return bytes.at(-1) === 0 || hasMissingBytes(bytes, at) ? 'torn' : 'damaged';
}

/** The first whole frame of later transactions at or behind `from`. */
export function findFrame(bytes: Buffer, from: number, zxid: number): number | undefined {
  for (let at = from; at + FRAME_HEADER_BYTES <= bytes.length; at += 1) {
    const frame = bytes[at + KIND_AT] === KIND_NUMBERS.transactions ? frameAt(bytes, at) : undefined;
    if (frame !== undefined && frame.zxid > zxid) return at;
  }
  return undefined;
}

/** Whether some sector, or its part from `from` on, ends in bytes that never came. */
function hasMissingBytes(bytes: Buffer, from: number): boolean {
  for (let at = from; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + SECTOR_BYTES - (at % SECTOR_BYTES));
    if (bytes.subarray(Math.max(at, end - ZEROS_MIN), end).every((byte) => byte === 0)) return true;
    at = end;
  }
  return false;
}
