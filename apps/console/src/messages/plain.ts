/** What bytes are by themselves: a text that a person can read, or a number. */

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** UTF-8 that a person can read; undefined where it is none. A character that the cut divides is left out. */
export function textOf(bytes: Buffer, bytesMax: number = bytes.length): string | undefined {
  const end = bytes.length <= bytesMax ? bytes.length : characterEnd(bytes, bytesMax);
  try {
    const text = utf8.decode(bytes.subarray(0, end));
    return hasControls(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

/** The largest end up to `end` that does not divide a character. */
function characterEnd(bytes: Buffer, end: number): number {
  let at = end;
  while (at > end - 4 && at > 0 && ((bytes[at] ?? 0) & 0xc0) === 0x80) at -= 1;
  return at;
}

function hasControls(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code < 32 && code !== 9 && code !== 10 && code !== 13 && code !== 27) return true;
  }
  return false;
}

/** Four and eight bytes that are no text are numbers, as Kafka's serializers for integers and longs write them. */
export function numberOf(bytes: Buffer): string | undefined {
  if (bytes.length === 4) return String(bytes.readInt32BE(0));
  return bytes.length === 8 ? String(bytes.readBigInt64BE(0)) : undefined;
}
