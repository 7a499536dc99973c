/** The types of values in DER that are met on the way to a subject, or in it. */
const OBJECT_IDENTIFIER = 0x06;
const SEQUENCE = 0x30;
const SET = 0x31;
const VERSION = 0xa0;
/** UTF8String, PrintableString, TeletexString, IA5String, GeneralString, BMPString: values that Java writes as they are (`AVA`). */
const STRINGS: ReadonlySet<number> = new Set([0x0c, 0x13, 0x14, 0x16, 0x1b, 0x1e]);

/** Attributes that Java knows by names of RFC 2253; the others have none in a principal. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ['2.5.4.3', 'CN'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.9', 'STREET'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['0.9.2342.19200300.100.1.1', 'UID'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
]);

interface Element {
  readonly tag: number;
  /** With tag and length. */
  readonly bytes: Buffer;
  readonly content: Buffer;
}

/**
 * The subject of a certificate, in DER, as Java names it (`X500Principal.getName`, RFC 2253): most specific part first,
 * `CN=app,OU=dev,O=Example`; what Java has no name for as an identifier with the bytes of its value. Read from the bytes, for no text
 * that Node makes of a subject tells of which type a value is. Undefined where they cannot be read.
 */
export function certificateName(certificate: Buffer): string | undefined {
  try {
    const [signed] = elementsOf(only(certificate, SEQUENCE));
    const parts = elementsOf(expected(signed, SEQUENCE));
    // Version, where there is one; serial number, algorithm, issuer, validity, subject.
    const subject = parts[parts[0]?.tag === VERSION ? 5 : 4];
    return subjectName(expected(subject, SEQUENCE, (element) => element.bytes));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** A subject alone. @throws RangeError where it is not well-formed */
export function subjectName(subject: Buffer): string {
  return elementsOf(only(subject, SEQUENCE))
    .map((part) => elementsOf(expected(part, SET)).map(attribute).join('+'))
    .reverse()
    .join(',');
}

function attribute(element: Element): string {
  const [type, value] = elementsOf(expected(element, SEQUENCE));
  const identifier = identifierOf(expected(type, OBJECT_IDENTIFIER));
  if (value === undefined) throw malformed();
  const name = NAMES.get(identifier);
  if (name === undefined || !STRINGS.has(value.tag)) return `${name ?? identifier}=#${value.bytes.toString('hex')}`;
  // As UTF-8 of whatever type it is: Java does not decode the others either.
  return `${name}=${escaped(value.content.toString('utf8'))}`;
}

function escaped(text: string): string {
  return text
    .replace(/[,=+<>#;"\\]/g, '\\$&')
    .replaceAll('\0', '\\00')
    .replace(/^[ \r]+|[ \r]+$/g, (blanks) => blanks.replace(/./gs, '\\$&'));
}

function identifierOf(bytes: Buffer): string {
  const arcs: bigint[] = [];
  let arc = 0n;
  for (const byte of bytes) {
    arc = (arc << 7n) | BigInt(byte & 0x7f);
    if (byte >= 0x80) continue;
    arcs.push(arc);
    arc = 0n;
  }
  const [first = 0n, ...rest] = arcs;
  const root = first < 40n ? 0n : first < 80n ? 1n : 2n;
  return [root, first - root * 40n, ...rest].join('.');
}

function only(bytes: Buffer, tag: number): Buffer {
  const [element] = elementsOf(bytes);
  return expected(element, tag);
}

function expected(element: Element | undefined, tag: number, taken = (each: Element): Buffer => each.content): Buffer {
  if (element?.tag !== tag) throw malformed();
  return taken(element);
}

function elementsOf(bytes: Buffer): Element[] {
  const elements: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const short = bytes[at + 1] ?? 0;
    const sizeBytes = short < 0x80 ? 0 : short & 0x7f;
    const begin = at + 2 + sizeBytes;
    if (short === 0x80 || sizeBytes > 4 || begin > bytes.length) throw malformed();
    const size = sizeBytes === 0 ? short : bytes.readUIntBE(at + 2, sizeBytes);
    const end = begin + size;
    if (end > bytes.length) throw malformed();
    elements.push({
      tag: bytes[at] as number,
      bytes: bytes.subarray(at, end),
      content: bytes.subarray(begin, end),
    });
    at = end;
  }
  return elements;
}

function malformed(): RangeError {
  return new RangeError('the certificate is not well-formed');
}
