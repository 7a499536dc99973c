/** The UUID of all zeros, which Kafka uses for "none", in the form in which Kafka prints UUIDs (22 characters of base64url). */
export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA';

/** Prints 16 bytes as Kafka does: base64url without padding. */
export function uuidFromBytes(bytes: Buffer, at = 0): string {
  return bytes.toString('base64url', at, at + 16);
}

/** The 16 bytes of a UUID in Kafka's spelling, or undefined if it is not one. */
export function uuidToBytes(uuid: string): Buffer | undefined {
  const bytes = Buffer.from(uuid, 'base64url');
  return bytes.length === 16 && uuid.length === 22 ? bytes : undefined;
}
