/**
 * The subject of a certificate as Java prints it (RFC 2253, most specific part first): `CN=app,OU=dev,O=Example`.
 *
 * Node gives a line for each part, in the order of the certificate, which is the other way round, with values escaped as the RFC
 * has it already; parts with several values have ` + ` between them. What the RFC has no short name for, Java writes as an
 * object identifier with the bytes of the value.
 */
export function distinguishedName(subject: string): string {
  return subject
    .split('\n')
    .filter((line) => line !== '')
    .map((line) =>
      line
        .split(/ \+ (?=[A-Za-z0-9.]+=)/)
        .map(attribute)
        .join('+'),
    )
    .reverse()
    .join(',');
}

/** Names that Java writes as they are; the others by their identifiers. */
const IDENTIFIERS: Readonly<Record<string, string>> = {
  emailAddress: '1.2.840.113549.1.9.1',
  serialNumber: '2.5.4.5',
  SN: '2.5.4.4',
  GN: '2.5.4.42',
  title: '2.5.4.12',
};
const IA5_STRING = 0x16;
const PRINTABLE_STRING = 0x13;

function attribute(text: string): string {
  const at = text.indexOf('=');
  const name = text.slice(0, at);
  const value = text.slice(at + 1);
  const identifier = IDENTIFIERS[name];
  if (identifier === undefined) return `${name}=${value}`;
  const bytes = Buffer.from(value.replace(/\\(.)/g, '$1'));
  // Longer ones have lengths of several bytes, which nobody has met here.
  const tag = name === 'emailAddress' ? IA5_STRING : PRINTABLE_STRING;
  const encoded = Buffer.concat([Buffer.from([tag, Math.min(bytes.length, 0x7f)]), bytes]);
  return `${identifier}=#${encoded.toString('hex')}`;
}
