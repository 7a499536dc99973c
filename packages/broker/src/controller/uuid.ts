import type { Random } from '@millrace/ports';

/** A random id in the 22 characters of base64url that Kafka prints. Kafka avoids a leading dash, and so does this. */
export function randomUuid(random: Random): string {
  for (;;) {
    const bytes = Buffer.from(random.bytes(16));
    // Version 4, variant 1 (RFC 9562), as `java.util.UUID.randomUUID` makes them.
    bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
    bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
    const id = bytes.toString('base64url');
    if (!id.startsWith('-')) return id;
  }
}
