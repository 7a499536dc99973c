import { loadNative, type NativeCrc32 } from './codecs/native.ts';
import { crc32cPortable } from './crc32c-portable.ts';

/** Every process that touches a batch needs it, so it is loaded with the package. */
const sum = loadNative<NativeCrc32>('@node-rs/crc32')?.crc32c ?? crc32cPortable;

/**
 * The CRC-32C (Castagnoli) of `bytes` as an unsigned 32-bit number: the checksum of record batches and of producer snapshots.
 *
 * @param bytes what to sum; a view is read in place
 * @param previous the checksum of the bytes before these, to sum a sequence of pieces; 0 by default
 */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  return sum(bytes, previous);
}
