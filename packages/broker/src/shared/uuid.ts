import type { Random } from '@millrace/ports';

/** A random id in the 22 characters of base64url that Kafka prints. Kafka avoids a leading dash, and so does this. */
export function randomUuid(random: Random): string {
  for (;;) {
    const id = randomBytes(random).toString('base64url');
    if (!id.startsWith('-')) return id;
  }
}

/** A random UUID in the usual form with hyphens, as Kafka ends member ids with. */
export function uuidV4(random: Random): string {
  const hex = randomBytes(random).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Version 4, variant 1 (RFC 9562), as `java.util.UUID.randomUUID` makes them. */
function randomBytes(random: Random): Buffer {
  const bytes = Buffer.from(random.bytes(16));
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return bytes;
}
