import { crc32c as nativeCrc32c } from '@node-rs/crc32';

/**
 * The CRC-32C (Castagnoli) of `bytes` as an unsigned 32-bit number: the checksum of record batches and of producer snapshots.
 *
 * @param bytes what to sum; a view is read in place
 * @param previous the checksum of the bytes before these, to sum a sequence of pieces; 0 by default
 */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  return nativeCrc32c(bytes, previous);
}
